/* csp_once. state_: FRESH → RUNNING [→ AWAITED, somebody queued under &state_] → DONE. runner_ is the goroutine inside.
 * A function that leaves by csp_exit_goroutine counts as done, as in Go (a deferred store there): hence the defer frame.
 * tests/model/once.pml. */
#include "info.h"
#include "semtable.h"
#include "../csp.h"

struct run {
	csp_once    *o;
	struct rt_g *g;
};

static void finish(void *p)
{
	struct run *run = p;
	csp_once *o = run->o;
	uint32_t *state = &o->state_;

	RT_EVENT(once_done, &run->g->view, o);
	__atomic_store_n(&o->runner_, 0, __ATOMIC_RELAXED);
	if (__atomic_exchange_n(state, RT_ONCE_DONE, __ATOMIC_ACQ_REL) == RT_ONCE_AWAITED) {
		struct rt_sem_bucket *bucket = rt_sem_lock(state);
		struct rt_g *waiters = rt_sem_take_all(bucket, state);

		rt_sem_unlock(bucket);
		rt_ready_list(waiters);
	}
}

static void wait_for_runner(csp_once *o)
{
	struct rt_sem_why why = { o, RT_WAIT_ONCE, RT_OBJ_ONCE, RT_OP_WAIT, NULL };
	struct rt_sem_bucket *bucket = rt_sem_lock(&o->state_);
	uint32_t state = RT_ONCE_RUNNING;

	/* Under the bucket lock: finish takes it after DONE, so it finds everyone who saw less than DONE here. */
	__atomic_compare_exchange_n(&o->state_, &state, RT_ONCE_AWAITED, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE);
	if (state == RT_ONCE_DONE)
		rt_sem_unlock(bucket);
	else
		rt_sem_wait_locked(bucket, &o->state_, 0, &why);
}

static void once(csp_once *o, void (*f)(void), void (*f_arg)(void *), void *arg)
{
	struct rt_g *g = rt_self();
	RT_POINT(RT_AT_ONCE, o);
	uint32_t state = __atomic_load_n(&o->state_, __ATOMIC_ACQUIRE);

	if (state == RT_ONCE_FRESH &&
	    __atomic_compare_exchange_n(&o->state_, &state, RT_ONCE_RUNNING, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
		struct run run = { o, g };
		struct csp_defer_frame frame = { NULL, finish, &run };

		__atomic_store_n(&o->runner_, g->view.id, __ATOMIC_RELAXED);
		RT_EVENT(once_begin, &g->view, o);
		frame.next = csp_defer_push_(&frame);
		if (f != NULL)
			f();
		else
			f_arg(arg);
		csp_defer_run_(&frame);
		return;
	}
	if (state != RT_ONCE_DONE)
		wait_for_runner(o);
	RT_EVENT(once_seen, &g->view, o);
}

void csp_once_do(csp_once *o, void (*f)(void))
{
	once(o, f, NULL, NULL);
}

void csp_once_do_arg(csp_once *o, void (*f)(void *), void *arg)
{
	once(o, NULL, f, arg);
}
