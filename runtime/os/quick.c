/* Unlocking, and exchanging a worker's runnext, by a plain store.
 *
 * How a waiter is not missed:
 *
 *   unlock: restartable { word == LOCKED? · byte 0 of word = 0 }          else: compare-and-swap, wake a waiter
 *   wait:   word |= CONTENDED (locked) · barrier · look at the word again, then count as a waiter and park
 * The store touches byte 0 alone, where nothing but LOCKED lives, so it cannot undo what others write above it. The barrier
 * (MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ) restarts every thread that is between the look and the store, and the kernel restarts those
 * that were preempted there; so after it the holder has either stored, which the waiter's second look sees, or will find the word
 * marked and take the other path.
 * A second waiter that finds the mark may park before the first one's barrier is through: if the holder's store still misses it, the
 * first waiter finds the lock free, takes it, and its own unlock, on a marked word, wakes the second.
 * Nothing of the lock is read after the store: whoever takes it next may free it.
 * A marked lock pays a locked instruction for each unlocking. Now and then a holder who finds it marked, nobody waiting and the last barrier
 * long ago exchanges the whole word for "free": the mark is gone, until the next who finds it held. Nobody is between look and
 * store then, for that is the holder, and who parks has counted himself in a word that is still marked, so the mark stays. One who marked
 * before, and waits for his barrier, finds no mark or another's and does as if he came anew (tests/model/mark.pml).
 *
 * How a runnext is not run twice, nor lost (sched/runq.c; tests/model/runnext.pml):
 *   owner:  restartable { shut == 0 · old = slot · slot = new }            else: a locked exchange
 *   thief:  shut++ (locked) · barrier · a locked exchange of slot · shut--
 * After the barrier the owner has either stored, which the thief's exchange sees, or will find the slot shut and exchange by a locked
 * instruction as well. An owner that finds it open again sees the slot as the thief left it. Where the kernel refuses the barrier the thief
 * leaves empty-handed. Thieves are rare: the watcher, and who gives its place away.
 *
 * tests/model/lockword.pml; natively tests/model/quick_unlock.c.
 *
 * A program that contends for ever new locks would pay a barrier for each: after BARRIERS_MAX that come within calm_ns of another the trick ends
 * for the whole process, with one more barrier. */
#include "quick.h"

#include <linux/membarrier.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if RT_QUICK_UNLOCK

enum { BARRIERS_MAX = 4096 };
static const int64_t calm_ns = 2000000;

/* glibc 2.35; the size is 0 where it could not register its threads, or was told not to. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned  __rseq_size __attribute__((weak));

enum { RSEQ_CS_OFFSET = 8 };

int64_t rt_quick_offset;
static _Atomic bool in_use;             /* cleared only when no thread can be between the look and the store */
static _Atomic uint32_t barriers;
static _Atomic int64_t last_ns;

static bool barrier(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0) == 0;
}

static bool enrol(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0) == 0;
}

/* While the process has one thread this takes a microsecond; later the kernel waits for all processors to pass a quiescent state, which is
 * 15 ms of the program's start. Asking again costs nothing. */
__attribute__((constructor)) static void enrol_early(void)
{
	if (__libc_single_threaded)
		enrol();
}

void rt_quick_init(void)
{
	if (&__rseq_size == NULL || &__rseq_offset == NULL || __rseq_size == 0)
		return;
	if (!enrol() || !barrier())
		return;
	atomic_store(&in_use, true);
	__atomic_store_n(&rt_quick_offset, __rseq_offset + RSEQ_CS_OFFSET, __ATOMIC_SEQ_CST);
}

bool rt_quick_in_use(void) { return atomic_load_explicit(&in_use, memory_order_acquire); }

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

bool rt_quick_is_calm(void)
{
	return now_ns() - atomic_load_explicit(&last_ns, memory_order_relaxed) > calm_ns;
}

bool rt_quick_fence(void)
{
	return !rt_quick_in_use() || barrier();
}

bool rt_quick_barrier(void)
{
	int64_t now = now_ns();
	bool is_rare = now - atomic_exchange_explicit(&last_ns, now, memory_order_relaxed) > calm_ns;

	if (!barrier())
		return false;
	if (!is_rare && atomic_fetch_add_explicit(&barriers, 1, memory_order_relaxed) == BARRIERS_MAX) {
		__atomic_store_n(&rt_quick_offset, 0, __ATOMIC_SEQ_CST);
		if (barrier())
			atomic_store_explicit(&in_use, false, memory_order_release);
	}
	return true;
}

#else

void rt_quick_init(void) { }
bool rt_quick_in_use(void) { return false; }
bool rt_quick_barrier(void) { return true; }
bool rt_quick_fence(void) { return true; }
bool rt_quick_is_calm(void) { return false; }

#endif
