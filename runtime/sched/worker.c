/* The worker's loop: find a goroutine, run it, or rest.
 *
 * Submit and idle, both halves of a lost wake-up:
 *   submit: push to a run queue · seq_cst fence · if nobody spins and a worker may run, wake one
 *   idle:   leave the running (and the spinning) · seq_cst fence · look at every run queue once more, then sleep
 * Either the submitter sees the worker gone or the worker sees the push. Without one fence a runnable g can wait for ever while
 * all workers sleep. A spinning worker stands for "somebody is looking already"; when it finds work it looks whether more is left
 * and passes the duty on. What lies in a runnext alone is not submitted: its owner runs it next, and sysmon watches for owners
 * that do not. After golang/go proc.go, "Worker thread parking/unparking"; litmus: tests/model/idle_wakeup.c.
 *
 * At most one idle worker owns the poller and blocks in rt_poll until the next timer; the others sleep on their futex. The owner
 * is the last to be woken for work (tests/model/poller.pml). */
#include "../net/poll.h"
#include "../os/os.h"
#include "../time/heap.h"
#include "fiber.h"
#include "pick.h"
#include "sched.h"
#include "stop.h"

struct rt_sched rt_sched = { .next_id = 2 };

void rt_global_push(struct rt_g *list)
{
	rt_lock(&rt_sched.lock);
	while (list) {
		struct rt_g *g = list;
		list = g->sched_next;
		rt_gqueue_push(&rt_sched.global, g);
	}
	atomic_store_explicit(&rt_sched.n_global, rt_sched.global.count, memory_order_relaxed);
	rt_unlock(&rt_sched.lock);
}

void rt_global_splice(const struct rt_chain *c)
{
	rt_lock(&rt_sched.lock);
	if (rt_sched.global.last)
		rt_sched.global.last->sched_next = c->first;
	else
		rt_sched.global.first = c->first;
	rt_sched.global.last = c->last;
	rt_sched.global.count += c->n;
	atomic_store_explicit(&rt_sched.n_global, rt_sched.global.count, memory_order_relaxed);
	rt_unlock(&rt_sched.lock);
}

/* A fair share of the global queue: one to run, the rest into the own ring. */
static struct rt_g *take_global(struct rt_m *m)
{
	if (!atomic_load_explicit(&rt_sched.n_global, memory_order_relaxed))
		return NULL;
	rt_lock(&rt_sched.lock);
	struct rt_g *g = rt_gqueue_pop(&rt_sched.global);
	if (g && rt_runq_len(&m->runq) == 0) {
		uint32_t n = rt_sched.global.count / (uint32_t)atomic_load(&rt_sched.maxprocs);
		if (n > RT_RUNQ_SIZE / 2)
			n = RT_RUNQ_SIZE / 2;
		for (; n > 0; n--) {
			struct rt_g *next = rt_gqueue_pop(&rt_sched.global);
			__builtin_prefetch(next->ahead, 1);
			rt_runq_push(&m->runq, next);
		}
	}
	atomic_store_explicit(&rt_sched.n_global, rt_sched.global.count, memory_order_relaxed);
	rt_unlock(&rt_sched.lock);
	return g;
}

/* Rings and the global queue; not runnexts. */
bool rt_any_queue_nonempty(void)
{
	uint32_t n = atomic_load_explicit(&rt_sched.n_ms, memory_order_acquire);

	if (atomic_load_explicit(&rt_sched.n_global, memory_order_acquire))
		return true;
	for (uint32_t i = 0; i < n; i++) {
		struct rt_m *m = atomic_load_explicit(&rt_sched.ms[i], memory_order_acquire);
		if (m && rt_runq_len(&m->runq))
			return true;
	}
	return false;
}

static void wake(struct rt_m *m)
{
	atomic_store_explicit(&m->wake, 1, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);      /* pairs with the one in rest(): owner set, then idle looked at */
	if (atomic_load_explicit(&rt_sched.poller, memory_order_relaxed) == m)
		rt_poll_wake();
	else
		rt_os_futex_wake(&m->wake, 1);
}

