/* Unlock without a locked instruction: one plain store, which the kernel makes restartable (rseq(2)). Protocol: quick.c. */
#ifndef CSP_RUNTIME_OS_QUICK_H
#define CSP_RUNTIME_OS_QUICK_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#define RT_QUICK_UNLOCK 1

/* Where this thread's rseq.rseq_cs lies, from %fs; 0: no quick unlocking. */
extern int64_t rt_quick_offset __attribute__((visibility("hidden")));

/* If *state, held by the caller, is exactly 1: set it to 0 and return true. Between the look and the store nothing happens: a thread that is
 * interrupted there, or meets rt_quick_barrier, looks again. */
static inline bool rt_quick_unlock(uint32_t *state)
{
	__asm__ goto volatile(
		".pushsection __rseq_cs, \"aw\"\n\t"
		".balign 32\n"
		"3:\t.long 0, 0\n\t"                    /* version, flags */
		".quad 1f, 2f - 1f, 4f\n\t"             /* begin, length, abort */
		".popsection\n"
		"5:\tmovq %[offset], %%rax\n\t"
		"testq %%rax, %%rax\n\t"
		"jz %l[no]\n\t"
		"leaq 3b(%%rip), %%rcx\n\t"
		"movq %%rcx, %%fs:(%%rax)\n"
		"1:\tcmpq $0, %[offset]\n\t"           /* again: rt_quick_barrier may have ended it all */
		"je %l[no]\n\t"
		"cmpl $1, %[state]\n\t"
		"jne %l[no]\n\t"
		"movb $0, %[state]\n"
		"2:\tjmp %l[yes]\n\t"
		".byte 0x0f, 0xb9, 0x3d\n\t"            /* ud1: makes an instruction of the signature */
		".long 0x53053053\n"
		"4:\tjmp 5b\n"
		: : [offset] "m"(rt_quick_offset), [state] "m"(*state) : "rax", "rcx", "memory", "cc" : no, yes);
yes:
	return true;
no:
	return false;
}

#else
#define RT_QUICK_UNLOCK 0
static inline bool rt_quick_unlock(uint32_t *state) { (void)state; return false; }
#endif

/* Must a waiter mark a lock word, and let rt_quick_barrier succeed, before it parks? */
bool rt_quick_in_use(void);
/* Every rt_quick_unlock that did not see what the caller wrote before has stored, and the caller sees that. False: refused. */
bool rt_quick_barrier(void);
/* While the runtime initialises, if there is no observer. */
void rt_quick_init(void);

#endif
