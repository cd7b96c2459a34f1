/* What differs between processors: the saved context, the switch, and an uncached way to the worker of this thread. */
#ifndef CSP_RUNTIME_ARCH_ARCH_H
#define CSP_RUNTIME_ARCH_ARCH_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct rt_m;

/* Save the callee-saved registers on this stack and its pointer in *save_sp, continue at to_sp. Returns, when somebody switches
 * back, the m that side gave. arch/<cpu>/switch.S */
struct rt_m *rt_switch(void **save_sp, void *to_sp, struct rt_m *m);
void rt_entry(void);
/* What a context's function returns when it is done: the context to continue with, as for rt_switch. Nothing returns to this one. */
struct rt_arrival { void *to_sp; struct rt_m *m; };

/* The worker (or the stand-in of a foreign thread) of this OS thread, NULL before the first use. Read only through rt_m_self(). */
extern __thread struct rt_m *rt_m_tls __attribute__((tls_model("initial-exec"), visibility("hidden")));

#if defined(__x86_64__)

/* Read in asm at each use: a compiler may keep the address of a thread-local over a call that changes the thread. */
static inline struct rt_m *rt_m_self(void)
{
	struct rt_m *m;
	__asm__ volatile("movq rt_m_tls@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0" : "=r"(m) : : "memory");
	return m;
}

/* Lay a context below `top` that starts fn(m, arg); returns its sp. */
static inline void *rt_arch_prepare(void *top, struct rt_arrival (*fn)(struct rt_m *, void *), void *arg)
{
	uintptr_t *sp = (uintptr_t *)((uintptr_t)top & ~(uintptr_t)15);

	*--sp = 0;                              /* rt_entry starts with sp % 16 == 0, as its call wants */
	*--sp = 0;
	*--sp = (uintptr_t)rt_entry;
	memset(sp -= 6, 0, 6 * sizeof *sp);
	sp[0] = (uintptr_t)fn;                  /* rbx */
	sp[2] = (uintptr_t)arg;                 /* r12 */
	return sp;
}
static inline uintptr_t rt_arch_saved_pc(const void *sp) { return ((const uintptr_t *)sp)[6]; }
static inline uintptr_t rt_arch_saved_bp(const void *sp) { return ((const uintptr_t *)sp)[1]; }
static inline void rt_arch_pause(void) { __builtin_ia32_pause(); }
/* Is pc, where a signal came in, in a system call: at its instruction, which is to be restarted, or behind it? */
static inline bool rt_arch_in_syscall(uintptr_t pc)
{
	const unsigned char *code = (const unsigned char *)pc;

	return (code[0] == 0x0f && code[1] == 0x05) || (pc % 4096 >= 2 && code[-2] == 0x0f && code[-1] == 0x05);
}

#elif defined(__aarch64__)

static inline struct rt_m *rt_m_self(void)
{
	struct rt_m *m;
	__asm__ volatile("adrp %0, :gottprel:rt_m_tls\n\tldr %0, [%0, :gottprel_lo12:rt_m_tls]\n\t"
	                 "mrs x16, tpidr_el0\n\tldr %0, [x16, %0]" : "=r"(m) : : "x16", "memory");
	return m;
}

static inline void *rt_arch_prepare(void *top, struct rt_arrival (*fn)(struct rt_m *, void *), void *arg)
{
	uintptr_t *sp = (uintptr_t *)((uintptr_t)top & ~(uintptr_t)15);

	memset(sp -= 20, 0, 20 * sizeof *sp);
	sp[0] = 0;                              /* x29 */
	sp[1] = (uintptr_t)rt_entry;            /* x30 */
	sp[2] = (uintptr_t)fn;                  /* x19 */
	sp[3] = (uintptr_t)arg;                 /* x20 */
	return sp;
}
static inline uintptr_t rt_arch_saved_pc(const void *sp) { return ((const uintptr_t *)sp)[1]; }
static inline uintptr_t rt_arch_saved_bp(const void *sp) { return ((const uintptr_t *)sp)[0]; }
static inline void rt_arch_pause(void) { __asm__ volatile("isb" : : : "memory"); }
static inline bool rt_arch_in_syscall(uintptr_t pc)
{
	const uint32_t *code = (const uint32_t *)pc, svc = 0xd4000001;

	return code[0] == svc || (pc % 4096 >= 4 && code[-1] == svc);
}

#else
#error "no context switch for this processor: add arch/<cpu>/switch.S"
#endif
#endif