/* Takes an idle worker off the list and counts it as running and spinning. */
static struct rt_m *take_idle_locked(void)
{
	struct rt_m **link = &rt_sched.idle, *m = *link;

	if (!m)
		return NULL;
	if (m == atomic_load_explicit(&rt_sched.poller, memory_order_relaxed) && m->idle_next) {
		link = &m->idle_next;
		m = *link;
	}
	*link = m->idle_next;
	m->idle_next = NULL;
	m->spinning = true;
	atomic_fetch_sub(&rt_sched.n_idle, 1);
	atomic_fetch_add(&rt_sched.n_running, 1);
	atomic_store_explicit(&m->idle, false, memory_order_release);
	return m;
}

/* Surplus work that its owner gets through in the time a worker needs to wake up: waking costs more than it gives. wakes_skipped is how
 * many pushes in a row go unannounced; it grows with every waking after which the worker found next to nothing or spent most of the time
 * looking for it, and is zero again after one that had something to do for longer. What is not announced is still watched by sysmon, like
 * a runnext. */
static _Atomic uint32_t wakes_skipped;
enum { WAKES_SKIPPED_MAX = 63, FEW_RUN = 16, SHORT_WAKING_NS = 30000 };

static void judge_waking(const struct rt_m *m)
{
	uint32_t skipped = atomic_load_explicit(&wakes_skipped, memory_order_relaxed);
	uint32_t ran = atomic_load_explicit(&m->tick, memory_order_relaxed) - m->woken_tick;
	int64_t awake_ns = rt_now_ns() - m->woken_ns, busy_ns = awake_ns - m->sought_ns;

	if (busy_ns >= SHORT_WAKING_NS && busy_ns >= m->sought_ns)
		skipped = 0;
	else if ((ran < FEW_RUN || busy_ns < m->sought_ns) && skipped < WAKES_SKIPPED_MAX)
		skipped = 2 * skipped + 1;
	atomic_store_explicit(&wakes_skipped, skipped, memory_order_relaxed);
}

void rt_wake_for(struct rt_m *m)
{
	if (m->wakes_to_skip > 0) {
		m->wakes_to_skip--;
		if (__builtin_expect(atomic_load_explicit(&rt_sysmon_slow, memory_order_relaxed), 0))
			rt_sysmon_hurry();
		return;
	}
	m->wakes_to_skip = atomic_load_explicit(&wakes_skipped, memory_order_relaxed);
	rt_wake_one();
}

void rt_wake_one(void)
{
	int32_t zero = 0;

	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&rt_sched.n_running, memory_order_relaxed) >= atomic_load_explicit(&rt_sched.maxprocs, memory_order_relaxed) ||
	    atomic_load_explicit(&rt_sched.n_spinning, memory_order_relaxed) != 0 ||
	    !atomic_compare_exchange_strong(&rt_sched.n_spinning, &zero, 1))
		return;
	rt_lock(&rt_sched.lock);
	bool allowed = atomic_load(&rt_sched.n_running) < atomic_load(&rt_sched.maxprocs) && !atomic_load(&rt_sched.dying);
	struct rt_m *m = allowed ? take_idle_locked() : NULL;
	bool create = allowed && !m;
	if (create) {
		atomic_fetch_add(&rt_sched.n_running, 1);
		atomic_fetch_add(&rt_sched.n_starting, 1);
	}
	rt_unlock(&rt_sched.lock);
	if (m)
		wake(m);
	else if (!create || !rt_m_start_thread()) {
		if (create) {
			atomic_fetch_sub(&rt_sched.n_running, 1);
			atomic_fetch_sub(&rt_sched.n_starting, 1);
		}
		atomic_fetch_sub(&rt_sched.n_spinning, 1);
		if (create)
			rt_deadlock_check();
	}
}

