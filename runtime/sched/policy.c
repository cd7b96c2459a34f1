/* The choice function, and the pick of a goroutine by a policy: with one, all runnable goroutines are in the global queue, in the order
 * in which they became runnable, and exactly one worker runs them. */
#include "policy.h"

#include <errno.h>
#include <stdlib.h>

#include "../os/os.h"
#include "sched.h"

const struct rt_policy *rt_policy;
static uint64_t *ids;
static uint32_t  max_ids;

int rt_policy_set(const struct rt_policy *policy)
{
	rt_self();
	if (atomic_load(&rt_sched.n_ms) != 1 || atomic_load(&rt_sched.next_id) != 2)
		return -EBUSY;
	struct rt_m *m = atomic_load(&rt_sched.ms[0]);
	rt_policy = policy;
	if (policy) {
		atomic_store(&rt_sched.maxprocs, 1);
		atomic_fetch_or(&m->flags, RT_M_POLICY);
	} else {
		atomic_fetch_and(&m->flags, ~(uint32_t)RT_M_POLICY);
	}
	return 0;
}

uint32_t rt_choose(enum rt_choice kind, uint32_t n)
{
	struct rt_m *m = rt_m_self();

	if (rt_policy)
		return n > 1 ? rt_policy->choose(rt_policy->self, kind, n, NULL) : 0;
	if (n <= 1)
		return 0;
	return (uint32_t)((uint64_t)(uint32_t)(rt_random(m) >> 32) * n >> 32);
}

static bool room_for(uint32_t n)
{
	if (n <= max_ids)
		return true;
	uint32_t want = n < 64 ? 64 : 2 * n;
	uint64_t *grown = rt_os_reserve(want * sizeof *ids);
	if (!grown)
		return false;
	if (ids)
		rt_os_unreserve(ids, max_ids * sizeof *ids);
	ids = grown;
	max_ids = want;
	return true;
}

/* Only the one worker takes from the queue, so it cannot shrink between the listing and the taking. */
struct rt_g *rt_policy_pick(void)
{
	uint32_t n = 0, pick;

	rt_lock(&rt_sched.lock);
	if (rt_sched.global.count == 0) {
		rt_unlock(&rt_sched.lock);
		return NULL;
	}
	if (!room_for(rt_sched.global.count))
		rt_refused("policy: no memory for the choices", ENOMEM);
	for (struct rt_g *g = rt_sched.global.first; g; g = g->sched_next)
		ids[n++] = g->view.id;
	rt_unlock(&rt_sched.lock);
	pick = rt_policy->choose(rt_policy->self, RT_CHOOSE_G, n, ids);
	if (pick >= n)
		rt_throw("policy: choice out of range");

	rt_lock(&rt_sched.lock);
	struct rt_g *g = rt_sched.global.first, *prev = NULL;
	for (; pick > 0; pick--, prev = g, g = g->sched_next)
		;
	if (prev)
		prev->sched_next = g->sched_next;
	else
		rt_sched.global.first = g->sched_next;
	if (rt_sched.global.last == g)
		rt_sched.global.last = prev;
	rt_sched.global.count--;
	atomic_store_explicit(&rt_sched.n_global, rt_sched.global.count, memory_order_relaxed);
	rt_unlock(&rt_sched.lock);
	g->sched_next = NULL;
	return g;
}
