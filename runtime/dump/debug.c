#include "debug.h"

#include <stddef.h>

#include "../chan/chan.h"
#include "../sched/sched.h"

#define G(field)  offsetof(struct rt_g, field)
#define M(field)  offsetof(struct rt_m, field)
#define W(field)  offsetof(struct rt_waiter, field)
#define CH(field) offsetof(struct csp_chan, field)

const struct csp_debug_table csp_debug_table __attribute__((used)) = {
	.magic = { 'C', 'S', 'P', 'D', 'E', 'B', 'U', 'G' },
	.version = RT_DEBUG_VERSION,
	.words = (sizeof(struct csp_debug_table) - offsetof(struct csp_debug_table, g_bytes)) / sizeof(uint32_t),
	.main_g = &rt_main_g, .stacks = &rt_debug_stacks, .foreign = &rt_debug_foreign,
	.g_bytes = sizeof(struct rt_g), .g_id = G(view.id), .g_parent = G(view.parent_id), .g_entry = G(view.entry_pc), .g_go_pc = G(view.go_pc),
	.g_sp = G(sp), .g_state = G(state), .g_wait = G(wait), .g_waits = G(waits), .g_name = G(name), .g_system = G(system), .g_foreign = G(foreign),
	.g_m = G(m), .g_stack_lo = G(view.stack_lo), .g_stack_hi = G(view.stack_hi),
	.m_g = M(g), .m_tid = M(tid), .m_foreign_g = M(foreign_g), .m_foreign_next = M(foreign_next),
	.w_next = W(next), .w_next_in_set = W(next_in_set), .w_g = W(g), .w_obj = W(obj), .w_kind = W(kind), .w_op = W(op),
	.ch_elem_bytes = CH(elem_bytes), .ch_cap = CH(cap), .ch_len = CH(len), .ch_senders = CH(senders.first), .ch_receivers = CH(receivers.first),
	.ch_closed = CH(closed), .ch_timer = CH(timer),
};