/* Timers and descriptors become ready goroutines here while the caller is no running worker. external_busy covers the time in
 * which a timer has left the heap and its goroutine is in no queue yet (deadlock.c). */
void rt_external_work(void)
{
	atomic_fetch_add(&rt_sched.external_busy, 1);
	if (rt_poll_waiters())
		rt_ready_list(rt_poll(0));
	rt_timers_run(rt_now_ns());
	atomic_fetch_sub(&rt_sched.external_busy, 1);
	rt_deadlock_check();            /* who went idle in between left the question to us */
}

static void take_from_outside(struct rt_m *m)
{
	if (rt_poll_waiters())
		rt_ready_list(rt_poll(0));
	if (rt_timers_next() != INT64_MAX) {
		int64_t now = rt_now_ns();
		if (rt_timers_next() <= now)
			rt_timers_run(now);
	}
}

static struct rt_g *steal(struct rt_m *m)
{
	uint32_t n = atomic_load_explicit(&rt_sched.n_ms, memory_order_acquire);

	for (int round = 0; round < 4; round++) {
		uint32_t start = (uint32_t)(rt_random(m) % n);
		for (uint32_t i = 0; i < n; i++) {
			struct rt_m *victim = atomic_load_explicit(&rt_sched.ms[(start + i) % n], memory_order_acquire);
			if (!victim || victim == m)
				continue;
			struct rt_g *g = rt_runq_steal(&m->runq, &victim->runq);
			if (g) {
				RT_PROBE(goroutine_steal, g->view.id, atomic_load_explicit(&victim->tid, memory_order_relaxed));
				return g;
			}
		}
		if (atomic_load_explicit(&rt_sched.n_global, memory_order_relaxed))
			return take_global(m);
		if (atomic_load_explicit(&rt_sched.n_running, memory_order_relaxed) <= atomic_load_explicit(&rt_sched.n_spinning, memory_order_relaxed))
			return NULL;            /* nobody runs who could bring something to steal */
		for (int i = 0; i < 32; i++)
			rt_arch_pause();
	}
	return NULL;
}

/* A goroutine was found: if this worker was the one looking, and more is left, pass the looking on. */
static struct rt_g *found(struct rt_m *m, struct rt_g *g)
{
	if (m->spinning) {
		m->spinning = false;
		atomic_fetch_sub(&rt_sched.n_spinning, 1);
		if (rt_runq_len(&m->runq) || atomic_load_explicit(&rt_sched.n_global, memory_order_relaxed))
			rt_wake_for(m);
	}
	return g;
}

static void stop_spinning(struct rt_m *m)
{
	if (m->spinning) {
		m->spinning = false;
		atomic_fetch_sub(&rt_sched.n_spinning, 1);
	}
}

/* m is idle: back among the running, if there is a place. */
static bool leave_idle(struct rt_m *m)
{
	bool left = false;

	rt_lock(&rt_sched.lock);
	if (!atomic_load(&m->idle))
		left = true;                    /* somebody just did it for us */
	else if (atomic_load(&rt_sched.n_running) < atomic_load(&rt_sched.maxprocs) && !atomic_load(&rt_sched.dying)) {
		struct rt_m **link = &rt_sched.idle;
		while (*link != m)
			link = &(*link)->idle_next;
		*link = m->idle_next;
		m->idle_next = NULL;
		atomic_store(&m->idle, false);
		atomic_fetch_sub(&rt_sched.n_idle, 1);
		atomic_fetch_add(&rt_sched.n_running, 1);
		atomic_fetch_add(&rt_sched.n_spinning, 1);
		m->spinning = true;             /* found() passes on what is more than one goroutine's worth */
		left = true;
	}
	rt_unlock(&rt_sched.lock);
	return left;
}

/* Timers that follow each other closely are served together: after waking for one, the next waking for another is not before a microsecond
 * has passed for each that is armed, 250 at most. A few timers are as exact as the kernel's; many share the waking. Touched by the owner
 * of the poller only. */
static int64_t timer_woke_ns;
enum { SPACING_EACH_NS = 1000, SPACING_MAX_NS = 500000 };

