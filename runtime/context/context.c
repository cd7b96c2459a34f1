#include "node.h"

#include <stdlib.h>

static csp_context background = { .deadline_ns = INT64_MAX };

csp_context *csp_context_background(void)
{
	return &background;
}

/* Hang ctx under its parent, or return the end the parent has already come to. */
static int link_to_parent(csp_context *ctx, int *cause)
{
	csp_context *parent = ctx->parent;
	int err;

	rt_lock(&parent->lock);
	err = parent->err;
	*cause = parent->cause;
	if (err == 0) {
		ctx->next = parent->children;
		if (ctx->next != NULL)
			ctx->next->prev = ctx;
		parent->children = ctx;
		ctx->linked = true;
	}
	rt_unlock(&parent->lock);
	return err;
}

static void unlink_from_parent(csp_context *ctx)
{
	csp_context *parent = ctx->parent;

	rt_lock(&parent->lock);
	if (ctx->linked) {
		if (ctx->prev != NULL)
			ctx->prev->next = ctx->next;
		else
			parent->children = ctx->next;
		if (ctx->next != NULL)
			ctx->next->prev = ctx->prev;
		ctx->linked = false;
	}
	rt_unlock(&parent->lock);
}

csp_context *rt_context_create(csp_context *parent, int64_t deadline_ns, const void *key, void *value, bool is_value)
{
	csp_context *ctx = calloc(1, sizeof *ctx);
	int err, cause;

	if (ctx == NULL)
		return NULL;
	ctx->done = csp_chan_make_(sizeof(char), 0);
	ctx->key = key;
	ctx->value = value;
	ctx->is_value = is_value;
	ctx->deadline_ns = deadline_ns;
	atomic_init(&ctx->user_refs, 1);
	atomic_init(&ctx->refs, 1);
	if (rt_context_is_background(parent))
		return ctx;
	ctx->parent = parent;
	if (parent->deadline_ns < deadline_ns)
		ctx->deadline_ns = parent->deadline_ns;
	atomic_fetch_add_explicit(&parent->refs, 1, memory_order_relaxed);
	err = link_to_parent(ctx, &cause);
	if (err != 0) {
		RT_EVENT(acquire, &rt_self()->view, parent);
		rt_context_end(ctx, err, cause);
	}
	return ctx;
}

static void destroy(csp_context *ctx)
{
	struct rt_context_hook *hook;

	if (ctx->parent != NULL)
		unlink_from_parent(ctx);
	while ((hook = ctx->hooks) != NULL) {
		ctx->hooks = hook->next;
		RT_EVENT(sync_forget, hook, sizeof *hook);
		free(hook);
	}
	RT_EVENT(sync_forget, ctx, sizeof *ctx);
	csp_chan_unref_(ctx->done);
	free(ctx);
}

/* One reference fewer; true: that was the last. What was done with the others happens before the caller goes on. */
static bool drop(_Atomic uint32_t *refs)
{
	struct rt_g *g = rt_self();

	RT_EVENT(release, &g->view, refs);
	if (atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) != 1)
		return false;
	RT_EVENT(acquire, &g->view, refs);
	return true;
}

void rt_context_unref(csp_context *ctx)
{
	while (ctx != NULL && drop(&ctx->refs)) {
		csp_context *parent = ctx->parent;

		/* A value node that outlived its user for its children's sake: nobody has closed its channel. */
		if (ctx->err == 0)
			csp_chan_close_(ctx->done);
		destroy(ctx);
		ctx = parent;
	}
}

csp_context *csp_context_ref(csp_context *ctx)
{
	if (!rt_context_is_background(ctx))
		atomic_fetch_add_explicit(&ctx->user_refs, 1, memory_order_relaxed);
	return ctx;
}

void csp_context_free(csp_context *ctx)
{
	if (rt_context_is_background(ctx) || !drop(&ctx->user_refs))
		return;
	if (!ctx->is_value)
		rt_context_end(ctx, -ECANCELED, -ECANCELED);
	rt_context_unref(ctx);
}

csp_context *csp_context_with_cancel(csp_context *parent)
{
	return rt_context_create(parent, INT64_MAX, NULL, NULL, false);
}

csp_context *csp_context_with_value(csp_context *parent, const void *key, void *value)
{
	return rt_context_create(parent, INT64_MAX, key, value, true);
}

void *csp_context_value(csp_context *ctx, const void *key)
{
	for (; ctx != NULL; ctx = ctx->parent)
		if (ctx->is_value && ctx->key == key)
			return ctx->value;
	return NULL;
}

csp_recv_chan(char) csp_context_done(csp_context *ctx)
{
	return (csp_recv_chan(char))(void *)(ctx != NULL ? ctx->done : NULL);
}

int64_t csp_context_deadline(csp_context *ctx)
{
	return ctx != NULL ? ctx->deadline_ns : INT64_MAX;
}
