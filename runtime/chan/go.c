/* csp_go: from the registers of a call that was meant for f to a goroutine that makes it. The other half is arch/<cpu>/go_entry.S.
 *
 * The caller was compiled as if it called f(args...). Register arguments are saved by the entry. What else was passed lies on the caller's
 * stack from the return address up to the descriptor, which is an array of variable length for that purpose (csp.h); or nothing was, and the
 * macro knows it. Between the two is at most what aligns one of them, or AddressSanitizer's red zone. */
#include "../csp.h"

#include "../sched/spawn.h"
#include "../sched/stack.h"
#include "copy.h"

struct rt_go_regs {
	uintptr_t integer[6];
	void    (*fn)(void);
	size_t    stack_bytes;                  /* multiple of 16 */
	struct { _Alignas(16) unsigned char bytes[16]; } vector[8];
};                                              /* the stack arguments follow */
_Static_assert(sizeof(struct rt_go_regs) == 192, "arch/*/go_entry.S");
_Static_assert(offsetof(struct rt_go_regs, fn) == 48 && offsetof(struct rt_go_regs, vector) == 64, "arch/*/go_entry.S");

enum {
	ARGUMENT_BYTES_MAX = 1 << 24,
	USUAL_BYTES = 4096,                     /* so much of a stack of the default size may be arguments */
};

void rt_go_entry(void);
void rt_go_thunk(void *regs);
void rt_go_start(const struct csp_go_desc_ *desc, const struct rt_go_regs *regs, const void *stack_args, void *pc);

CSP_API void (*const csp_go_entry_)(void) = rt_go_entry;

static size_t stack_bytes_of(const struct csp_go_desc_ *desc, const void *stack_args, const struct rt_g *parent)
{
	enum { BLIND_BYTES = 4096 };
	uintptr_t lo = (uintptr_t)stack_args, limit = (uintptr_t)desc;
	size_t bytes = desc->stack_bytes_max;

	/* A descriptor elsewhere (clang's -fsanitize=safe-stack) says nothing; then so much is copied, but not from beyond the stack. f does not
	 * look at what is too much. */
	if (limit < lo || limit - lo > ARGUMENT_BYTES_MAX) {
		limit = parent->view.stack_lo <= lo && lo < parent->view.stack_hi ? parent->view.stack_hi : lo + 256;
		bytes = bytes < BLIND_BYTES ? bytes : BLIND_BYTES;
	}
	if (limit - lo < bytes)
		bytes = limit - lo;
	return (bytes + 15) & ~(size_t)15;
}

/* Arguments lie on the new stack twice: as saved, and as f wants them. */
static size_t wanted_bytes(const csp_go_options *options, size_t stack_bytes)
{
	size_t asked = options != NULL ? options->stack_bytes : 0;

	if (asked == 0 && stack_bytes <= USUAL_BYTES)
		return 0;
	return (asked != 0 ? asked : rt_stack_default_bytes()) + 2 * stack_bytes;
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
	struct rt_g *g = rt_g_create(wanted_bytes(desc->options, stack_bytes), parent, (void *)(uintptr_t)desc->fn, pc);
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
