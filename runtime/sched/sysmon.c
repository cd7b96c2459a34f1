/* The watcher: one thread that runs no goroutines. It looks at every worker's tick, soon at first (50 us), rarer when all is well.
 * A tick that has not moved means that the worker's goroutine did not pass a scheduling point since the last look; then:
 *   - what lies in that worker's queue and runnext goes to the global queue, if another worker may run it;
 *   - if its thread sleeps in the kernel, or HOG_NS have passed and no other running worker has moved for less, it loses its place among
 *     the running (RT_M_STUCK), so that a spare takes over. It notices at its next scheduling point. Spares never outnumber stuck workers.
 * Where a spare was refused it tries again, and ends the program when nobody has run for refused_ns for the want of one.
 * It fires timers nobody else fires in time, finds the poller an owner, and gives long unused stacks back.
 * When all workers are idle it sleeps until poked. Who starts or readies a goroutine while it looks rarely and a worker is free makes it
 * look often again: rt_sysmon_slow is set before the last look ahead of a long pause, so that either that look or the starter sees the other;
 * or, where the starter's store is still on its way, the look after the pause sees it (tests/model/sysmon.pml).
 * Looking often costs a fifth of a core. If ten such looks found nothing to do, those who ready run soon what they ready: then nobody is
 * heard for calm_ns, which doubles from 2 to 64 ms until a look does find something; the looks go on, a millisecond apart at most while a
 * worker is free. One that finds work lying at a goroutine that does not move while it watches is followed by another at once. */
#include <sys/prctl.h>

#include "../net/poll.h"
#include "../os/os.h"
#include "../time/heap.h"
#include "sched.h"
#include "stop.h"

#define MS_NS INT64_C(1000000)
static const int64_t look_min_ns = 50000, look_max_ns = 10 * MS_NS, hog_ns = 10 * MS_NS, trim_ns = 1000 * MS_NS, refused_ns = 2000 * MS_NS;
static const int64_t look_partial_ns = MS_NS, due_min_ns = MS_NS / 2, calm_min_ns = 2 * MS_NS, calm_max_ns = 64 * MS_NS;
enum { QUIET_LOOKS = 10, WATCH_PAUSES = 40, START_TRIES = 20 };

_Atomic bool rt_sysmon_deep, rt_sysmon_slow, rt_sysmon_busy;
static _Atomic bool hurry;
static _Atomic uint32_t poked;
static _Atomic int32_t tid;

void rt_sysmon_poke(void)
{
	if (!atomic_load_explicit(&rt_sysmon_deep, memory_order_seq_cst))
		return;
	atomic_store(&poked, 1);
	rt_os_futex_wake(&poked, 1);
}

void rt_sysmon_hurry(void)
{
	if (atomic_load_explicit(&rt_sched.n_running, memory_order_relaxed) >= atomic_load_explicit(&rt_sched.maxprocs, memory_order_relaxed) ||
	    !atomic_exchange(&rt_sysmon_slow, false))
		return;
	atomic_store(&hurry, true);
	atomic_store(&poked, 1);
	rt_os_futex_wake(&poked, 1);
}

int32_t rt_sysmon_tid(void)
{
	return atomic_load(&tid);
}

/* m's place is free and its queue should not wait for it. Between the take and the push g is in no queue, and all workers may have gone
 * idle meanwhile: external_busy says that somebody may yet publish work (deadlock.c). */
void rt_give_away(struct rt_m *m)
{
	struct rt_g *g;
	bool any = false;

	atomic_fetch_add(&rt_sched.external_busy, 1);
	while ((g = rt_runq_take(&m->runq))) {
		g->sched_next = NULL;
		rt_global_push(g);
		any = true;
	}
	atomic_fetch_sub(&rt_sched.external_busy, 1);
	rt_deadlock_check();            /* who went idle in between left the question to us */
	if (any || atomic_load(&rt_sched.n_global) || !atomic_load(&rt_sched.poller))
		rt_wake_one();
}

static bool make_stuck(struct rt_m *m)
{
	if (atomic_fetch_or(&m->flags, RT_M_STUCK) & RT_M_STUCK)
		return false;
	RT_PROBE(worker_stuck, atomic_load_explicit(&m->tid, memory_order_relaxed));
	atomic_fetch_sub(&rt_sched.n_running, 1);
	return true;
}

static bool has_waiting(struct rt_m *m)
{
	return rt_runq_len(&m->runq) || atomic_load_explicit(&m->runq.runnext, memory_order_relaxed);
}

static bool may_wake_another(void)
{
	return atomic_load(&rt_sched.n_running) < atomic_load(&rt_sched.maxprocs);
}

