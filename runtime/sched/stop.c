/* Stopping the world.
 *
 * Each worker is asked twice: by RT_M_STOP, seen at its next scheduling point, and, while it runs user code, by a signal whose handler
 * rests on the worker's signal stack. The handler leaves a thread in a critical section of the runtime alone (rt_locks_held): that
 * thread may hold a lock the stopper needs. Then the signal is sent again until one of the two has worked. A stopped worker has raised
 * m->stopped; idle workers, and pinned ones without their goroutine, count as stopped: whoever gets up looks at RT_M_STOP first.
 * Foreign threads are stopped by the signal alone; one that sleeps in a park counts as stopped, and looks at rt_sched.stop when it gets up.
 *
 * Who turns timers and events into ready goroutines is no running worker: the owner of the poller is idle, sysmon is none. They say that they
 * are at it (m->outside, rt_sysmon_busy), and look at rt_sched.stop then (all seq_cst): either the stopper sees them at it, or they see
 * the stop. What a worker may do on its way to rest, starting a thread, is looked at when the workers have been seen at rest.
 * tests/model/stop.pml, stop_outside.pml; tests/stress/stopped_world.c. */
#include "stop.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../os/os.h"
#include "fiber.h"
#include "sched.h"

__attribute__((weak)) int __sigaction(int sig, const struct sigaction *act, struct sigaction *old);   /* glibc's own name of it */

enum { ROUND_NS = 200000, ROUNDS = 50, BREATH_NS = 1000000, BREATHS_MAX = 6 };

static struct rt_lock stop_lock;        /* held from world_stop to world_start */
static _Atomic uint32_t generation;     /* futex of the stopped */
static _Atomic int32_t stopper_tid;

/* The world may be stopped again before a thread that was released has run: the stopper then still sees `stopped` from the last time and
 * counts it as resting. So after lowering it the thread looks at rt_sched.stop once more: either the stopper sees it lowered, or the thread
 * sees the new stop (both seq_cst). */
void rt_stop_here(struct rt_m *m)
{
	do {
		uint32_t seen = atomic_load_explicit(&generation, memory_order_acquire);

		atomic_store_explicit(&m->stopped, 1, memory_order_seq_cst);
		while (atomic_load_explicit(&rt_sched.stop, memory_order_seq_cst) && atomic_load_explicit(&generation, memory_order_acquire) == seen)
			rt_os_futex_wait(&generation, seen, -1);
		atomic_store_explicit(&m->stopped, 0, memory_order_seq_cst);
	} while (atomic_load_explicit(&rt_sched.stop, memory_order_seq_cst));
}

_Atomic bool rt_world_ends;

void rt_rest_for_ever(void)
{
	static _Atomic uint32_t never;
	struct rt_m *m = rt_m_self();

	if (m != NULL)
		atomic_store(&m->stopped, 1);
	if (rt_os_tid() == rt_sysmon_tid())
		atomic_store(&rt_sysmon_busy, false);
	for (;;)
		rt_os_futex_wait(&never, 0, -1);
}

static void on_stop_signal(int sig, siginfo_t *info, void *context)
{
	struct rt_m *m = rt_m_self();
	int saved = errno;

	if (m && m->g && rt_locks_held == 0 && atomic_load_explicit(&rt_sched.stop, memory_order_seq_cst) && m->tid != atomic_load(&stopper_tid)) {
		m->stop_context = context;
		rt_stop_here(m);
		m->stop_context = NULL;
	}
	errno = saved;
}

static int stop_signal(void)
{
	return SIGRTMIN + 5;
}