static int64_t timer_spacing_ns(void)
{
	uint32_t n = rt_timers_count();

	return n < SPACING_MAX_NS / SPACING_EACH_NS ? (int64_t)n * SPACING_EACH_NS : SPACING_MAX_NS;
}

/* m, idle, is about to turn timers or events into ready goroutines: not while the world is stopped (stop.c). */
static void go_outside(struct rt_m *m)
{
	while (atomic_store(&m->outside, true), atomic_load(&rt_sched.stop)) {
		atomic_store(&m->outside, false);
		rt_stop_here(m);
	}
}

/* Blocks until the next timer, an event, or rt_poll_wake. m->wake and the timers are looked at after the ownership is visible:
 * who arms an earlier timer, or wakes m, sees the owner and pokes it. */
static void block_in_poller(struct rt_m *m)
{
	int64_t timeout = -1;

	atomic_thread_fence(memory_order_seq_cst);
	int64_t next = rt_timers_next();
	if (atomic_load(&m->wake) || atomic_load(&rt_sched.stop))
		return;
	if (next != INT64_MAX && !rt_policy) {  /* a policy's clock stands still meanwhile */
		int64_t now = rt_now_ns();
		int64_t earliest = timer_woke_ns + timer_spacing_ns();
		timeout = (next > earliest ? next : earliest) - now;
		if (timeout < 0)
			timeout = 0;
	}
	int64_t recheck = rt_deadlock_recheck_ns();
	if (recheck >= 0 && (timeout < 0 || timeout > recheck))
		timeout = recheck;
	struct rt_g *list = rt_poll(timeout);
	go_outside(m);
	atomic_fetch_add(&rt_sched.external_busy, 1);
	rt_ready_list(list);
	int64_t now = rt_now_ns();
	if (rt_timers_next() <= now) {
		timer_woke_ns = now;
		rt_timers_run(now);
	}
	atomic_fetch_sub(&rt_sched.external_busy, 1);
	atomic_store(&m->outside, false);
	/* Whoever went idle while external_busy was up saw that and left the question to us. */
	rt_deadlock_check();
}

/* While others run, and serve descriptors between two goroutines, an idle worker in the poller is woken for each event, mostly to find that
 * they have been faster. So it stays out for a while: as long as those who were woken last found little to do (wakes_skipped), or nobody
 * else may run anyway. Not past the next timer; and sysmon does not look for another owner meanwhile. */
enum { HOLD_EACH_NS = 4000, HOLD_FULL_NS = 1000000 };

static int64_t time_out_of_poller(void)
{
	int32_t running = atomic_load_explicit(&rt_sched.n_running, memory_order_relaxed);
	int64_t hold_ns;

	if (running == 0 || rt_poll_waiters() == 0)
		return 0;
	if (running >= atomic_load_explicit(&rt_sched.maxprocs, memory_order_relaxed))
		hold_ns = HOLD_FULL_NS;
	else
		hold_ns = (int64_t)atomic_load_explicit(&wakes_skipped, memory_order_relaxed) * HOLD_EACH_NS;
	return hold_ns > 0 && rt_timers_next() > rt_now_ns() + hold_ns ? hold_ns : 0;
}

static void stay_out_of_poller(struct rt_m *m)
{
	int64_t hold_ns = time_out_of_poller();

	if (hold_ns == 0 || atomic_load_explicit(&rt_sched.poller, memory_order_relaxed))
		return;
	atomic_fetch_add_explicit(&rt_sched.n_held, 1, memory_order_relaxed);
	rt_os_futex_wait(&m->wake, 0, hold_ns);
	atomic_fetch_sub_explicit(&rt_sched.n_held, 1, memory_order_relaxed);
}

/* The owner of the poller may have gone to sleep before somebody parked on a registration that is in doubt: then it is for who rests next to renew
 * it, at once if nobody runs. False: nothing was in doubt. */