/* A tick that moved since the last look, long ago, says little: does it move while we watch? Partners that ready each other take a
 * twentieth of that time. */
static bool seems_to_compute(struct rt_m *m, uint32_t tick)
{
	if (!may_wake_another() || !has_waiting(m))
		return false;
	for (int i = 0; i < WATCH_PAUSES; i++)
		rt_arch_pause();
	return atomic_load_explicit(&m->tick, memory_order_relaxed) == tick;
}

enum finding { NOTHING, SUSPECT, ACTED };

/* Does another of those who count as running pass scheduling points, so that it will get to what waits? */
static bool another_moves(const struct rt_m *m, int64_t now)
{
	uint32_t n = atomic_load_explicit(&rt_sched.n_ms, memory_order_acquire);

	for (uint32_t i = 0; i < n; i++) {
		struct rt_m *other = atomic_load_explicit(&rt_sched.ms[i], memory_order_acquire);
		if (!other || other == m || atomic_load_explicit(&other->idle, memory_order_relaxed) ||
		    atomic_load_explicit(&other->flags, memory_order_relaxed) & RT_M_STUCK)
			continue;
		if (atomic_load_explicit(&other->tick, memory_order_relaxed) != other->seen_tick || now - other->seen_since_ns < hog_ns)
			return true;
	}
	return false;
}

static enum finding look_at(struct rt_m *m, int64_t now, bool *moved)
{
	uint32_t tick = atomic_load_explicit(&m->tick, memory_order_relaxed);
	uint32_t flags = atomic_load_explicit(&m->flags, memory_order_relaxed);

	if (atomic_load_explicit(&m->idle, memory_order_relaxed) || m->seen_tick != tick || !__atomic_load_n(&m->g, __ATOMIC_RELAXED)) {
		*moved |= m->seen_tick != tick;
		m->seen_tick = tick;
		m->seen_since_ns = now;
		return seems_to_compute(m, tick) ? SUSPECT : NOTHING;
	}
	if (flags & RT_M_POLICY)
		return NOTHING;
	bool waiting = has_waiting(m);
	if (flags & RT_M_STUCK) {
		if (waiting)
			rt_give_away(m);
		return waiting ? ACTED : NOTHING;
	}
	waiting |= atomic_load(&rt_sched.n_global) != 0;
	if (waiting && may_wake_another()) {
		rt_give_away(m);
		return ACTED;
	}
	if (!waiting && now - m->seen_since_ns < hog_ns)
		return NOTHING;
	if (waiting && now - m->seen_since_ns < look_min_ns)
		return NOTHING;
	bool blocked = rt_os_thread_blocked(m->tid);
	bool unserved = !atomic_load(&rt_sched.poller) && (rt_poll_waiters() || rt_timers_next() != INT64_MAX);
	if (!waiting && !unserved && !blocked)
		return NOTHING;
	if (blocked || (now - m->seen_since_ns >= hog_ns && !another_moves(m, now))) {
		if (!make_stuck(m))
			return NOTHING;
	} else if (now - m->seen_since_ns < hog_ns) {
		return NOTHING;
	}
	rt_give_away(m);
	return ACTED;
}

/* *moved: goroutines were run since the last look. */
static enum finding look_at_all(int64_t now, bool *moved)
{
	uint32_t n = atomic_load_explicit(&rt_sched.n_ms, memory_order_acquire);
	enum finding most = NOTHING;

	*moved = false;

	for (uint32_t i = 0; i < n; i++) {
		struct rt_m *m = atomic_load_explicit(&rt_sched.ms[i], memory_order_acquire);
		enum finding found = m ? look_at(m, now, moved) : NOTHING;
		if (found > most)
			most = found;
	}
	if (rt_poll_doubt_ns() == 0) {
		atomic_fetch_add(&rt_sched.external_busy, 1);
		rt_ready_list(rt_poll_settle(false));
		atomic_fetch_sub(&rt_sched.external_busy, 1);
		rt_deadlock_check();
	}
	if (!atomic_load(&rt_sched.poller) && !atomic_load(&rt_sched.n_held)) {
		/* Idle workers, but none in the poller: the former owner found work. */
		rt_lock(&rt_sched.lock);
		struct rt_m *m = rt_sched.idle;
		if (m) {
			atomic_store(&m->wake, 1);
			rt_os_futex_wake(&m->wake, 1);
		}
		rt_unlock(&rt_sched.lock);
		if (!m && (rt_poll_waiters() || rt_timers_next() <= now))
			rt_external_work();
	}
	return most;
}

