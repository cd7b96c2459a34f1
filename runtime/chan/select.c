/* Select, in Go's three passes.
 *   1  look: lock all channels in address order; among the cases that can proceed choose one (rt_choose), do it, done
 *   2  enqueue: nothing can: one waiter per case into its channel's queue, all contended: the waker that wins g->fired wakes us
 *   3  dequeue: lock all again, take the losers off their queues
 * A case with NULL channel and a gap between designators are left out from the start.
 *
 * Why the commit of pass 2 may still walk `order` on our stack after it has released the first lock: whoever wakes us then makes us run
 * pass 3, which takes every lock before it does anything (but see spared_of), and so waits for the last release; after that the commit
 * looks at nothing. tests/model/select.pml.
 *
 * Events: a send case reads its value when it is done in pass 1, and from parking on in pass 2, for then a receiver may take it at any time.
 * After golang/go runtime/select.go. */
#include "../csp.h"
#include "chan.h"

#include <stdlib.h>

#include "../sched/policy.h"
#include "copy.h"

enum { CASES_ON_STACK = 16, CASES_MAX = 65535 };

struct selection {
	struct rt_g      *g;
	const csp_case   *cases;
	void             *pc;
	struct rt_waiter *waiters;      /* one per live case; .case_index says which; .ticket is the size of the element */
	struct csp_chan **order;        /* the channels, each once, by address */
	uint16_t         *ready;        /* scratch of pass 1: indices into waiters; n_live is the CSP_ON_AFTER case if it is due */
	uint32_t          n_live, n_order;
	int               default_case, after_case;     /* -1: none */
	int64_t           after_ns;
};

static struct csp_chan *chan_of(const struct rt_waiter *w) { return w->obj; }

static struct rt_waitq *queue_of(const struct rt_waiter *w)
{
	return w->op == RT_OP_SEND ? &chan_of(w)->senders : &chan_of(w)->receivers;
}

/* --- locks ------------------------------------------------------------------------------------------------------------ */

static void sift_down(struct csp_chan **v, uint32_t at, uint32_t n)
{
	struct csp_chan *moved = v[at];

	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= n)
			break;
		if (child + 1 < n && (uintptr_t)v[child] < (uintptr_t)v[child + 1])
			child++;
		if ((uintptr_t)moved >= (uintptr_t)v[child])
			break;
		v[at] = v[child];
		at = child;
	}
	v[at] = moved;
}

/* Heap sort: no memory, no quadratic case. */
static void sort_many(struct csp_chan **v, uint32_t n)
{
	for (uint32_t i = n / 2; i-- > 0;)
		sift_down(v, i, n);
	for (uint32_t last = n; last-- > 1;) {
		struct csp_chan *top = v[0];
		v[0] = v[last];
		v[last] = top;
		sift_down(v, 0, last);
	}
}

static void sort_few(struct csp_chan **v, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		struct csp_chan *moved = v[i];
		uint32_t at = i;
		for (; at > 0 && (uintptr_t)v[at - 1] > (uintptr_t)moved; at--)
			v[at] = v[at - 1];
		v[at] = moved;
	}
}

static void set_order(struct selection *s)
{
	uint32_t n = s->n_live;

	for (uint32_t i = 0; i < n; i++)
		s->order[i] = chan_of(&s->waiters[i]);
	if (n <= CASES_ON_STACK)
		sort_few(s->order, n);
	else
		sort_many(s->order, n);
	s->n_order = 0;
	for (uint32_t i = 0; i < n; i++)
		if (i == 0 || s->order[i] != s->order[s->n_order - 1])
			s->order[s->n_order++] = s->order[i];
}

static void lock_all_but(const struct selection *s, const struct csp_chan *spared)
{
	for (uint32_t i = 0; i < s->n_order; i++)
		if (s->order[i] != spared)
			rt_lock(&s->order[i]->lock);
}

/* Nothing of s is read after the last release. */
static void unlock_all_but(const struct selection *s, const struct csp_chan *spared)
{
	struct csp_chan **order = s->order;
	uint32_t n = s->n_order;

	if (n > 0 && order[n - 1] == spared)
		n--;
	for (uint32_t i = 0; i < n; i++) {
		struct csp_chan *ch = order[i];
		if (ch != spared)
			rt_unlock(&ch->lock);
	}
}

