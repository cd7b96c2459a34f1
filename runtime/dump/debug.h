/* What a debugger needs to find goroutines in a live process or a core file, without debug information: roots, and where the fields are.
 *
 * Offsets instead of DWARF types: libraries are stripped, programs link the static library with LTO, and one way that is always used is
 * one way that is always tested. The reader (gdb/libcsprt-gdb.py) refuses a version it does not know. Raise RT_DEBUG_VERSION whenever
 * a field here moves or a number it carries changes its meaning, enum rt_gstate, rt_wait and rt_obj_kind included. */
#ifndef CSP_RUNTIME_DUMP_DEBUG_H
#define CSP_RUNTIME_DUMP_DEBUG_H

#include <stdint.h>

#define RT_DEBUG_VERSION 1u

/* Where the control blocks of goroutines lie; sched/stack.c fills it in. */
struct rt_debug_stacks {
	const void *classes;                    /* array */
	uint32_t n_classes, class_bytes, class_slabs;
	uint32_t slab_next, slab_base, slab_carved, slab_warm;
	uint32_t min_shift, guard_bytes, colours, colour_bytes;
};
extern const struct rt_debug_stacks rt_debug_stacks __attribute__((visibility("hidden")));

/* The list of attached foreign threads; sched/foreign.c. */
extern struct rt_m *const *const rt_debug_foreign __attribute__((visibility("hidden")));

/* Read by name from the dynamic symbol table. Words are little: pointers first, then 32-bit numbers in the order of the reader's list. */
struct csp_debug_table {
	char     magic[8];                      /* "CSPDEBUG" */
	uint32_t version, words;
	const void *main_g;
	const struct rt_debug_stacks *stacks;
	struct rt_m *const *const *foreign;
	uint32_t g_bytes, g_id, g_parent, g_entry, g_go_pc, g_sp, g_state, g_wait, g_waits, g_name, g_system, g_foreign, g_m, g_stack_lo, g_stack_hi;
	uint32_t m_g, m_tid, m_foreign_g, m_foreign_next;
	uint32_t w_next, w_next_in_set, w_g, w_obj, w_kind, w_op;
	uint32_t ch_elem_bytes, ch_cap, ch_len, ch_senders, ch_receivers, ch_closed, ch_timer;
};
/* Public for the symbol only: csp.h does not declare it. */
extern const struct csp_debug_table csp_debug_table __attribute__((visibility("default")));

#endif
