/* Running under a policy (policy.h): one worker, and here, instead of in its ring, all goroutines that are runnable, in the order in which
 * they became so. Only the worker's thread touches them; what other threads make ready comes by the global queue.
 *
 * Two ways to the next goroutine: direct, from a point or a park, if nothing outside wants a look; else through the scheduler's context,
 * where no lock of the program's objects is held, so that timers may fire and descriptors be served. */
#define RT_OBSERVER_WRITER
#include "policy.h"

#include <errno.h>
#include <string.h>

#include "../event/event_none.h"
#include "../net/poll.h"
#include "../os/os.h"
#include "../time/heap.h"
#include "pick.h"
#include "sched.h"
#include "stop.h"

enum {
	POLL_STEPS = 64,                /* descriptors are looked at after so many steps, if anybody waits for one */
	SPIN_POINTS = 32,               /* the same operation on the same object so often in a row: a spinner */
	STREAK_POINTS = 10000,          /* so many points in a row while others could run */
	JUMP_STEPS = 100000,            /* after so many steps the next timer is due, even though somebody could go on: they may spin in company */
	LOOKS_EACH = 48,
	CLOCK_READS = 1000,             /* after so many readings between two points the clock creeps */
	POLL_GRACE_MS = 10,             /* real time before the clock jumps while somebody waits for a descriptor or a foreign thread runs */
};
#define START_NS    (INT64_C(1000) * 1000000000)
#define STEP_NS     INT64_C(1)          /* a step takes this long: or a timer of nanoseconds would never fire beside goroutines that go on */
#define CREEP_NS    INT64_C(1000)
#define SPIN_JUMP_NS INT64_C(1000000)

const struct rt_policy *rt_policy;

static struct rt_candidate *runnable, *eligible;
static uint32_t *eligible_at;           /* their places in runnable */
static uint32_t n_runnable, n_behind, room;
static struct rt_g *current;            /* gave way at a point to let the scheduler's context decide; in runnable */

static int64_t  now_ns = START_NS;
static uint32_t clock_reads, steps_since_poll, steps_since_jump, spins;
static bool     lock_was_tried;

/* So many points in a row were this goroutine's. */
static const struct rt_g *streak_of;
static uint32_t streak;

int rt_policy_set(const struct rt_policy *policy)
{
	if (rt_ready_to_run()) {
		struct rt_m *m = atomic_load(&rt_sched.ms[0]);

		if (atomic_load(&rt_sched.n_ms) != 1 || atomic_load(&rt_sched.next_id) != 2)
			return -EBUSY;
		if (policy) {
			atomic_fetch_or(&m->flags, RT_M_POLICY);
			rt_main_g.path = RT_PATH_MAIN;
		} else {
			atomic_fetch_and(&m->flags, ~(uint32_t)RT_M_POLICY);
		}
	}
	rt_policy = policy;
	if (policy) {
		atomic_store(&rt_sched.maxprocs, 1);
		if (!rt_observer)
			rt_observer = &rt_event_none;
	} else if (rt_observer == &rt_event_none) {
		rt_observer = NULL;
	}
	return 0;
}

uint32_t rt_choose(enum rt_choice kind, uint32_t n)
{
	if (n <= 1)
		return 0;
	if (rt_policy) {
		uint32_t chosen = rt_policy->choose(rt_policy->self, kind, n);
		if (chosen >= n)
			rt_throw("policy: choice out of range");
		return chosen;
	}
	return (uint32_t)((uint64_t)(uint32_t)(rt_random(rt_m_self()) >> 32) * n >> 32);
}

/* --- who is who ------------------------------------------------------------------------------------------------------- */

static uint64_t firing_path;            /* of the timer whose function runs */

void rt_policy_born(struct rt_g *g, struct rt_g *parent)
{
	g->n_children = g->n_timers = 0;
	g->behind = false;
	g->at = RT_AT_START;
	g->at_obj = NULL;
	g->path = parent ? rt_path_child(parent->path, ++parent->n_children) : firing_path;
}

void rt_policy_timer_armed(struct rt_timer *t)
{
	struct rt_m *m = rt_m_self();

	if (m && m->g && !t->sleeper)
		t->path = rt_path_child(m->g->path, RT_PATH_TIMER + ++m->g->n_timers);
}

void rt_policy_timer_fires(struct rt_timer *t)
{
	firing_path = t->path = rt_path_child(t->path, 1);
}

/* --- the runnable ----------------------------------------------------------------------------------------------------- */

static void *grown(void *old, size_t bytes_each, uint32_t want)
{
	char *p = rt_os_reserve(want * bytes_each);

	if (!p)
		rt_refused("policy: no memory for the choices", ENOMEM);
	if (old) {
		memcpy(p, old, n_runnable * bytes_each);
		rt_os_unreserve(old, room * bytes_each);
	}
	return p;
}

