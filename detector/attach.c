/* The door between runtime and detector: cspcheck_attach gives the runtime its observer, which hands every event to the rooms that
 * want it: hb/ (order, races), block/ (waits), report/ (the stream).
 *
 * Order inside one event: what learns (took a lock, received) goes through hb first; what publishes does too, so that a finding that
 * block/ makes shows the state before. The environment decides what is on: CSPCHECK_RACE=on|off, CSPCHECK_LEAK=exit|off,
 * CSPCHECK_DEADLOCK=fatal|warn|off, CSPCHECK_LEAK_INTERVAL=DUR (10s, 200ms, 0: no check while the program runs), CSPCHECK_SUSPECTS=on|off. */
#include <stdlib.h>
#include <string.h>

#include "block/block.h"
#include "block/sites.h"
#include "explore/explore.h"
#include "explore/listen.h"
#include "hb/goroutines.h"
#include "hb/hb.h"
#include "hb/hbcore.h"
#include "order/order.h"
#include "report/record.h"
#include "report/stream.h"
#include "shadow/context.h"

static void g_go(struct rt_gview *parent, struct rt_gview *child, void *pc)
{
	det_explore_go(parent, child);
	det_hb_g_go(parent, child, pc);
	if (child->id != 1)
		det_block_go();
}

static void g_end(struct rt_gview *g)
{
	det_order_end(g->det, !det_block_dying());
	det_block_end(g);
	det_hb_g_end(g);
}

static void g_park(struct rt_gview *g) { det_block_park(g); }
static void g_ready(struct rt_gview *waker, struct rt_gview *g) { det_block_ready(waker, g); }

static void chan_make(struct rt_gview *g, void *ch, size_t header_bytes, size_t total_bytes, size_t elem_bytes, uint64_t cap, void *pc)
{
	det_explore_forget(ch);
	det_hb_chan_make(g, ch, header_bytes, total_bytes, elem_bytes, cap, pc);
	det_chan_add((uintptr_t)ch, header_bytes, total_bytes, elem_bytes, cap, g != NULL ? g->id : 0, det_ctx_here(pc));
}

static void chan_free(struct rt_gview *g, void *ch, void *pc)
{
	det_chan_drop((uintptr_t)ch);
	det_hb_chan_free(g, ch, pc);
}

static void chan_op(struct rt_gview *g, void *ch, bool is_send, void *pc)
{
	if (g != NULL)
		det_chan_used((uintptr_t)ch, g->id, is_send);
	det_explore_touch(ch, true);
	det_hb_chan_op(g, ch, is_send, pc);
}

static void chan_close(struct rt_gview *g, void *ch, void *pc)
{
	det_hb_chan_close(g, ch, pc);
	det_chan_closed((uintptr_t)ch, g != NULL ? g->id : 0, det_ctx_here(pc));
}

static void mutex_lock(struct rt_gview *g, void *m, void *pc)
{
	det_hb_mutex_lock(g, m, pc);
	det_block_mutex_lock(g, m, pc);
}

static void mutex_unlock(struct rt_gview *g, void *m, void *pc)
{
	det_hb_mutex_unlock(g, m, pc);
	det_block_mutex_unlock(g, m);
	if (g != NULL)
		det_order_gives(g->det, (uintptr_t)m, true);
}

static void rw_lock(struct rt_gview *g, void *rw, bool writer, void *pc)
{
	det_hb_rw_lock(g, rw, writer, pc);
	det_block_rw_lock(g, rw, writer, pc);
}

static void rw_unlock(struct rt_gview *g, void *rw, bool writer, void *pc)
{
	det_hb_rw_unlock(g, rw, writer, pc);
	det_block_rw_unlock(g, rw, writer, pc);
	if (g != NULL)
		det_order_gives(g->det, (uintptr_t)rw, writer);
}

static void wg_add(struct rt_gview *g, void *wg, int64_t delta, int64_t counter_after, void *pc)
{
	det_block_wg_add(g, wg, delta, counter_after, pc);
	det_hb_wg_add(g, wg, delta, counter_after, pc);
}

static void wg_wait(struct rt_gview *g, void *wg, bool first_waiter, void *pc)
{
	det_block_wg_wait(g, wg, pc);
	det_hb_wg_wait(g, wg, first_waiter, pc);
}

static void once_begin(struct rt_gview *g, void *o)
{
	det_hb_once_begin(g, o);
	det_block_once_begin(g, o);
}

static void once_done(struct rt_gview *g, void *o)
{
	det_hb_once_done(g, o);
	det_block_once_done(g, o);
}

static void lock_tried(struct rt_gview *g, void *lock)
{
	struct det_g *d = det_of(g);

	if (d != NULL)
		d->lock_tried = true;
}

static void cond_signal(struct rt_gview *g, void *c, bool broadcast, void *pc)
{
	det_hb_cond_signal(g, c, broadcast, pc);
	det_order_signals(det_of(g));
}

static void cond_waited(struct rt_gview *g, void *c)
{
	struct det_g *d = det_of(g);

	det_hb_cond_waited(g, c);
	if (d != NULL)
		d->next_lock_guards_condition = true;
}

