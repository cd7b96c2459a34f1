/* A node of the cancellation tree. Ends once, with everything below it.
 *
 * Lock order: a parent's lock is never held together with a child's; a canceller detaches the children of a node under its lock and
 * ends them afterwards, each with a reference of its own, from a list instead of by recursion (trees may be deep, stacks are small).
 * Happens-before: whoever sees the end of ctx (done closed, err != 0, after_func's goroutine) is ordered after the cancel call. */
#ifndef CSP_RUNTIME_CONTEXT_NODE_H
#define CSP_RUNTIME_CONTEXT_NODE_H

#include "../csp.h"
#include "../g.h"

struct rt_context_hook {
	struct rt_context_hook *next;
	void                  (*f)(void *);
	void                   *arg;
	void                   *pc;             /* of csp_context_after_func */
	uint64_t                id;             /* never used twice, so that a late csp_context_after_stop finds nothing */
};

struct csp_context {
	/* Constant after creation. */
	csp_context     *parent;                /* holds a reference on it; NULL for children of the background */
	struct csp_chan *done;                  /* NULL for the background only */
	int64_t          deadline_ns;           /* own or inherited; INT64_MAX: none */
	const void      *key;
	void            *value;
	bool             is_value;              /* made by with_value */

	_Atomic uint32_t user_refs;             /* 0: nobody can ask for the end any more */
	_Atomic uint32_t refs;                  /* one for user_refs > 0, each child, an armed timer, a canceller at work */

	/* Guarded by lock; err is also read without it. */
	struct rt_lock   lock;
	int              err, cause;            /* 0: alive */
	bool             timer_armed;
	csp_context     *children;
	struct rt_context_hook *hooks;

	/* Guarded by the parent's lock. */
	csp_context     *next, *prev;
	bool             linked;

	csp_context     *work_next;             /* in the lists of the one canceller that detached it */
	_Atomic bool     settled;               /* everything below has ended as well */
	struct rt_timer  timer;
};

static inline bool rt_context_is_background(const csp_context *ctx)
{
	return ctx == NULL || ctx->done == NULL;
}

void rt_context_unref(csp_context *ctx);                        /* context.c */
void rt_context_end(csp_context *ctx, int err, int cause);      /* cancel.c: idempotent; the caller keeps ctx alive. May yield */
csp_context *rt_context_create(csp_context *parent, int64_t deadline_ns, const void *key, void *value, bool is_value);

#endif