static bool settle_beside_poller(struct rt_m *m)
{
	if (rt_poll_doubt_ns() < 0)
		return false;
	go_outside(m);
	atomic_fetch_add(&rt_sched.external_busy, 1);
	rt_ready_list(rt_poll_settle(atomic_load(&rt_sched.n_running) == 0));
	atomic_fetch_sub(&rt_sched.external_busy, 1);
	atomic_store(&m->outside, false);
	rt_deadlock_check();
	return true;
}

/* m is in the idle list. Returns when it is not any more. */
static void rest(struct rt_m *m)
{
	while (atomic_load_explicit(&m->idle, memory_order_acquire)) {
		struct rt_m *nobody = NULL;

		if (atomic_load(&rt_sched.stop))
			rt_stop_here(m);
		stay_out_of_poller(m);
		if (atomic_compare_exchange_strong(&rt_sched.poller, &nobody, m)) {
			if (rt_policy)
				rt_policy_waits(true);
			block_in_poller(m);
			if (rt_policy)
				rt_policy_waits(false);
			atomic_store(&rt_sched.poller, NULL);
			if (rt_any_queue_nonempty() && leave_idle(m))
				break;
		} else {
			if (settle_beside_poller(m) && rt_any_queue_nonempty() && leave_idle(m))
				break;
			rt_os_futex_wait(&m->wake, 0, rt_poll_doubt_ns());
		}
		atomic_exchange(&m->wake, 0);
	}
	atomic_exchange(&m->wake, 0);
}

/* Nothing to do (or no place): sleep. Returns when there may be something again. */
static void idle(struct rt_m *m)
{
	bool was_spinning = m->spinning;

	judge_waking(m);
	m->spinning = false;                    /* who takes us off the list sets it again */
	rt_lock(&rt_sched.lock);
	m->resting = true;
	atomic_store(&m->wake, 0);
	atomic_store(&m->idle, true);
	m->idle_next = rt_sched.idle;
	rt_sched.idle = m;
	atomic_fetch_add(&rt_sched.n_idle, 1);
	atomic_fetch_sub(&rt_sched.n_running, 1);
	rt_unlock(&rt_sched.lock);
	if (was_spinning)
		atomic_fetch_sub(&rt_sched.n_spinning, 1);
	atomic_thread_fence(memory_order_seq_cst);
	if (!rt_any_queue_nonempty() || !leave_idle(m)) {
		rt_deadlock_check();
		rest(m);
		rt_sysmon_poke();
		m->woken_ns = rt_now_ns();
		m->sought_ns = 0;
		m->woken_tick = atomic_load_explicit(&m->tick, memory_order_relaxed);
	}
	m->resting = false;
}

/* The goroutine pinned to m is not running: wait until another worker picks it and hands it over. */
static struct rt_g *wait_for_pinned(struct rt_m *m)
{
	struct rt_g *g;

	if (m->pending && m->pending->lock_m == m) {
		g = m->pending;
		m->pending = NULL;
		return g;
	}
	stop_spinning(m);
	m->resting = true;
	/* Before we count as asleep: a runnext and m->pending are no queue the verdict looks at. */
	for (struct rt_g *left; (left = rt_runq_take(&m->runq)); ) {
		left->sched_next = NULL;
		rt_global_push(left);
	}
	if (m->pending) {
		m->pending->sched_next = NULL;
		rt_global_push(m->pending);
		m->pending = NULL;
	}
	atomic_fetch_add(&rt_sched.n_pinned_waiting, 1);
	atomic_fetch_sub(&rt_sched.n_running, 1);
	rt_wake_one();
	rt_deadlock_check();
	while (!(g = atomic_exchange(&m->handoff, NULL))) {
		if (atomic_load(&rt_sched.stop))
			rt_stop_here(m);
		rt_os_futex_wait(&m->wake, 0, -1);
		atomic_exchange(&m->wake, 0);
	}
	m->resting = false;
	if (atomic_load(&rt_sched.stop))
		rt_stop_here(m);
	return g;
}