static void on_fork(int phase)
{
	if (phase == 0) {
		det_block_leak_fork(phase);
		det_block_knot_fork(phase);
		det_order_fork(phase);
		det_stream_fork(phase);
		det_hb_fork(phase);
		return;
	}
	det_explore_fork(phase);
	det_hb_fork(phase);
	det_stream_fork(phase);
	det_order_fork(phase);
	det_block_knot_fork(phase);
	det_block_leak_fork(phase);
	if (phase == 2)
		det_fork_tell();
}

static struct rt_observer observer = {
	.abi = RT_EVENT_ABI,
	.g_go = g_go, .g_switch = det_hb_g_switch, .g_end = g_end, .g_stack_free = det_hb_g_stack_free, .g_park = g_park, .g_ready = g_ready,
	.g_foreign = det_hb_g_foreign,
	.chan_make = chan_make, .chan_free = chan_free, .chan_op = chan_op, .chan_slot = det_hb_chan_slot, .chan_pair = det_hb_chan_pair,
	.chan_close = chan_close, .chan_recv_closed = det_hb_chan_recv_closed,
	.mem = det_hb_mem,
	.mutex_lock = mutex_lock, .mutex_unlock = mutex_unlock, .rw_lock = rw_lock, .rw_unlock = rw_unlock,
	.wg_add = wg_add, .wg_wait = wg_wait, .wg_waited = det_hb_wg_waited,
	.once_begin = once_begin, .once_done = once_done, .once_seen = det_hb_once_seen,
	.cond_signal = cond_signal, .cond_waited = cond_waited, .sema = det_hb_sema,
	.release = det_hb_release, .acquire = det_hb_acquire, .sync_forget = det_hb_sync_forget,
	.lock_tried = lock_tried, .fork = on_fork, .misuse = det_block_misuse, .deadlock = det_block_deadlock, .fatal = det_block_fatal,
	.started = det_explore_serve,
	.ignore = det_hb_ignore, .expect_leak = det_block_expect_leak, .leak_check = det_block_leak_check, .verdicts = det_block_verdicts, .g_name = det_hb_g_name,
};

static bool env_is(const char *name, const char *word)
{
	const char *text = getenv(name);
	return text != NULL && strcmp(text, word) == 0;
}

/* As `cspcheck run` reads it; a bare number is seconds. What cannot be read leaves the default. */
static int64_t duration_ns(const char *text, int64_t otherwise_ns)
{
	static const struct { const char *unit; double ns; } units[] = {
		{ "", 1e9 }, { "s", 1e9 }, { "ms", 1e6 }, { "us", 1e3 }, { "ns", 1 }, { "m", 60e9 }, { "h", 3600e9 }
	};
	char *end;

	if (text == NULL || *text == 0)
		return otherwise_ns;
	double v = strtod(text, &end);
	for (size_t i = 0; end != text && v >= 0 && i < sizeof units / sizeof units[0]; i++)
		if (strcmp(end, units[i].unit) == 0 && v * units[i].ns < 9e18)
			return (int64_t)(v * units[i].ns);
	return otherwise_ns;
}

static struct det_block_options options_from_env(void)
{
	struct det_block_options o = { .deadlock = DET_DEADLOCK_FATAL, .leak = !env_is("CSPCHECK_LEAK", "off"), .leak_interval_ns = duration_ns(getenv("CSPCHECK_LEAK_INTERVAL"), 200000000) };

	o.suspects = env_is("CSPCHECK_SUSPECTS", "on");
	o.say_times = env_is("CSPCHECK_CHECK_TIMES", "1");
	if (env_is("CSPCHECK_DEADLOCK", "warn"))
		o.deadlock = DET_DEADLOCK_WARN;
	else if (env_is("CSPCHECK_DEADLOCK", "off"))
		o.deadlock = DET_DEADLOCK_OFF;
	return o;
}

/* Registered before the program can register any, so it runs after the program's own handlers. */
static void at_exit(void)
{
	uint64_t started, ended;

	if (det_block_dying())
		return;
	det_explore_at_exit();
	det_order_at_exit();
	det_block_at_exit();
	/* Of many schedules that found nothing no stream is left; what was given up is told in any case. */
	if (det_explore_is_served() && !det_stream_is_open()) {
		det_stream_flush();
		return;
	}
	det_goroutine_counts(&started, &ended);
	det_stream_bye(started, started - ended);
}

const struct rt_observer *cspcheck_attach(const struct rt_door *door) __attribute__((visibility("default")));
const struct rt_observer *cspcheck_attach(const struct rt_door *door)
{
	static bool attached;
	struct det_block_options options = options_from_env();

	if (door->abi != RT_EVENT_ABI || attached)
		return NULL;
	attached = true;
	if (det_explore_attach(door))
		det_explore_listen(&observer);
	det_hb_attach(door);
	det_block_attach(door, &options);
	det_order_attach_findings(door, options.deadlock != DET_DEADLOCK_OFF);
	if (getenv("CSPCHECK_SERVE") == NULL)
		det_record_stream();
	det_block_leak_attach();
	atexit(at_exit);
	return &observer;
}