static void append(struct rt_g *g)
{
	if (n_runnable == room) {
		uint32_t want = room ? 2 * room : 1024;
		runnable = grown(runnable, sizeof *runnable, want);
		eligible = grown(eligible, sizeof *eligible, want);
		eligible_at = grown(eligible_at, sizeof *eligible_at, want);
		room = want;
	}
	runnable[n_runnable++] = (struct rt_candidate){ .g = &g->view, .path = g->path, .obj = g->at_obj, .at = g->at };
	n_behind += g->behind;
}

static struct rt_g *take(uint32_t i)
{
	struct rt_g *g = (struct rt_g *)runnable[i].g;

	n_runnable--;
	memmove(&runnable[i], &runnable[i + 1], (n_runnable - i) * sizeof *runnable);
	n_behind -= g->behind;
	g->behind = false;
	g->at = RT_AT_RESUME;
	return g;
}

void rt_policy_push(struct rt_g *g)
{
	if (g->at != RT_AT_START) {
		g->at = RT_AT_RESUME;
		g->at_obj = g->waits ? g->waits->obj : NULL;
	}
	append(g);
}

void rt_policy_push_yielded(struct rt_g *g)
{
	g->at = RT_AT_YIELD;
	g->at_obj = NULL;
	g->behind = true;
	append(g);
}

static void take_global(void)
{
	struct rt_g *g;

	if (!atomic_load_explicit(&rt_sched.n_global, memory_order_acquire))
		return;
	rt_lock(&rt_sched.lock);
	while ((g = rt_gqueue_pop(&rt_sched.global)))
		rt_policy_push(g);
	atomic_store_explicit(&rt_sched.n_global, 0, memory_order_relaxed);
	rt_unlock(&rt_sched.lock);
}

/* --- the pick --------------------------------------------------------------------------------------------------------- */

/* Those who fell behind are no alternative while others stand before them. */
static uint32_t list_eligible(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < n_runnable; i++)
		if (i == 0 || !((struct rt_g *)runnable[i].g)->behind) {
			eligible_at[n] = i;
			eligible[n++] = runnable[i];
		}
	return n;
}

/* A step that changes nothing for others. */
static bool only_looks(uint32_t at)
{
	return at == RT_AT_YIELD || at == RT_AT_ATOMIC_LOAD || at == RT_AT_TRY_LOCK || at == RT_AT_TRY_RLOCK || at == RT_AT_TRY_ACQUIRE || at == RT_AT_TRY_RECV ||
	       at == RT_AT_TRY_SEND || at == RT_AT_SELECT;
}

/* So long nobody did but look: they can only wait for time to pass, or for the outside. */
static bool only_spinners(void) { return spins > LOOKS_EACH * (n_runnable + 1); }

static uint32_t decide(bool last_is_current)
{
	uint32_t n = n_runnable, chosen;
	const struct rt_candidate *list = runnable;

	clock_reads = 0;
	steps_since_poll++;
	steps_since_jump++;
	now_ns += STEP_NS;
	if (n_behind) {
		last_is_current = last_is_current && !((struct rt_g *)runnable[n - 1].g)->behind;
		n = list_eligible();
		list = eligible;
		if (rt_policy->n_unfair && n < n_runnable)
			++*rt_policy->n_unfair;
	}
	chosen = rt_policy->pick(rt_policy->self, list, n, last_is_current ? (int32_t)n - 1 : RT_NO_CURRENT);
	if (chosen >= n)
		rt_throw("policy: pick out of range");
	spins = only_looks(list[chosen].at) ? spins + 1 : 0;
	return list == runnable ? chosen : eligible_at[chosen];
}

/* Has nothing outside to be looked at first? */
static bool may_go_direct(const struct rt_m *m)
{
	return atomic_load_explicit(&m->flags, memory_order_relaxed) == RT_M_POLICY && !m->resting &&
	       !atomic_load_explicit(&rt_sched.n_global, memory_order_relaxed) && rt_timers_next() > now_ns && !only_spinners() && steps_since_jump < JUMP_STEPS &&
	       (steps_since_poll < POLL_STEPS || !rt_poll_waiters());
}

struct rt_g *rt_policy_next_direct(struct rt_m *m)
{
	return n_runnable > 0 && may_go_direct(m) ? take(decide(false)) : NULL;
}

/* g is at a point: has it gone on for too long, or does it repeat itself? Who does falls behind again at every repetition. */
static bool spins_on(struct rt_g *g, enum rt_point at, const void *obj)
{
	bool same = g->last_at == at && g->at_obj == obj;

	g->same = !same ? 0 : g->same < UINT8_MAX ? g->same + 1 : UINT8_MAX;
	g->last_at = (uint8_t)at;
	g->at_obj = (void *)(uintptr_t)obj;
	streak = streak_of == g ? streak + 1 : 0;
	streak_of = g;
	if (streak <= STREAK_POINTS)
		return g->same > SPIN_POINTS;
	streak_of = NULL;
	return true;
}