void rt_stop_init(void)
{
	struct sigaction sa = { .sa_sigaction = on_stop_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };
	sigset_t set;

	sigfillset(&sa.sa_mask);
	/* libtsan keeps a signal back until the next intercepted call, which a loop never makes: past its sigaction. */
	if ((rt_fiber_tools & RT_FIBER_LIBTSAN) && __sigaction)
		__sigaction(stop_signal(), &sa, NULL);
	else
		sigaction(stop_signal(), &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, stop_signal());
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static bool at_rest(struct rt_m *m)
{
	if (m == rt_m_self() || !m->tid || atomic_load_explicit(&m->stopped, memory_order_seq_cst))
		return true;
	if (m->foreign)
		return atomic_load_explicit(&m->foreign_g.state, memory_order_seq_cst) != RT_G_RUNNING;
	if (atomic_load_explicit(&m->idle, memory_order_seq_cst))
		return !atomic_load_explicit(&m->outside, memory_order_seq_cst);
	return m->locked_g && __atomic_load_n(&m->g, __ATOMIC_SEQ_CST) == NULL && m->resting;
}

static bool all_at_rest(bool signal_them)
{
	uint32_t n = atomic_load_explicit(&rt_sched.n_ms, memory_order_acquire);
	bool all = true;

	for (uint32_t i = 0; i < n; i++) {
		struct rt_m *m = atomic_load_explicit(&rt_sched.ms[i], memory_order_acquire);
		if (m)
			atomic_fetch_or(&m->flags, RT_M_STOP);
		if (!m || at_rest(m))
			continue;
		all = false;
		if (signal_them)
			syscall(SYS_tgkill, getpid(), m->tid, stop_signal());
	}
	return all && atomic_load(&rt_sched.n_starting) == 0 && (!atomic_load(&rt_sysmon_busy) || rt_os_tid() == rt_sysmon_tid()) &&
	       atomic_load(&rt_sched.n_ms) == n;
}

static bool signal_foreign(struct rt_m *m, void *arg)
{
	if (!at_rest(m)) {
		*(bool *)arg = false;
		syscall(SYS_tgkill, getpid(), m->tid, stop_signal());
	}
	return true;
}

static void let_go(void)
{
	atomic_store_explicit(&rt_sched.stop, 0, memory_order_seq_cst);
	atomic_fetch_add_explicit(&generation, 1, memory_order_release);
	rt_os_futex_wake(&generation, INT32_MAX);
	rt_os_futex_wake(&rt_sched.stop, INT32_MAX);
}

/* A thread stopped by the signal may hold a lock of libc (malloc's, a stream's) that one which is not yet at rest is waiting for: a thread
 * being created, sysmon on its way to create it, one in a critical section that allocates. So a stop that takes long lets everybody go
 * for a while, longer each time, and begins anew. */
void rt_world_stop(void)
{
	static _Atomic uint32_t never;
	unsigned breaths = 0;

	rt_lock(&stop_lock);
	RT_PROBE(world_stop);
	atomic_store(&stopper_tid, rt_os_tid());
	atomic_store_explicit(&rt_sched.stop, 1, memory_order_seq_cst);
	for (unsigned round = 0;; round++) {
		if (round == ROUNDS) {
			let_go();
			rt_os_futex_wait(&never, 0, (int64_t)BREATH_NS << breaths);
			breaths += breaths < BREATHS_MAX;
			round = 0;
			atomic_store_explicit(&rt_sched.stop, 1, memory_order_seq_cst);
		}
		bool all = all_at_rest(round % 4 == 0);
		rt_foreign_each(signal_foreign, &all);
		if (all)
			break;
		rt_os_futex_wait(&never, 0, round < 4 ? ROUND_NS / 8 : ROUND_NS);
	}
	RT_PROBE(world_stopped);
}

void rt_world_start(void)
{
	uint32_t n = atomic_load_explicit(&rt_sched.n_ms, memory_order_acquire);

	for (uint32_t i = 0; i < n; i++) {
		struct rt_m *m = atomic_load_explicit(&rt_sched.ms[i], memory_order_acquire);
		if (m)
			atomic_fetch_and(&m->flags, ~(uint32_t)RT_M_STOP);
	}
	atomic_store(&stopper_tid, 0);
	RT_PROBE(world_start);
	let_go();
	rt_unlock(&stop_lock);
}

/* While it is held nobody begins to stop the world. Not waited for: the waiter would be in a critical section, which the stopper waits for. */
bool rt_stop_try_hold(void) { return rt_trylock(&stop_lock); }
void rt_stop_release(void) { rt_unlock(&stop_lock); }