static void lock_all(const struct selection *s) { lock_all_but(s, NULL); }
static void unlock_all(const struct selection *s) { unlock_all_but(s, NULL); }

static bool commit_unlock_all(struct rt_g *g, void *arg)
{
	unlock_all(arg);
	return true;
}

static bool commit_nothing(struct rt_g *g, void *arg) { return true; }

/* --- pass 1 ----------------------------------------------------------------------------------------------------------- */

static void touched(const struct selection *s, const void *p, size_t bytes, bool is_write)
{
	if (__builtin_expect(rt_observer != NULL, 0) && p != NULL && bytes > 0)
		rt_observer->mem(&s->g->view, p, bytes, is_write, s->pc);
}

/* After a receive, no lock held. */
static void received(const struct selection *s, const struct rt_waiter *w, size_t elem_bytes, bool ok)
{
	bool *ok_out = s->cases[w->case_index].ok;

	touched(s, w->elem, elem_bytes, true);
	if (ok_out != NULL) {
		*ok_out = ok;
		touched(s, ok_out, sizeof *ok_out, true);
	}
}

static bool blocks_locked(const struct rt_waiter *w)
{
	return w->op == RT_OP_SEND ? rt_chan_send_blocks_locked(chan_of(w)) : rt_chan_recv_blocks_locked(chan_of(w));
}

/* Do case w, which did not block a moment ago; all locks are held, and released if it succeeds. False: the only peer was a select that
 * somebody else woke in between. */
static bool proceed(const struct selection *s, struct rt_waiter *w)
{
	struct csp_chan *ch = chan_of(w);
	size_t elem_bytes = ch->elem_bytes;
	enum rt_chan_outcome outcome;
	struct rt_g *ready;

	if (w->op == RT_OP_SEND) {
		touched(s, w->elem, elem_bytes, false);
		outcome = rt_chan_send_locked(ch, s->g, w->elem, &ready);
	} else {
		outcome = rt_chan_recv_locked(ch, s->g, w->elem, &ready);
	}
	if (outcome == RT_CHAN_WOULD_BLOCK)
		return false;
	unlock_all(s);
	if (ready != NULL)
		rt_ready(ready);
	if (w->op == RT_OP_RECV)
		received(s, w, elem_bytes, outcome == RT_CHAN_DONE);
	else if (outcome == RT_CHAN_CLOSED)
		rt_chan_panic_closed(ch, s->pc);
	return true;
}

/* Returns the index of the case done, with all locks released; or -1, with all locks held. */
static int look(struct selection *s)
{
	uint32_t n_ready = 0;

	for (uint32_t i = 0; i < s->n_live; i++)
		if (!blocks_locked(&s->waiters[i]))
			s->ready[n_ready++] = (uint16_t)i;
	if (s->after_case >= 0 && s->after_ns <= 0)
		s->ready[n_ready++] = (uint16_t)s->n_live;
	while (n_ready > 0) {
		uint32_t chosen = n_ready == 1 ? 0 : rt_choose(RT_CHOOSE_CASE, n_ready);
		uint16_t i = s->ready[chosen];
		if (i == s->n_live) {
			unlock_all(s);
			return s->after_case;
		}
		if (proceed(s, &s->waiters[i]))
			return s->waiters[i].case_index;
		s->ready[chosen] = s->ready[--n_ready];
	}
	return -1;
}

/* --- passes 2 and 3 --------------------------------------------------------------------------------------------------- */

/* The channel that woke us, if no other case waits for it: there is nothing to dequeue, and whoever closed it may have freed it. Leaving
 * its lock alone is right with the commit too: its lock had been released, and if it was not the last, the last one is taken. */
static const struct csp_chan *spared_of(const struct selection *s, const struct rt_waiter *w)
{
	for (uint32_t i = 0; i < s->n_live; i++)
		if (&s->waiters[i] != w && s->waiters[i].obj == w->obj)
			return NULL;
	return w->obj;
}

