/* Contexts that end by themselves. The armed timer holds a reference; who stops it in time (end_one) gives it up, else the goroutine
 * that the timer starts does. A goroutine, because the timer fires on a scheduler's stack and ending a context closes channels. */
#include "node.h"

static void time_out(void *p)
{
	csp_context *ctx = p;

	RT_EVENT(acquire, &rt_self()->view, &ctx->timer);
	rt_context_end(ctx, -ETIMEDOUT, -ETIMEDOUT);
	rt_context_unref(ctx);
}

static void fire(struct rt_timer *timer, int64_t now_ns)
{
	/* No memory for a goroutine now: once more in a millisecond. */
	if (rt_go(time_out, timer->arg, true, NULL) != 0)
		rt_timer_start(timer, now_ns + CSP_MILLISECOND);
}

csp_context *csp_context_with_deadline(csp_context *parent, int64_t deadline_ns)
{
	csp_context *ctx = rt_context_create(parent, deadline_ns, NULL, NULL, false);

	/* The parent's own timer serves if it comes first. */
	if (ctx == NULL || ctx->deadline_ns < deadline_ns)
		return ctx;
	if (deadline_ns <= rt_now_ns()) {
		rt_context_end(ctx, -ETIMEDOUT, -ETIMEDOUT);
		return ctx;
	}
	ctx->timer.fire = fire;
	ctx->timer.arg = ctx;
	ctx->timer.is_func = true;
	ctx->timer.func = (void *)time_out;
	ctx->timer.func_arg = ctx;
	RT_EVENT(release, &rt_self()->view, &ctx->timer);
	rt_lock(&ctx->lock);
	if (ctx->err == 0) {
		ctx->timer_armed = true;
		atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed);
		rt_timer_start(&ctx->timer, deadline_ns);
	}
	rt_unlock(&ctx->lock);
	return ctx;
}

csp_context *csp_context_with_timeout(csp_context *parent, int64_t ns)
{
	int64_t now_ns = rt_now_ns();

	return csp_context_with_deadline(parent, ns > INT64_MAX - 1 - now_ns ? INT64_MAX - 1 : now_ns + ns);
}
