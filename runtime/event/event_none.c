/* The silent twin: an observer that listens to nothing. Installed with a policy where no detector is, so that usual paths need to look at one
 * pointer only. */
#include "event_none.h"

#define MUTE(name, ...) static void name(__VA_ARGS__) { }

MUTE(g_pair, struct rt_gview *a, struct rt_gview *b)
MUTE(g_go, struct rt_gview *parent, struct rt_gview *child, void *pc)
MUTE(g_one, struct rt_gview *g)
MUTE(g_stack_free, uintptr_t lo, uintptr_t hi)
MUTE(g_flag, struct rt_gview *g, bool flag)
MUTE(g_name, struct rt_gview *g, const char *name)
MUTE(chan_make, struct rt_gview *g, void *ch, size_t header_bytes, size_t total_bytes, size_t elem_bytes, uint64_t cap, void *pc)
MUTE(obj_pc, struct rt_gview *g, void *obj, void *pc)
MUTE(obj_flag_pc, struct rt_gview *g, void *obj, bool flag, void *pc)
MUTE(chan_slot, struct rt_gview *g, void *ch, uint64_t slot, bool is_send)
MUTE(chan_pair, struct rt_gview *sender, struct rt_gview *receiver, void *ch)
MUTE(obj_only, struct rt_gview *g, void *obj)
MUTE(mem, struct rt_gview *g, const void *p, size_t bytes, bool is_write, void *pc)
MUTE(wg_add, struct rt_gview *g, void *wg, int64_t delta, int64_t counter_after, void *pc)
MUTE(edge, struct rt_gview *g, const void *sync)
MUTE(sync_forget, const void *sync, size_t bytes)
MUTE(on_fork, int phase)
MUTE(misuse, struct rt_gview *g, enum rt_misuse what, void *obj, const char *text, void *pc)
MUTE(nothing, void)
MUTE(fatal, const char *text)

static int leak_check(void *pc) { return 0; }
static void verdicts(void (*say)(const char *line, void *arg), void *arg) { }

const struct rt_observer rt_event_none = {
	.abi = RT_EVENT_ABI,
	.g_go = g_go, .g_switch = g_one, .g_end = g_one, .g_stack_free = g_stack_free, .g_park = g_one, .g_ready = g_pair, .g_foreign = g_flag,
	.chan_make = chan_make, .chan_free = obj_pc, .chan_op = obj_flag_pc, .chan_slot = chan_slot, .chan_pair = chan_pair, .chan_close = obj_pc,
	.chan_recv_closed = obj_only,
	.mem = mem,
	.mutex_lock = obj_pc, .mutex_unlock = obj_pc, .rw_lock = obj_flag_pc, .rw_unlock = obj_flag_pc,
	.wg_add = wg_add, .wg_wait = obj_flag_pc, .wg_waited = obj_only, .once_begin = obj_only, .once_done = obj_only, .once_seen = obj_only,
	.cond_signal = obj_flag_pc, .cond_waited = obj_only, .sema = obj_flag_pc,
	.release = edge, .acquire = edge, .sync_forget = sync_forget,
	.fork = on_fork, .misuse = misuse, .deadlock = nothing, .fatal = fatal, .ignore = g_flag, .expect_leak = g_one, .leak_check = leak_check, .verdicts = verdicts,
	.g_name = g_name,
};
