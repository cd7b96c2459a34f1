/* csp_after, csp_timer_*, csp_ticker_*.
 *
 * A record has an rt_timer and either a channel of capacity 1 or a function. Firing never blocks: a tick nobody took is dropped.
 * Stop and reset also drop a value that was sent and not received (Go 1.23), so what is received after a reset is of the new setting.
 * Happens-before: arming releases into the address of the channel's field `timer` (or of the record), the receiver (or the function's
 * goroutine) acquires it.
 * refs: the user's handle, and a function call under way. The last frees.
 * setting: held from taking the timer out of the heap to putting it back, for several goroutines may stop and reset at once. Firing does
 * not take it, so it may be held while waiting for a firing to end. tests/model/reset.pml, tests/stress/timer_reset.c. */
#include <stdlib.h>

#include "../chan/chan.h"
#include "../csp.h"
#include "heap.h"

struct csp_timer {
	struct rt_timer  t;
	struct csp_chan *ch;                    /* NULL: calls t.func */
	void            *pc;
	_Atomic uint32_t refs;
	struct rt_lock   setting;
};

struct csp_ticker { struct csp_timer timer; };

static const void *sync_of(struct csp_timer *timer)
{
	return timer->ch ? (const void *)&timer->ch->timer : timer;
}

static void unref(struct csp_timer *timer)
{
	if (atomic_fetch_sub_explicit(&timer->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (!timer->ch)
		RT_EVENT(sync_forget, timer, sizeof *timer);
	free(timer);
}

static void fire_chan(struct rt_timer *t, int64_t now_ns)
{
	struct csp_chan *ch = t->chan;

	rt_chan_try_send_from_timer(ch, &now_ns, &ch->timer);
}

static void call_func(void *arg)
{
	struct csp_timer *timer = arg;
	void (*func)(void *) = (void (*)(void *))timer->t.func;
	void *func_arg = timer->t.func_arg;

	RT_EVENT(acquire, &rt_self()->view, sync_of(timer));
	unref(timer);
	func(func_arg);
}

static void fire_func(struct rt_timer *t, int64_t now_ns)
{
	struct csp_timer *timer = t->arg;

	atomic_fetch_add_explicit(&timer->refs, 1, memory_order_relaxed);
	if (rt_go(call_func, timer, false, timer->pc) < 0)
		rt_refused("timer: no memory for the function's goroutine", ENOMEM);
}

static bool chan_awaited(void *chan)
{
	return !rt_chan_send_blocks(chan) && __atomic_load_n(&((struct csp_chan *)chan)->receivers.first, __ATOMIC_ACQUIRE) != NULL;
}

static int64_t when_after(int64_t ns)
{
	int64_t now = rt_now_ns();

	return ns <= 0 ? now : ns > INT64_MAX - 1 - now ? INT64_MAX - 1 : now + ns;
}

static void arm_locked(struct csp_timer *timer, int64_t ns)
{
	RT_EVENT(release, &rt_self()->view, sync_of(timer));
	rt_timer_start(&timer->t, when_after(ns));
}

static void arm(struct csp_timer *timer, int64_t ns)
{
	rt_lock(&timer->setting);
	arm_locked(timer, ns);
	rt_unlock(&timer->setting);
}

/* Returns whether that kept it from firing; a value withdrawn from the channel counts as not fired. */
static bool disarm_locked(struct csp_timer *timer)
{
	bool armed = rt_timer_stop(&timer->t);

	if (!armed || timer->t.period_ns)
		rt_timer_sync(&timer->t);
	if (timer->ch && rt_chan_drain(timer->ch))
		armed = true;
	return armed;
}

static bool disarm(struct csp_timer *timer)
{
	RT_POINT(RT_AT_TIMER, timer);
	rt_lock(&timer->setting);
	bool armed = disarm_locked(timer);
	rt_unlock(&timer->setting);
	return armed;
}

static bool init(struct csp_timer *timer, bool with_chan, void *pc)
{
	rt_self();
	timer->pc = pc;
	atomic_store(&timer->refs, 1);
	timer->t.arg = timer;
	if (!with_chan)
		return true;
	timer->ch = rt_chan_new(sizeof(int64_t), 1, pc);
	if (!timer->ch)
		return false;
	timer->ch->timer = &timer->ch->timer;
	timer->t.chan = timer->ch;
	timer->t.fire = fire_chan;
	atomic_store_explicit(&rt_timer_chan_awaited, chan_awaited, memory_order_relaxed);
	return true;
}

static struct csp_timer *new_chan_timer(int64_t ns, void *pc)
{
	struct csp_timer *timer = calloc(1, sizeof *timer);

	if (!timer || !init(timer, true, pc)) {
		free(timer);
		return NULL;
	}
	arm(timer, ns);
	return timer;
}

csp_timer *csp_timer_start(int64_t ns)
{
	return new_chan_timer(ns, __builtin_return_address(0));
}

csp_timer *csp_timer_func(int64_t ns, void (*f)(void *), void *arg)
{
	struct csp_timer *timer = calloc(1, sizeof *timer);

	if (!timer)
		return NULL;
	init(timer, false, __builtin_return_address(0));
	timer->t.fire = fire_func;
	timer->t.is_func = true;
	timer->t.func = (void *)f;
	timer->t.func_arg = arg;
	arm(timer, ns);
	return timer;
}

csp_recv_chan(int64_t) csp_timer_chan(csp_timer *timer)
{
	return (csp_recv_chan(int64_t))(void *)timer->ch;
}

bool csp_timer_stop(csp_timer *timer)
{
	return disarm(timer);
}

bool csp_timer_reset(csp_timer *timer, int64_t ns)
{
	RT_POINT(RT_AT_TIMER, timer);
	rt_lock(&timer->setting);
	bool armed = disarm_locked(timer);
	arm_locked(timer, ns);
	rt_unlock(&timer->setting);
	return armed;
}

void csp_timer_free(csp_timer *timer)
{
	if (!timer)
		return;
	disarm(timer);
	if (timer->ch)
		csp_chan_unref_(timer->ch);
	unref(timer);
}

/* --- csp_after: the record goes when it has fired. The channel is the caller's; if he dropped it (csp_chan_unref) the record's
 * reference is the last, and is dropped by a goroutine of the runtime: the observer is told on whose behalf memory goes. --- */

static void drop_chan(void *ch)
{
	csp_chan_unref_(ch);
}

static void fire_after(struct rt_timer *t, int64_t now_ns)
{
	struct csp_timer *timer = t->arg;
	struct csp_chan *ch = timer->ch;

	fire_chan(t, now_ns);
	free(timer);
	/* Not the last: let go here. The last one stays the last: nobody else has a handle to copy. */
	uint32_t refs = atomic_load_explicit(&ch->refs, memory_order_acquire);
	while (refs > 1)
		if (atomic_compare_exchange_weak_explicit(&ch->refs, &refs, refs - 1, memory_order_acq_rel, memory_order_acquire))
			return;
	if (rt_go(drop_chan, ch, true, NULL) < 0)
		rt_refused("timer: no memory for a goroutine", ENOMEM);
}

csp_recv_chan(int64_t) csp_after(int64_t ns)
{
	void *pc = __builtin_return_address(0);
	struct csp_timer *timer = calloc(1, sizeof *timer);

	if (!timer || !init(timer, true, pc))
		rt_fatal(-1, NULL, "csp_after: out of memory", pc);
	struct csp_chan *ch = csp_chan_ref_(timer->ch);
	timer->t.fire = fire_after;
	arm_locked(timer, ns);                  /* no lock: nobody else sets it, and it may be gone as soon as it is armed */
	return (csp_recv_chan(int64_t))(void *)ch;
}

/* --- tickers --- */

csp_ticker *csp_ticker_start(int64_t ns)
{
	void *pc = __builtin_return_address(0);
	struct csp_ticker *ticker = calloc(1, sizeof *ticker);

	if (ns <= 0)
		rt_panic(RT_MISUSE_USER_PANIC, NULL, "non-positive interval for NewTicker", pc);
	if (!ticker || !init(&ticker->timer, true, pc)) {
		free(ticker);
		return NULL;
	}
	ticker->timer.t.period_ns = ns;
	arm(&ticker->timer, ns);
	return ticker;
}

csp_recv_chan(int64_t) csp_ticker_chan(csp_ticker *ticker)
{
	return csp_timer_chan(&ticker->timer);
}

void csp_ticker_stop(csp_ticker *ticker)
{
	disarm(&ticker->timer);
}

void csp_ticker_reset(csp_ticker *ticker, int64_t ns)
{
	if (ns <= 0)
		rt_panic(RT_MISUSE_USER_PANIC, NULL, "non-positive interval for Ticker.Reset", __builtin_return_address(0));
	struct csp_timer *timer = &ticker->timer;
	rt_lock(&timer->setting);
	disarm_locked(timer);
	timer->t.period_ns = ns;
	arm_locked(timer, ns);
	rt_unlock(&timer->setting);
}

void csp_ticker_free(csp_ticker *ticker)
{
	if (ticker)
		csp_timer_free(&ticker->timer);
}