static int64_t deadline_after(int64_t ns)
{
	int64_t now_ns = rt_now_ns();

	return ns < INT64_MAX - now_ns ? now_ns + ns : INT64_MAX - 1;
}

static inline __attribute__((always_inline)) int wait(struct selection *s, bool no_cases)
{
	struct rt_g *g = s->g;
	struct rt_timer timer = { 0 };

	for (uint32_t i = 0; i < s->n_live; i++)
		if (s->waiters[i].op == RT_OP_SEND)
			touched(s, s->waiters[i].elem, chan_of(&s->waiters[i])->elem_bytes, false);
	rt_wait_begin(g, no_cases ? RT_WAIT_SELECT_NO_CASES : RT_WAIT_SELECT, s->n_live > 0 ? s->waiters : NULL);
	for (uint32_t i = 0; i < s->n_live; i++)
		rt_waitq_push(queue_of(&s->waiters[i]), &s->waiters[i]);
	if (s->after_case >= 0)
		rt_deadline_arm(&timer, g, deadline_after(s->after_ns));
	/* Without a lock nothing would hold a deadline's waker back until the commit is done with s. */
	rt_park(s->n_live > 0 ? commit_unlock_all : commit_nothing, s);
	if (s->after_case >= 0)
		rt_deadline_cancel(&timer);

	struct rt_waiter *w = g->wake;
	const struct csp_chan *spared = w != NULL ? spared_of(s, w) : NULL;
	lock_all_but(s, spared);
	for (uint32_t i = 0; i < s->n_live; i++)
		if (&s->waiters[i] != w)
			rt_waitq_remove(queue_of(&s->waiters[i]), &s->waiters[i]);
	unlock_all_but(s, spared);

	if (w == NULL)
		return s->after_case;
	if (w->op == RT_OP_SEND) {
		if (!w->ok)
			rt_chan_panic_closed(w->obj, s->pc);
	} else {
		if (!w->ok && w->elem != NULL)
			rt_zero(w->elem, w->ticket);
		received(s, w, w->ticket, w->ok);
	}
	return w->case_index;
}

/* --- together --------------------------------------------------------------------------------------------------------- */

/* One waiter per case that has a channel. */
static void prepare(struct selection *s, int n)
{
	for (int i = 0; i < n; i++) {
		const csp_case *c = &s->cases[i];
		switch (c->op) {
		case CSP_CASE_RECV_:
		case CSP_CASE_SEND_:
			if (c->chan == NULL)
				break;
			RT_EVENT(chan_op, &s->g->view, c->chan, c->op == CSP_CASE_SEND_, s->pc);
			s->waiters[s->n_live] = (struct rt_waiter){
				.g = s->g, .obj = c->chan, .elem = c->elem, .kind = RT_OBJ_CHAN,
				.op = c->op == CSP_CASE_SEND_ ? RT_OP_SEND : RT_OP_RECV, .case_index = (uint16_t)i, .contended = true,
				.ticket = (uint32_t)c->chan->elem_bytes,
			};
			if (s->n_live > 0)
				s->waiters[s->n_live - 1].next_in_set = &s->waiters[s->n_live];
			s->n_live++;
			break;
		case CSP_CASE_AFTER_:
			if (s->after_case < 0 || c->ns < s->after_ns) {
				s->after_case = i;
				s->after_ns = c->ns;
			}
			break;
		case CSP_CASE_DEFAULT_:
			s->default_case = i;
			break;
		}
	}
	set_order(s);
}

static bool all_block(const struct selection *s)
{
	for (uint32_t i = 0; i < s->n_live; i++) {
		const struct rt_waiter *w = &s->waiters[i];
		if (w->op == RT_OP_SEND ? !rt_chan_send_blocks(chan_of(w)) : !rt_chan_recv_blocks(chan_of(w)))
			return false;
	}
	return s->after_case < 0 || s->after_ns > 0;
}

static inline __attribute__((always_inline)) int run(struct selection *s, int n)
{
	prepare(s, n);
	if (s->default_case >= 0 && all_block(s))
		return s->default_case;
	lock_all(s);
	int done = look(s);
	if (done >= 0)
		return done;
	if (s->default_case >= 0) {
		unlock_all(s);
		return s->default_case;
	}
	return wait(s, n == 0);
}

