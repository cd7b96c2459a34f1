#include "lock.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Own entry to the futex, so that errno of the interrupted program stays as it is. */
static long futex(_Atomic uint32_t *word, int op, uint32_t val)
{
	long ret;
	register long r10 __asm__("r10") = 0;
	__asm__ volatile("syscall" : "=a"(ret) : "0"((long)SYS_futex), "D"(word), "S"((long)op), "d"((long)val), "r"(r10)
		: "rcx", "r11", "memory");
	return ret;
}

void det_lock_slow(struct det_lock *l)
{
	for (int i = 0; i < 100; i++) {
		uint32_t zero = 0;
		if (atomic_compare_exchange_weak_explicit(&l->word, &zero, 1, memory_order_acquire, memory_order_relaxed))
			return;
		__builtin_ia32_pause();
	}
	/* Mark the lock contended; whoever finds it free that way owns it, still marked, and wakes one more on unlock. */
	while (atomic_exchange_explicit(&l->word, 2, memory_order_acquire) != 0)
		futex(&l->word, FUTEX_WAIT_PRIVATE, 2);
}

void det_unlock_slow(struct det_lock *l)
{
	futex(&l->word, FUTEX_WAKE_PRIVATE, 1);
}
