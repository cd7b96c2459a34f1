/* Channels.
 *
 * With capacity C, operation k uses slot k mod C. The Go memory model orders send k before the completion of receive k, and receive k
 * before the completion of send k+C. So each operation takes the slot's clock and leaves its own as it was before taking. Leaving the
 * merged clock would also order send k before send k+C, and hide real races between two senders.
 *
 * The channel itself is an object: a send reads it and close writes it, so a send and a close without order are a race on the
 * channel; receives and len/cap are neither. The shadow of the channel's first word stands for it. */
#include "../shadow/arena.h"
#include "hb.h"
#include "../order/must.h"
#include "hbcore.h"

#define CHAN_WORD 8

void det_hb_chan_make(struct rt_gview *g, void *ch, size_t header_bytes, size_t total_bytes, size_t elem_bytes, uint64_t cap, void *pc)
{
	det_memory_reset((uintptr_t)ch, total_bytes > CHAN_WORD ? total_bytes : CHAN_WORD);
}

void det_hb_chan_free(struct rt_gview *g, void *ch, void *pc)
{
	struct det_g *d = det_of(g);

	if (d)
		det_access(d, (uintptr_t)ch, CHAN_WORD, DET_FREE, (uintptr_t)pc);
	det_hb_sync_forget(ch, CHAN_WORD);
}

void det_hb_chan_op(struct rt_gview *g, void *ch, bool is_send, void *pc)
{
	struct det_g *d = is_send && ch ? det_of(g) : NULL;

	if (d)
		det_access(d, (uintptr_t)ch, CHAN_WORD, DET_READ, (uintptr_t)pc);
}

/* The slot's snapshot; grows the array up to it. */
static struct det_slot *slot_of(struct det_sync *s, uint64_t slot)
{
	if (slot >= s->slots_n) {
		uint64_t n = s->slots_n ? s->slots_n : 1;
		struct det_slot *from = det_at(s->slots_ref), *to;
		uint32_t ref;

		while (n <= slot)
			n *= 2;
		ref = n < (1u << 30) ? det_alloc(n * sizeof(*to)) : 0;
		if (!ref)
			return NULL;
		to = det_at(ref);
		for (uint32_t i = 0; i < s->slots_n; i++)
			to[i] = from[i];
		if (s->slots_n)
			det_free(s->slots_ref, s->slots_n * sizeof(*to));
		s->slots_ref = ref;
		s->slots_n = (uint32_t)n;
	}
	return (struct det_slot *)det_at(s->slots_ref) + slot;
}

void det_hb_chan_slot(struct rt_gview *g, void *ch, uint64_t slot, bool is_send)
{
	struct det_g *d = det_of(g);
	struct det_sync *s;
	struct det_slot *at, before;

	if (!d || !det_enter())
		return;
	s = det_sync_lock((uintptr_t)ch, DET_ROLE_CHAN, true);
	at = s ? slot_of(s, slot) : NULL;
	if (at) {
		before = *at;
		*at = (struct det_slot){ 0 };
		det_release_store(d, &at->all);
		det_acquire(d, &before.all);
		det_snap_drop(&before.all);
		if (det_must_on()) {
			det_must_release_store(d, &at->must);
			det_must_acquire(d, &before.must);
			det_snap_drop(&before.must);
		}
	}
	det_sync_unlock((uintptr_t)ch);
	det_leave();
}

void det_hb_chan_pair(struct rt_gview *sender, struct rt_gview *receiver, void *ch)
{
	struct det_g *s = det_of(sender), *r = det_of(receiver);
	struct det_snap of_s, of_r;

	if (!s || !r || !det_enter())
		return;
	det_release(s, &of_s);
	det_release(r, &of_r);
	det_acquire(s, &of_r);
	det_acquire(r, &of_s);
	det_snap_drop(&of_s);
	det_snap_drop(&of_r);
	if (det_must_on()) {
		det_must_release(s, &of_s);
		det_must_release(r, &of_r);
		det_must_acquire(s, &of_r);
		det_must_acquire(r, &of_s);
		det_snap_drop(&of_s);
		det_snap_drop(&of_r);
	}
	det_leave();
}

void det_hb_chan_close(struct rt_gview *g, void *ch, void *pc)
{
	struct det_g *d = det_of(g);

	if (!d)
		return;
	det_access(d, (uintptr_t)ch, CHAN_WORD, DET_WRITE, (uintptr_t)pc);
	det_sync_release_join(d, ch, DET_ROLE_CHAN);
}

void det_hb_chan_recv_closed(struct rt_gview *g, void *ch) { det_sync_acquire(det_of(g), ch, DET_ROLE_CHAN); }

void det_hb_mem(struct rt_gview *g, const void *p, size_t bytes, bool is_write, void *pc)
{
	struct det_g *d = det_of(g);

	if (d)
		det_access(d, (uintptr_t)p, bytes, is_write ? DET_WRITE : DET_READ, (uintptr_t)pc);
}
