/* Happens-before: each event of the runtime turned into acquire, release or a memory access.
 *
 * One function per event of struct rt_observer (runtime/event/event.h) that orders memory, with the signature and the calling rules
 * given there. detector/attach.c puts them into the observer table, next to the wait-for analyser's own.
 * Rules and their sources: channel.c (channels), sync.c (locks, wait groups …), goroutine.c (go, end, switch, stacks). */
#ifndef CSP_DETECTOR_HB_HB_H
#define CSP_DETECTOR_HB_HB_H

#include "../../runtime/event/event.h"

/* Before the first event; keeps the door. Idempotent with the detector's constructor. */
void det_hb_attach(const struct rt_door *door);

void det_hb_g_go(struct rt_gview *parent, struct rt_gview *child, void *pc);
void det_hb_g_switch(struct rt_gview *to);
void det_hb_g_end(struct rt_gview *g);
void det_hb_g_stack_free(uintptr_t lo, uintptr_t hi);
void det_hb_g_foreign(struct rt_gview *g, bool attached);
void det_hb_g_name(struct rt_gview *g, const char *name);

void det_hb_chan_make(struct rt_gview *g, void *ch, size_t header_bytes, size_t total_bytes, size_t elem_bytes, uint64_t cap, void *pc);
void det_hb_chan_free(struct rt_gview *g, void *ch, void *pc);
void det_hb_chan_op(struct rt_gview *g, void *ch, bool is_send, void *pc);
void det_hb_chan_slot(struct rt_gview *g, void *ch, uint64_t slot, bool is_send);
void det_hb_chan_pair(struct rt_gview *sender, struct rt_gview *receiver, void *ch);
void det_hb_chan_close(struct rt_gview *g, void *ch, void *pc);
void det_hb_chan_recv_closed(struct rt_gview *g, void *ch);

void det_hb_mem(struct rt_gview *g, const void *p, size_t bytes, bool is_write, void *pc);

void det_hb_mutex_lock(struct rt_gview *g, void *m, void *pc);
void det_hb_mutex_unlock(struct rt_gview *g, void *m, void *pc);
void det_hb_rw_lock(struct rt_gview *g, void *rw, bool writer, void *pc);
void det_hb_rw_unlock(struct rt_gview *g, void *rw, bool writer, void *pc);

void det_hb_wg_add(struct rt_gview *g, void *wg, int64_t delta, int64_t counter_after, void *pc);
void det_hb_wg_wait(struct rt_gview *g, void *wg, bool first_waiter, void *pc);
void det_hb_wg_waited(struct rt_gview *g, void *wg);
void det_hb_once_begin(struct rt_gview *g, void *o);
void det_hb_once_done(struct rt_gview *g, void *o);
void det_hb_once_seen(struct rt_gview *g, void *o);
void det_hb_cond_signal(struct rt_gview *g, void *c, bool broadcast, void *pc);
void det_hb_cond_waited(struct rt_gview *g, void *c);
void det_hb_sema(struct rt_gview *g, void *s, bool is_release, void *pc);

void det_hb_release(struct rt_gview *g, const void *sync);
void det_hb_acquire(struct rt_gview *g, const void *sync);
void det_hb_sync_forget(const void *sync, size_t bytes);

void det_hb_fork(int phase);
void det_hb_ignore(struct rt_gview *g, bool begin);

#endif
