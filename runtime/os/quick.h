/* Unlock, or exchange a word that others rarely touch, without a locked instruction: one plain store, which the kernel makes restartable
 * (rseq(2)). Protocols: quick.c. */
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

#define RT_QUICK_NOT ((void *)-1)

/* Put new into *slot and return what was there; RT_QUICK_NOT: nothing was done, for *shut is not 0 or the trick is not in use. For the thread that
 * owns slot; others make it shut first. (No asm goto: gcc 12 loses the outputs of one.) */
static inline void *rt_quick_exchange(void *_Atomic *slot, void *new, const _Atomic uint32_t *shut)
{
	void *was;

	__asm__ volatile(
		".pushsection __rseq_cs, \"aw\"\n\t"
		".balign 32\n"
		"3:\t.long 0, 0\n\t"
		".quad 1f, 2f - 1f, 4f\n\t"
		".popsection\n"
		"5:\tmovq %[offset], %[was]\n\t"
		"testq %[was], %[was]\n\t"
		"jz 6f\n\t"
		"leaq 3b(%%rip), %%rcx\n\t"
		"movq %%rcx, %%fs:(%[was])\n"
		"1:\tcmpq $0, %[offset]\n\t"
		"je 6f\n\t"
		"cmpl $0, %[shut]\n\t"
		"jne 6f\n\t"
		"movq %[slot], %[was]\n\t"
		"movq %[new], %[slot]\n"
		"2:\n\t"
		".pushsection .text.rt_quick_again, \"ax\"\n\t"
		".byte 0x0f, 0xb9, 0x3d\n\t"
		".long 0x53053053\n"
		"4:\tjmp 5b\n"
		"6:\tmovq $-1, %[was]\n\t"
		"jmp 2b\n\t"
		".popsection"
		: [was] "=&r"(was), [slot] "+m"(*slot) : [offset] "m"(rt_quick_offset), [new] "r"(new), [shut] "m"(*shut) : "rcx", "memory", "cc");
	return was;
}

#else
#define RT_QUICK_UNLOCK 0
static inline bool rt_quick_unlock(uint32_t *state) { (void)state; return false; }
#define RT_QUICK_NOT ((void *)-1)
static inline void *rt_quick_exchange(void *_Atomic *slot, void *new, const _Atomic uint32_t *shut)
{
	(void)slot, (void)new, (void)shut;
	return RT_QUICK_NOT;
}
#endif

/* Must a waiter mark a lock word, and let rt_quick_barrier succeed, before it parks? */
bool rt_quick_in_use(void);
/* Every rt_quick_unlock that did not see what the caller wrote before has stored, and the caller sees that. False: refused. */
bool rt_quick_barrier(void);
bool rt_quick_is_calm(void);            /* the last such barrier is long ago: another would cost next to nothing */
/* Every rt_quick_exchange that did not see what the caller wrote before has stored, and the caller sees that. False: refused. */
bool rt_quick_fence(void);
/* While the runtime initialises, if there is no observer. */
void rt_quick_init(void);

#endif
