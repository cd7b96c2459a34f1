#include "node.h"

#include <stdlib.h>

static void run_hook(void *p)
{
	struct rt_context_hook hook = *(struct rt_context_hook *)p;
	struct rt_g *g = rt_self();

	g->view.entry_pc = (void *)hook.f;
	RT_EVENT(acquire, &g->view, p);
	RT_EVENT(sync_forget, p, sizeof hook);
	free(p);
	hook.f(hook.arg);
}

static void start_hook(struct rt_context_hook *hook)
{
	if (rt_go(run_hook, hook, false, hook->pc) != 0)
		rt_fatal(-1, NULL, "newproc: cannot start a goroutine", hook->pc);
}

/* A reference for the canceller, unless the node is being destroyed. */
static bool try_ref(csp_context *ctx)
{
	uint32_t refs = atomic_load_explicit(&ctx->refs, memory_order_relaxed);

	while (refs != 0)
		if (atomic_compare_exchange_weak_explicit(&ctx->refs, &refs, refs + 1, memory_order_acquire, memory_order_relaxed))
			return true;
	return false;
}

static void detach_children_locked(csp_context *ctx, csp_context **work)
{
	csp_context *child, *next;

	for (child = ctx->children; child != NULL; child = next) {
		next = child->next;
		child->next = child->prev = NULL;
		/* From here its destroyer no longer waits for our lock's list, but it still takes the lock, so child is there. */
		child->linked = false;
		if (try_ref(child)) {
			child->work_next = *work;
			*work = child;
		}
	}
	ctx->children = NULL;
}

/* false: somebody else ends or has ended it. */
static bool end_one(csp_context *ctx, int err, int cause, csp_context **work)
{
	struct rt_context_hook *hooks, *hook;
	bool timer_armed;

	rt_lock(&ctx->lock);
	if (ctx->err != 0) {
		rt_unlock(&ctx->lock);
		return false;
	}
	RT_EVENT(release, &rt_self()->view, ctx);
	ctx->cause = cause;
	__atomic_store_n(&ctx->err, err, __ATOMIC_RELEASE);
	hooks = ctx->hooks;
	ctx->hooks = NULL;
	timer_armed = ctx->timer_armed;
	ctx->timer_armed = false;
	detach_children_locked(ctx, work);
	rt_unlock(&ctx->lock);

	if (timer_armed && rt_timer_stop(&ctx->timer))
		rt_context_unref(ctx);
	csp_chan_close_(ctx->done);
	while ((hook = hooks) != NULL) {
		hooks = hook->next;
		start_hook(hook);
	}
	return true;
}

static void await_settled(csp_context *ctx)
{
	while (!atomic_load_explicit(&ctx->settled, memory_order_acquire))
		csp_yield();
}

/* Everything below ctx has ended when this returns, as with Go, whose canceller holds the parent's lock meanwhile. Nodes that others are
 * ending are waited for last: they are strictly below the node this call ends first, and what those others wait for is below theirs in
 * turn, so that no two wait for each other. */
void rt_context_end(csp_context *ctx, int err, int cause)
{
	csp_context *work = NULL, *ours = NULL, *others = NULL, *node;

	RT_POINT(RT_AT_CONTEXT, ctx);
	if (!end_one(ctx, err, cause, &work)) {
		await_settled(ctx);
		return;
	}
	while ((node = work) != NULL) {
		work = node->work_next;
		if (end_one(node, err, cause, &work)) {
			node->work_next = ours;
			ours = node;
		} else {
			node->work_next = others;
			others = node;
		}
	}
	while ((node = others) != NULL) {
		others = node->work_next;
		await_settled(node);
		rt_context_unref(node);
	}
	while ((node = ours) != NULL) {
		ours = node->work_next;
		atomic_store_explicit(&node->settled, true, memory_order_release);
		rt_context_unref(node);
	}
	atomic_store_explicit(&ctx->settled, true, memory_order_release);
}

void csp_context_cancel(csp_context *ctx)
{
	csp_context_cancel_cause(ctx, -ECANCELED);
}

void csp_context_cancel_cause(csp_context *ctx, int cause)
{
	if (!rt_context_is_background(ctx))
		rt_context_end(ctx, -ECANCELED, cause);
}

int csp_context_err(csp_context *ctx)
{
	RT_POINT(RT_AT_CONTEXT, ctx);
	int err = rt_context_is_background(ctx) ? 0 : __atomic_load_n(&ctx->err, __ATOMIC_ACQUIRE);

	if (err != 0) {
		RT_EVENT(acquire, &rt_self()->view, ctx);
		/* The canceller sets err first: whoever is told of the end finds done closed. */
		csp_chan_recv_ok_(ctx->done, NULL);
	}
	return err;
}

int csp_context_cause(csp_context *ctx)
{
	return csp_context_err(ctx) != 0 ? ctx->cause : 0;
}

uint64_t csp_context_after_func(csp_context *ctx, void (*f)(void *), void *arg)
{
	static _Atomic uint64_t last_id;
	void *pc = __builtin_return_address(0);
	struct rt_context_hook *hook;
	uint64_t id;
	bool ended;

	if (rt_context_is_background(ctx))
		return 0;
	hook = malloc(sizeof *hook);
	if (hook == NULL)
		rt_fatal(-1, NULL, "out of memory", pc);
	id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
	*hook = (struct rt_context_hook){ NULL, f, arg, pc, id };
	/* The registration happens before f. */
	RT_EVENT(release, &rt_self()->view, hook);
	rt_lock(&ctx->lock);
	ended = ctx->err != 0;
	if (!ended) {
		hook->next = ctx->hooks;
		ctx->hooks = hook;
	}
	rt_unlock(&ctx->lock);
	if (ended) {
		RT_EVENT(acquire, &rt_self()->view, ctx);
		start_hook(hook);
	}
	return id;
}

/* Who takes the hook off the list under the lock owns it: the one canceller that ends ctx, or this. */
bool csp_context_after_stop(csp_context *ctx, uint64_t id)
{
	struct rt_context_hook **at, *hook;

	if (rt_context_is_background(ctx))
		return false;
	rt_lock(&ctx->lock);
	for (at = &ctx->hooks; *at != NULL && (*at)->id != id; at = &(*at)->next)
		;
	hook = *at;
	if (hook != NULL)
		*at = hook->next;
	rt_unlock(&ctx->lock);
	if (hook == NULL)
		return false;
	RT_EVENT(sync_forget, hook, sizeof *hook);
	free(hook);
	return true;
}