/* g is pinned to another thread: give it that thread, together with our place among the running. */
static void hand_over(struct rt_m *m, struct rt_g *g)
{
	struct rt_m *to = g->lock_m;

	atomic_fetch_add(&rt_sched.n_running, 1);
	atomic_fetch_sub(&rt_sched.n_pinned_waiting, 1);
	atomic_store(&to->handoff, g);
	atomic_store(&to->wake, 1);
	rt_os_futex_wake(&to->wake, 1);
}

static bool over_limit(void)
{
	return atomic_load_explicit(&rt_sched.n_running, memory_order_relaxed) > atomic_load_explicit(&rt_sched.maxprocs, memory_order_relaxed);
}

/* sysmon or csp_block gave our place away: take one again. Over the limit, the caller rests. */
static void unstick(struct rt_m *m)
{
	if (atomic_fetch_and(&m->flags, ~(uint32_t)RT_M_STUCK) & RT_M_STUCK)
		atomic_fetch_add(&rt_sched.n_running, 1);
}

static void drain(struct rt_m *m)
{
	struct rt_g *g;
	bool any = false;

	while ((g = rt_runq_take(&m->runq))) {
		g->sched_next = NULL;
		rt_global_push(g);
		any = true;
	}
	if (any)
		rt_wake_one();
}

static struct rt_g *look(struct rt_m *m)
{
	struct rt_g *g;

	if (m->pending) {
		g = m->pending;
		m->pending = NULL;
		return g;
	}
	if (atomic_load_explicit(&m->flags, memory_order_relaxed) & RT_M_POLICY) {
		return rt_policy_next(m);
	}
	bool look_around = atomic_load_explicit(&m->tick, memory_order_relaxed) % RT_GLOBAL_POLL_TICKS == 0;
	if (look_around) {
		take_from_outside(m);
		if ((g = take_global(m)))
			return g;
	}
	if ((g = rt_pick_local(m)) || (g = take_global(m)) || (g = rt_pick_local(m)))
		return g;
	if (!look_around) {
		take_from_outside(m);
		if ((g = rt_runq_take(&m->runq)))
			return g;
	}
	if (!m->spinning) {
		/* More than half of the running looking for work would only disturb those who have some. */
		if (2 * atomic_load(&rt_sched.n_spinning) >= atomic_load(&rt_sched.n_running) && atomic_load(&rt_sched.n_running) > 1)
			return NULL;
		m->spinning = true;
		atomic_fetch_add(&rt_sched.n_spinning, 1);
	}
	int64_t begin_ns = rt_now_ns();
	g = steal(m);
	m->sought_ns += rt_now_ns() - begin_ns;
	return g;
}

static struct rt_g *find_runnable(struct rt_m *m)
{
	for (;;) {
		uint32_t flags = atomic_load_explicit(&m->flags, memory_order_relaxed);
		struct rt_g *g;

		if (flags & RT_M_STOP)
			rt_stop_here(m);
		if (flags & RT_M_STUCK)
			unstick(m);
		if (m->locked_g)
			return wait_for_pinned(m);
		if (over_limit()) {
			if (m->pending) {
				m->pending->sched_next = NULL;
				rt_global_push(m->pending);
				m->pending = NULL;
			}
			drain(m);
			idle(m);
			continue;
		}
		g = look(m);
		if (!g) {
			idle(m);
			continue;
		}
		found(m, g);
		if (!g->lock_m || g->lock_m == m)
			return g;
		hand_over(m, g);
	}
}

void rt_worker_loop(struct rt_m *m)
{
	for (;;) {
		struct rt_g *g = find_runnable(m);
		rt_switch_to(m, NULL, g, false);
	}
}

/* First arrival in a scheduler context that is not a thread's own stack (the main thread's). */
struct rt_arrival rt_worker_context(struct rt_m *m, void *arg)
{
	rt_fiber_arrive(m, NULL);
	rt_run_after(m);
	rt_worker_loop(m);
}