static void retry_refused(int64_t now)
{
	static int64_t since_ns;
	int err = atomic_load(&rt_m_refused);

	if (err == 0 || !rt_any_queue_nonempty()) {
		since_ns = 0;
		return;
	}
	rt_wake_one();
	if (atomic_load(&rt_m_refused) == 0 || atomic_load(&rt_sched.n_running) > 0)
		since_ns = 0;
	else if (since_ns == 0)
		since_ns = now;
	else if (now - since_ns > refused_ns)
		rt_refused("cannot create a thread", err);
}

/* n_idle is read after rt_sysmon_deep is set; a worker leaves idleness first and looks at rt_sysmon_deep then. */
static void sleep_deep(void)
{
	atomic_store(&rt_sysmon_deep, true);
	if (atomic_load(&rt_sched.n_idle) == atomic_load(&rt_sched.n_workers) && atomic_load(&rt_sched.n_starting) == 0 &&
	    atomic_load(&rt_sched.poller))
		rt_os_futex_wait(&poked, 0, 1000 * MS_NS);
	atomic_store(&rt_sysmon_deep, false);
	atomic_store(&poked, 0);
}

/* The longest pause: shorter while nobody is heard, and while a free worker could serve what a running one leaves lying. */
static int64_t longest_pause(bool calm)
{
	int32_t running = atomic_load_explicit(&rt_sched.n_running, memory_order_relaxed);

	return calm || (running > 0 && running < atomic_load_explicit(&rt_sched.maxprocs, memory_order_relaxed)) ? look_partial_ns : look_max_ns;
}

static void *sysmon_main(void *arg)
{
	static struct rt_m stand_in = { .foreign = true, .rng = 1 };     /* timers' functions start goroutines from here */
	int64_t delay = look_min_ns, trimmed = rt_now_ns(), calm_ns = 0, calm_until_ns = 0;
	unsigned quiet = 0;
	bool suspicious = false, moved;

	rt_os_name_thread("csp-sysmon");
	rt_os_service_thread(RT_OS_SYSMON);
	rt_critical_enter();
	rt_m_tls = &stand_in;
	atomic_store(&tid, rt_os_tid());
	rt_os_signal_stack();
	rt_os_short_slices();
	prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);      /* the usual 50 us would double the short pause */
	for (;;) {
		int64_t now = rt_now_ns(), longest = longest_pause(now < calm_until_ns), due = rt_timers_next();
		int64_t pause = suspicious ? look_min_ns : delay < longest ? delay : longest;
		if (rt_policy)
			pause = look_max_ns;
		else if (due != INT64_MAX && !atomic_load(&rt_sched.poller) && due - now < pause)
			pause = due - now > due_min_ns ? due - now : due_min_ns;
		if (!atomic_load(&hurry))
			rt_os_futex_wait(&poked, 0, pause);
		atomic_store(&poked, 0);
		if (atomic_exchange(&hurry, false)) {
			quiet = 0;
			delay = look_min_ns;
		}
		if (rt_policy)
			continue;
		while (atomic_store(&rt_sysmon_busy, true), atomic_load(&rt_sched.stop)) {
			atomic_store(&rt_sysmon_busy, false);
			rt_os_futex_wait(&rt_sched.stop, 1, MS_NS);
		}
		now = rt_now_ns();
		atomic_store(&rt_sysmon_slow, quiet >= QUIET_LOOKS && now >= calm_until_ns);
		enum finding found = look_at_all(now, &moved);
		suspicious = found == SUSPECT;
		if (found == ACTED) {
			quiet = 0;
			delay = look_min_ns;
			calm_ns = 0;
		} else if (++quiet > QUIET_LOOKS) {
			if (delay < look_max_ns)
				delay *= 2;
		} else if (quiet == QUIET_LOOKS) {
			calm_ns = calm_ns == 0 ? calm_min_ns : 2 * calm_ns < calm_max_ns ? 2 * calm_ns : calm_max_ns;
			calm_until_ns = now + calm_ns;
		}
		retry_refused(now);
		if (now - trimmed >= trim_ns) {
			trimmed = now;
			rt_stack_trim();
		}
		atomic_store(&rt_sysmon_busy, false);
		if (quiet > QUIET_LOOKS && !moved && atomic_load(&rt_sched.n_idle) == atomic_load(&rt_sched.n_workers))
			sleep_deep();
	}
	return NULL;
}

void rt_sysmon_start(void)
{
	static _Atomic uint32_t never;
	int err;

	/* Without it a goroutine that blocks its thread would block all. */
	for (int tries = 0; (err = rt_os_thread(sysmon_main, NULL, 128 << 10)) != 0; tries++) {
		if (tries == START_TRIES)
			rt_refused("cannot create a thread", err);
		rt_os_futex_wait(&never, 0, MS_NS);
	}
}
