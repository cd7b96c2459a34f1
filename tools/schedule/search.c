/* After Musuvathi and Qadeer's happens-before caching (MSR-TR-2007-12), from outside: the whole state of the search is the path to the present
 * leaf and the set of states whose branches are, or will be, followed. */
#include "schedule/search.h"

#include <stdlib.h>
#include <string.h>

enum { STATES_MAX = 20000000 };

struct frame { uint16_t n, usual, chosen; };    /* alternatives are tried in the order usual, 0, 1, … without usual */

struct search {
	struct frame *path;
	uint32_t depth, room;
	bool done, started;
	struct hashes seen;
};

/* --- sets ------------------------------------------------------------------------------------------------------------- */

static size_t
place_of(const uint64_t *at, size_t room, uint64_t x)
{
	size_t i = (size_t)(x * 0x9E3779B97F4A7C15ull >> 20) & (room - 1);

	while (at[i] && at[i] != x)
		i = (i + 1) & (room - 1);
	return i;
}

static void
grow(struct hashes *h)
{
	size_t room = h->room ? 2 * h->room : 1024;
	uint64_t *at = calloc(room, sizeof(*at));

	if (!at)
		abort();
	for (size_t i = 0; i < h->room; i++)
		if (h->at[i])
			at[place_of(at, room, h->at[i])] = h->at[i];
	free(h->at);
	h->at = at;
	h->room = room;
}

bool
hashes_add(struct hashes *h, uint64_t x)
{
	if (x == 0) {
		bool is_new = !h->has_zero;
		h->has_zero = true;
		h->n += is_new;
		return is_new;
	}
	if (4 * (h->n + 1) > 3 * h->room)
		grow(h);
	size_t i = place_of(h->at, h->room, x);
	if (h->at[i])
		return false;
	h->at[i] = x;
	h->n++;
	return true;
}

bool
hashes_has(const struct hashes *h, uint64_t x)
{
	return x == 0 ? h->has_zero : h->room && h->at[place_of(h->at, h->room, x)] == x;
}

void
hashes_finish(struct hashes *h)
{
	free(h->at);
	memset(h, 0, sizeof(*h));
}

/* --- the search ------------------------------------------------------------------------------------------------------- */

struct search *
search_create(void)
{
	return calloc(1, sizeof(struct search));
}

void
search_destroy(struct search *s)
{
	if (!s)
		return;
	hashes_finish(&s->seen);
	free(s->path);
	free(s);
}

/* The alternative after f->chosen; n if there is none. */
static uint16_t
following(const struct frame *f)
{
	uint16_t next = f->chosen == f->usual ? 0 : (uint16_t)(f->chosen + 1);

	return next == f->usual ? (uint16_t)(next + 1) : next;
}

bool
search_next(struct search *s, uint16_t *prefix, uint32_t *n)
{
	if (s->started)
		while (s->depth > 0 && following(&s->path[s->depth - 1]) >= s->path[s->depth - 1].n)
			s->depth--;
	if (s->done || (s->started && s->depth == 0)) {
		s->done = true;
		return false;
	}
	if (s->started)
		s->path[s->depth - 1].chosen = following(&s->path[s->depth - 1]);
	s->started = true;
	for (uint32_t i = 0; i < s->depth; i++)
		prefix[i] = s->path[i].chosen;
	*n = s->depth;
	return true;
}

static bool
push(struct search *s, const struct det_tape_entry *e)
{
	if (s->depth == s->room) {
		uint32_t room = s->room ? 2 * s->room : 256;
		struct frame *path = realloc(s->path, room * sizeof(*path));
		if (!path)
			return false;
		s->path = path;
		s->room = room;
	}
	s->path[s->depth++] = (struct frame){ e->n, e->usual, e->chosen };
	return true;
}

enum search_state
search_learn(struct search *s, const struct det_tape_entry *tape, uint32_t n)
{
	if (n < s->depth)
		return SEARCH_NONDETERMINISTIC;
	for (uint32_t i = 0; i < s->depth; i++)
		if (tape[i].n != s->path[i].n || tape[i].usual != s->path[i].usual || tape[i].chosen != s->path[i].chosen)
			return SEARCH_NONDETERMINISTIC;
	for (uint32_t i = s->depth; i < n; i++) {
		if (!hashes_add(&s->seen, tape[i].state ^ (uint64_t)(tape[i].kind + 1) << 56))
			break;          /* from here on it is what an earlier run's branches cover */
		if (s->seen.n > STATES_MAX || !push(s, &tape[i]))
			return SEARCH_TOO_LARGE;
	}
	return SEARCH_GOES_ON;
}
