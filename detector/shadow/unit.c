#include "unit.h"

#include "arena.h"

static size_t set_bytes(uint32_t room) { return sizeof(struct det_set) + (size_t)room * sizeof(uint32_t); }

void det_set_count(struct det_set *s, uint32_t id)
{
	enum det_kind k = det_desc_kind(det_desc_at(id));

	s->n_plain_reads += k == DET_READ;
	s->n_atomic_writes += k == DET_ATOMIC_WRITE;
}

static void push(struct det_set *s, uint32_t id)
{
	s->id[s->n++] = id;
	det_set_count(s, id);
}

uint32_t det_set_create(uint32_t first, uint32_t second)
{
	uint32_t ref = det_alloc(set_bytes(2));
	struct det_set *s;

	if (!ref)
		return second;
	s = det_at(ref);
	s->room = 2;
	s->prune_at = 4;
	push(s, first);
	push(s, second);
	return DET_TAG | ref;
}

void det_set_add(uint32_t *r, uint32_t id)
{
	struct det_set *s = det_at(*r & ~DET_TAG);

	if (s->n == s->room) {
		uint32_t ref = det_alloc(set_bytes(2 * s->room));
		struct det_set *bigger;

		if (!ref)
			return;
		bigger = det_at(ref);
		*bigger = *s;
		bigger->room = 2 * s->room;
		for (uint32_t i = 0; i < s->n; i++)
			bigger->id[i] = s->id[i];
		det_free(*r & ~DET_TAG, set_bytes(s->room));
		*r = DET_TAG | ref;
		s = bigger;
	}
	push(s, id);
}

void det_set_destroy(uint32_t r)
{
	if (det_is_tagged(r))
		det_free(r & ~DET_TAG, set_bytes(((struct det_set *)det_at(r & ~DET_TAG))->room));
}

static uint32_t set_copy(uint32_t r)
{
	struct det_set *s, *copy;
	uint32_t ref;

	if (!det_is_tagged(r))
		return r;
	s = det_at(r & ~DET_TAG);
	ref = det_alloc(set_bytes(s->room));
	if (!ref)
		return s->id[s->n - 1];
	copy = det_at(ref);
	*copy = *s;
	for (uint32_t i = 0; i < s->n; i++)
		copy->id[i] = s->id[i];
	return DET_TAG | ref;
}

bool det_cell_inflate(struct det_cell *c)
{
	uint32_t ref = det_alloc(sizeof(struct det_bytes));
	struct det_bytes *b;

	if (!ref)
		return false;
	b = det_at(ref);
	for (unsigned i = 0; i < 4; i++)
		b->of[i] = (struct det_cell){ c->w, i ? set_copy(c->r) : c->r };
	c->r = 0;
	c->w = DET_TAG | ref;
	return true;
}

void det_cell_deflate(struct det_cell *c)
{
	uint32_t ref = c->w & ~DET_TAG;
	const struct det_bytes *b = det_at(ref);
	struct det_cell first = b->of[0];

	if (det_is_tagged(first.r))
		return;
	for (unsigned i = 1; i < 4; i++)
		if (b->of[i].w != first.w || b->of[i].r != first.r)
			return;
	*c = first;
	det_free(ref, sizeof(struct det_bytes));
}

void det_cell_clear(struct det_cell *c, unsigned mask)
{
	struct det_bytes *b;

	if (!det_is_tagged(c->w)) {
		if (mask == 15) {
			det_set_destroy(c->r);
			*c = (struct det_cell){ 0, 0 };
			return;
		}
		if (!det_cell_inflate(c))
			return;
	}
	b = det_at(c->w & ~DET_TAG);
	for (unsigned i = 0; i < 4; i++) {
		if (mask >> i & 1) {
			det_set_destroy(b->of[i].r);
			b->of[i] = (struct det_cell){ 0, 0 };
		}
	}
	det_cell_deflate(c);
}
