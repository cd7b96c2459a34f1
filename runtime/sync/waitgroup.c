/* csp_waitgroup: Go's sync.WaitGroup. state_: counter in the upper 32 bits (signed), number of waiters in the lower 32.
 * Whoever brings the counter to zero with waiters present resets state_ and releases each waiter; a change of state_ in between is misuse.
 * With an observer the changes of state_ happen under the bucket lock of its address, so that the events carry the true counter
 * and come before the change is visible. tests/model/waitgroup.pml. */
#include "semtable.h"
#include "../csp.h"
#include "../sched/sched.h"

#include <stdlib.h>

static int32_t counter_of(uint64_t state)
{
	return (int32_t)(state >> 32);
}

static uint32_t waiters_of(uint64_t state)
{
	return (uint32_t)state;
}

static uint64_t add_to_counter(csp_waitgroup *wg, int64_t delta, void *pc)
{
	uint64_t state, step = (uint64_t)delta << 32;
	struct rt_sem_bucket *bucket;

	if (__builtin_expect(rt_observer == NULL, 1))
		return __atomic_add_fetch(&wg->state_, step, __ATOMIC_ACQ_REL);
	if (delta > 0)                  /* a done only lets others go on, as an unlock */
		RT_POINT(RT_AT_WG_ADD, wg);
	bucket = rt_sem_lock(&wg->state_);
	state = __atomic_load_n(&wg->state_, __ATOMIC_RELAXED) + step;
	RT_EVENT(wg_add, &rt_self()->view, wg, delta, counter_of(state), pc);
	state = __atomic_add_fetch(&wg->state_, step, __ATOMIC_ACQ_REL);
	rt_sem_unlock(bucket);
	return state;
}

static void add(csp_waitgroup *wg, int64_t delta, void *pc)
{
	uint64_t state = add_to_counter(wg, delta, pc);
	int32_t counter = counter_of(state);
	uint32_t waiters = waiters_of(state);

	if (counter < 0)
		rt_panic(RT_MISUSE_WG_NEGATIVE, wg, "sync: negative WaitGroup counter", pc);
	if (waiters != 0 && delta > 0 && counter == delta)
		rt_panic(RT_MISUSE_WG_ADD_WITH_WAIT, wg, "sync: WaitGroup misuse: Add called concurrently with Wait", pc);
	if (counter > 0 || waiters == 0)
		return;
	/* The waiters are held until they get their permit, so wg is still there. */
	if (__atomic_load_n(&wg->state_, __ATOMIC_RELAXED) != state)
		rt_panic(RT_MISUSE_WG_ADD_WITH_WAIT, wg, "sync: WaitGroup misuse: Add called concurrently with Wait", pc);
	__atomic_store_n(&wg->state_, 0, __ATOMIC_RELEASE);
	for (; waiters > 0; waiters--)
		rt_sem_release(&wg->sema_, false);
}

void csp_wg_add(csp_waitgroup *wg, int64_t delta)
{
	add(wg, delta, __builtin_return_address(0));
}

void csp_wg_done(csp_waitgroup *wg)
{
	add(wg, -1, __builtin_return_address(0));
}

/* Join the waiters unless the counter is zero; true: joined. */
static bool join_waiters(csp_waitgroup *wg, void *pc)
{
	struct rt_sem_bucket *bucket = rt_observer != NULL ? rt_sem_lock(&wg->state_) : NULL;
	uint64_t state = __atomic_load_n(&wg->state_, __ATOMIC_ACQUIRE);
	bool joined = false;

	if (bucket != NULL)
		RT_EVENT(wg_wait, &rt_self()->view, wg, counter_of(state) != 0 && waiters_of(state) == 0, pc);
	while (counter_of(state) != 0 && !joined)
		joined = __atomic_compare_exchange_n(&wg->state_, &state, state + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
	if (bucket != NULL)
		rt_sem_unlock(bucket);
	return joined;
}

/* Somebody started one goroutine and waits for it: let it run first and be back next. Often nothing is left to wait for then, which spares
 * the parking and the waking. */
static inline void let_the_one_run(const csp_waitgroup *wg)
{
	if (rt_observer == NULL && rt_policy == NULL && counter_of(__atomic_load_n(&wg->state_, __ATOMIC_RELAXED)) == 1)
		rt_yield_to_next(rt_m_self());
}

void csp_wg_wait(csp_waitgroup *wg)
{
	void *pc = __builtin_return_address(0);
	struct rt_g *g = rt_self();

	RT_POINT(RT_AT_WG_WAIT, wg);
	let_the_one_run(wg);
	if (join_waiters(wg, pc)) {
		struct rt_sem_why why = { wg, RT_WAIT_WAITGROUP, RT_OBJ_WAITGROUP, RT_OP_WAIT, NULL };

		rt_sem_acquire(&wg->sema_, &why, false);
		if (__atomic_load_n(&wg->state_, __ATOMIC_ACQUIRE) != 0)
			rt_panic(RT_MISUSE_WG_REUSED, wg, "sync: WaitGroup is reused before previous Wait has returned", pc);
	}
	RT_EVENT(wg_waited, &g->view, wg);
}

struct task {
	csp_waitgroup *wg;
	void         (*f)(void *);
	void          *arg;
};

static void done(void *wg)
{
	add(wg, -1, __builtin_return_address(0));
}

static void run(void *p)
{
	struct task task = *(struct task *)p;
	struct csp_defer_frame frame = { NULL, done, task.wg };

	free(p);
	rt_self()->view.entry_pc = (void *)task.f;
	frame.next = csp_defer_push_(&frame);
	task.f(task.arg);
	csp_defer_run_(&frame);
}

void csp_wg_go(csp_waitgroup *wg, void (*f)(void *), void *arg)
{
	void *pc = __builtin_return_address(0);
	struct task *task = malloc(sizeof *task);

	if (task == NULL)
		rt_fatal(-1, NULL, "out of memory", pc);
	*task = (struct task){ wg, f, arg };
	add(wg, 1, pc);
	if (rt_go(run, task, false, pc) != 0)
		rt_fatal(-1, NULL, "newproc: cannot start a goroutine", pc);
}
