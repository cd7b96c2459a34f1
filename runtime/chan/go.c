/* csp_go: from the registers of a call that was meant for f to a goroutine that makes it. The other half is arch/<cpu>/go_entry.S.
 *
 * The caller was compiled as if it called f(args...). Register arguments are saved by the entry. What else was passed lies on the caller's
 * stack from the return address upwards, and nothing says how much. But the descriptor is a variable of the caller, and variables lie
 * above outgoing arguments, so its address is a bound; the macro gives another (none without arguments, ...). Copying too much is
 * harmless: f does not look there. */
#include "../csp.h"

#include "../sched/spawn.h"
#include "copy.h"

struct rt_go_regs {
	uintptr_t integer[6];
	void    (*fn)(void);
	size_t    stack_bytes;                  /* multiple of 16 */
	struct { _Alignas(16) unsigned char bytes[16]; } vector[8];
};                                              /* the stack arguments follow */
_Static_assert(sizeof(struct rt_go_regs) == 192, "arch/*/go_entry.S");
_Static_assert(offsetof(struct rt_go_regs, fn) == 48 && offsetof(struct rt_go_regs, vector) == 64, "arch/*/go_entry.S");

void rt_go_entry(void);
void rt_go_thunk(void *regs);
void rt_go_start(const struct csp_go_desc_ *desc, const struct rt_go_regs *regs, const void *stack_args, void *pc);

CSP_API void (*const csp_go_entry_)(void) = rt_go_entry;

static size_t stack_bytes_of(const struct csp_go_desc_ *desc, const void *stack_args, const struct rt_g *parent)
{
	uintptr_t lo = (uintptr_t)stack_args, limit = (uintptr_t)desc;

	/* A descriptor elsewhere (AddressSanitizer's fake stack) says nothing; then the end of the stack is the bound, if known. */
	if (limit < lo || limit - lo > 1u << 24)
		limit = parent->view.stack_lo <= lo && lo < parent->view.stack_hi ? parent->view.stack_hi : lo + 256;
	size_t bytes = limit - lo < desc->stack_bytes_max ? limit - lo : desc->stack_bytes_max;
	return (bytes + 15) & ~(size_t)15;
}

static void start(struct rt_g *g, const csp_go_options *options)
{
	if (options != NULL && options->name != NULL) {
		size_t i = 0;
		for (; i < sizeof g->name - 1 && options->name[i] != '\0'; i++)
			g->name[i] = options->name[i];
		g->name[i] = '\0';
	}
	if (options != NULL && options->locked)
		rt_g_start_locked(g);
	rt_g_start(g);
}

void rt_go_start(const struct csp_go_desc_ *desc, const struct rt_go_regs *regs, const void *stack_args, void *pc)
{
	struct rt_g *parent = rt_self();

	if (desc->fn == NULL)
		rt_fatal(-1, NULL, "go of nil func value", pc);

	size_t stack_bytes = desc->stack_bytes_max == 0 ? 0 : stack_bytes_of(desc, stack_args, parent);
	size_t wanted = desc->options != NULL ? desc->options->stack_bytes : 0;
	struct rt_g *g = rt_g_create(wanted == 0 ? 0 : wanted + 2 * stack_bytes, parent, (void *)(uintptr_t)desc->fn, pc);
	if (g == NULL)
		rt_fatal(-1, NULL, "newproc: out of memory", pc);

	struct rt_go_regs *frame = rt_g_reserve(g, sizeof *frame + stack_bytes);
	rt_copy(frame, regs, sizeof *frame);
	frame->fn = desc->fn;
	frame->stack_bytes = stack_bytes;
	rt_copy_bytes(frame + 1, stack_args, stack_bytes);      /* not rt_copy: no sanitizer may look at it */
	rt_g_set_entry(g, rt_go_thunk, frame);
	start(g, desc->options);
}

CSP_API int csp_go_fn(void (*f)(void *), void *arg, const csp_go_options *options)
{
	void *pc = __builtin_return_address(0);
	struct rt_g *g = rt_g_create(options != NULL ? options->stack_bytes : 0, rt_self(), (void *)(uintptr_t)f, pc);

	if (g == NULL)
		return -ENOMEM;
	rt_g_set_entry(g, f, arg);
	start(g, options);
	return 0;
}

/* For the templates of C++. */
CSP_API _Noreturn void csp_go_refused_(void);
CSP_API _Noreturn void csp_go_refused_(void)
{
	rt_fatal(-1, NULL, "newproc: out of memory", __builtin_return_address(0));
}