void rt_point(enum rt_point at, const void *obj)
{
	struct rt_m *m = rt_m_self();
	char here;

	if (!rt_policy || !m || m->foreign || !m->g || rt_locks_held)
		return;
	struct rt_g *g = m->g;
	if ((uintptr_t)&here < g->view.stack_lo || (uintptr_t)&here >= g->view.stack_hi)
		return;
	if (at == RT_AT_TRY_LOCK || at == RT_AT_TRY_RLOCK || at == RT_AT_TRY_ACQUIRE)
		lock_was_tried = true;
	else if (at == RT_AT_UNLOCK && !lock_was_tried)
		return;
	g->behind = spins_on(g, at, obj) && n_runnable > 0;
	g->at = at;
	append(g);
	if (may_go_direct(m)) {
		uint32_t i = decide(true);
		if (i == n_runnable - 1) {
			take(i);
			return;
		}
		atomic_store_explicit(&g->state, RT_G_RUNNABLE, memory_order_relaxed);
		rt_leave_runnable(m, g, take(i));
	} else {
		current = g;
		atomic_store_explicit(&g->state, RT_G_RUNNABLE, memory_order_relaxed);
		rt_leave_runnable(m, g, NULL);
	}
}

/* They hold addresses of the program's objects, which reach nothing. */
void rt_policy_ranges(void (*visit)(uintptr_t lo, uintptr_t hi, void *arg), void *arg)
{
	if (!room)
		return;
	visit((uintptr_t)runnable, (uintptr_t)(runnable + room), arg);
	visit((uintptr_t)eligible, (uintptr_t)(eligible + room), arg);
}

/* --- time, and what comes from outside -------------------------------------------------------------------------------- */

/* While the worker waits for the outside, time passes as it does there. */
static _Atomic int64_t waits_since_ns;  /* real; 0: it does not */

int64_t rt_policy_now_ns(void)
{
	struct rt_m *m = rt_m_self();
	int64_t since_ns = atomic_load(&waits_since_ns);

	if (since_ns != 0)
		return now_ns + rt_real_now_ns() - since_ns;
	if (m && !m->foreign && ++clock_reads > CLOCK_READS)
		now_ns += CREEP_NS;
	return now_ns;
}

void rt_policy_waits(bool waits)
{
	if (waits)
		atomic_store(&waits_since_ns, rt_real_now_ns());
	else
		now_ns += rt_real_now_ns() - atomic_exchange(&waits_since_ns, 0);
}

static void fire_due(void)
{
	if (rt_timers_next() <= now_ns)
		rt_timers_run(now_ns);
}

/* False: no timer could wake anybody. */
static bool jump(void)
{
	steps_since_jump = 0;
	if (!rt_timers_can_act())
		return false;
	if (rt_timers_next() > now_ns)
		now_ns = rt_timers_next();
	fire_due();
	return true;
}

static bool outside_is_busy(void)
{
	return rt_poll_waiters() || atomic_load(&rt_sched.n_foreign_running);
}

/* Real time: a peer of ours in the kernel, or another thread, may need a moment. */
static bool something_came(void)
{
	for (int ms = 0; ms < POLL_GRACE_MS; ms++) {
		rt_ready_list(rt_poll(1000000));
		take_global();
		if (n_runnable)
			return true;
	}
	return false;
}

/* Nobody runs. NULL: nothing can be done but to wait for the outside, or there is none. */
struct rt_g *rt_policy_next(struct rt_m *m)
{
	for (;;) {
		if (atomic_load_explicit(&m->flags, memory_order_relaxed) != RT_M_POLICY && !n_runnable)
			return NULL;
		take_global();
		if (rt_poll_waiters() && (n_runnable == 0 || only_spinners() || steps_since_poll >= POLL_STEPS)) {
			steps_since_poll = 0;
			rt_ready_list(rt_poll(0));
		}
		fire_due();
		if (n_runnable && only_spinners()) {
			spins = 0;
			if (!jump())
				now_ns += SPIN_JUMP_NS;
		}
		if (n_runnable && steps_since_jump >= JUMP_STEPS)
			jump();
		if (n_runnable) {
			bool last_is_current = current && (struct rt_g *)runnable[n_runnable - 1].g == current;
			current = NULL;
			return take(decide(last_is_current));
		}
		if (outside_is_busy() && rt_timers_can_act() && something_came())
			continue;
		if (!jump())
			return NULL;
	}
}
