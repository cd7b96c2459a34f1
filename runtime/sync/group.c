/* csp_group: golang.org/x/sync/errgroup. wg_ counts the goroutines, slots_ holds the free places if limited_; result_ goes from 0 to the
 * first other result once and stays. */
#include "../csp.h"
#include "../g.h"

#include <stdlib.h>

struct member {
	csp_group *group;
	int      (*f)(void *);
	void      *arg;
};

static void leave(void *p)
{
	csp_group *g = p;

	if (g->limited_)
		csp_sema_release(&g->slots_);
	csp_wg_done(&g->wg_);
}

static void run(void *p)
{
	struct member member = *(struct member *)p;
	csp_group *g = member.group;
	struct csp_defer_frame frame = { NULL, leave, g };
	int32_t result, none = 0;

	free(p);
	rt_self()->view.entry_pc = (void *)member.f;
	frame.next = csp_defer_push_(&frame);
	result = member.f(member.arg);
	if (result != 0 && __atomic_compare_exchange_n(&g->result_, &none, result, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED) &&
	    g->ctx_ != NULL)
		csp_context_cancel_cause(g->ctx_, result);
	csp_defer_run_(&frame);
}

static void start(csp_group *g, int (*f)(void *), void *arg, void *pc)
{
	struct member *member = malloc(sizeof *member);

	if (member == NULL)
		rt_fatal(-1, NULL, "out of memory", pc);
	*member = (struct member){ g, f, arg };
	csp_wg_add(&g->wg_, 1);
	if (rt_go(run, member, false, pc) != 0)
		rt_fatal(-1, NULL, "newproc: cannot start a goroutine", pc);
}

void csp_group_go(csp_group *g, int (*f)(void *), void *arg)
{
	void *pc = __builtin_return_address(0);

	if (g->limited_)
		csp_sema_acquire(&g->slots_);
	start(g, f, arg, pc);
}

bool csp_group_try_go(csp_group *g, int (*f)(void *), void *arg)
{
	if (g->limited_ && !csp_sema_try_acquire(&g->slots_))
		return false;
	start(g, f, arg, __builtin_return_address(0));
	return true;
}

int csp_group_wait(csp_group *g)
{
	csp_context *ctx = g->ctx_;
	int result;

	csp_wg_wait(&g->wg_);
	result = __atomic_load_n(&g->result_, __ATOMIC_ACQUIRE);
	if (ctx != NULL) {
		g->ctx_ = NULL;
		csp_context_cancel_cause(ctx, result != 0 ? result : -ECANCELED);
		csp_context_free(ctx);
	}
	return result;
}

void csp_group_set_limit(csp_group *g, int n)
{
	g->limited_ = n >= 0;
	csp_sema_init(&g->slots_, n);
}

csp_context *csp_group_with_context(csp_group *g, csp_context *parent)
{
	csp_context *ctx = csp_context_with_cancel(parent);

	if (ctx != NULL)
		g->ctx_ = csp_context_ref(ctx);
	return ctx;
}