enum { QUICK_FULL = -1 };

/* The usual select: no observer, no policy, few cases. Looks without locks, as try_recv does; chooses among the cases that seem ready and takes
 * the lock of that channel alone. Chosen is thus evenly from those that were ready at some moment of the call. QUICK_FULL: nothing was
 * found and there is no default, or somebody else was faster. */
static __attribute__((noinline)) int quick(const csp_case *cases, int n, struct rt_g *g, void *pc)
{
	uint8_t ready_cases[CASES_ON_STACK];
	uint32_t n_ready = 0;
	int default_case = QUICK_FULL;

	for (int i = 0; i < n; i++) {
		const csp_case *c = &cases[i];
		if (c->op == CSP_CASE_DEFAULT_)
			default_case = i;
		else if (c->op == CSP_CASE_AFTER_ && c->ns <= 0)
			return QUICK_FULL;
		else if (c->chan != NULL && (c->op == CSP_CASE_RECV_ ? !rt_chan_recv_blocks(c->chan) : c->op == CSP_CASE_SEND_ && !rt_chan_send_blocks(c->chan)))
			ready_cases[n_ready++] = (uint8_t)i;
	}
	if (n_ready == 0)
		return default_case;
	int chosen = ready_cases[n_ready == 1 ? 0 : rt_choose(RT_CHOOSE_CASE, n_ready)];
	const csp_case *c = &cases[chosen];
	struct csp_chan *ch = c->chan;
	struct rt_g *woken;

	rt_lock(&ch->lock);
	enum rt_chan_outcome outcome = c->op == CSP_CASE_RECV_ ? rt_chan_recv_locked(ch, g, c->elem, &woken) : rt_chan_send_locked(ch, g, c->elem, &woken);
	rt_unlock(&ch->lock);
	if (outcome == RT_CHAN_WOULD_BLOCK)
		return QUICK_FULL;
	if (woken != NULL)
		rt_ready(woken);
	if (c->op == CSP_CASE_SEND_ && outcome == RT_CHAN_CLOSED)
		rt_chan_panic_closed(ch, pc);
	if (c->op == CSP_CASE_RECV_ && c->ok != NULL)
		*c->ok = outcome == RT_CHAN_DONE;
	return chosen;
}

/* Outlined: the arrays below would otherwise be in every caller's frame. */
static __attribute__((noinline)) int run_large(struct selection *s, int n)
{
	size_t count = (size_t)n;
	struct rt_waiter *block = malloc(count * (sizeof *block + sizeof(struct csp_chan *)) + (count + 1) * sizeof(uint16_t));

	if (block == NULL)
		rt_fatal(-1, NULL, "select: out of memory", s->pc);
	s->waiters = block;
	s->order = (struct csp_chan **)(block + count);
	s->ready = (uint16_t *)(s->order + count);
	int chosen = run(s, n);
	free(block);
	return chosen;
}

/* One frame: the processor predicts returns from the calls before, and after a park that fails for each. */
CSP_API int csp_select_v(const csp_case *cases, int n)
{
	RT_PROBE(select, cases, n);
	struct rt_g *g = rt_self();
	void *pc = __builtin_return_address(0);

	if (rt_observer == NULL && rt_policy == NULL && n <= CASES_ON_STACK) {
		int chosen = quick(cases, n, g, pc);
		if (chosen != QUICK_FULL)
			return chosen;
	}

	RT_POINT(RT_AT_SELECT, n > 0 ? cases[0].chan : NULL);
	struct selection s = { .g = g, .cases = cases, .pc = pc, .default_case = -1, .after_case = -1 };
	struct rt_waiter waiters[CASES_ON_STACK];
	struct csp_chan *order[CASES_ON_STACK];
	uint16_t ready[CASES_ON_STACK + 1];

	if (n < 0 || n > CASES_MAX)
		rt_panic(RT_MISUSE_USER_PANIC, NULL, "select: too many cases", s.pc);
	if (n > CASES_ON_STACK)
		return run_large(&s, n);
	s.waiters = waiters;
	s.order = order;
	s.ready = ready;
	return run(&s, n);
}
