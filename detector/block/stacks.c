/* Whose stack is it? Asked of every word that is scanned. Stacks lie in slabs, mostly visited in the order of their addresses already; sorted
 * by radix otherwise. A table with a place for every 64 KiB between the lowest and the highest names the first stack that reaches into
 * them. Goroutine 1 lives far away on the process's own stack and is looked at by itself. */
#include "reach.h"

#define GRANULE_SHIFT 16
#define GRANULES_MAX  (UINT64_C(1) << 27)
#define RADIX_BITS    12
#define PAGE_SHIFT    12

struct place { uintptr_t lo, hi; uint32_t member; };

static struct place *places;
static uint32_t n_places, *granules;
static uintptr_t lowest, highest;
static struct det_member *main_member;

static void radix_sort(void)
{
	struct place *other = det_reach_take((n_places + 1) * sizeof *other);
	uint32_t *count = det_reach_take((UINT32_C(1) << RADIX_BITS) * sizeof *count);

	for (unsigned shift = PAGE_SHIFT; shift < 48 && det_reach.given_up == NULL; shift += RADIX_BITS) {
		uint32_t sum = 0;
		for (uint32_t d = 0; d < UINT32_C(1) << RADIX_BITS; d++)
			count[d] = 0;
		for (uint32_t i = 0; i < n_places; i++)
			count[places[i].lo >> shift & ((1u << RADIX_BITS) - 1)]++;
		for (uint32_t d = 0; d < UINT32_C(1) << RADIX_BITS; d++) {
			uint32_t n = count[d];
			count[d] = sum;
			sum += n;
		}
		for (uint32_t i = 0; i < n_places; i++)
			other[count[places[i].lo >> shift & ((1u << RADIX_BITS) - 1)]++] = places[i];
		struct place *t = places;
		places = other;
		other = t;
	}
}

static void fill_granules(void)
{
	for (uint32_t i = 0; i < n_places; i++)
		for (uint64_t g = (places[i].lo - lowest) >> GRANULE_SHIFT; g <= (places[i].hi - 1 - lowest) >> GRANULE_SHIFT; g++)
			if (granules[g] == 0)
				granules[g] = i + 1;
}

void det_stacks_index(void)
{
	bool sorted = true;

	places = det_reach_take((det_reach.graph.n_nodes + 1) * sizeof *places);
	n_places = 0;
	main_member = NULL;
	granules = NULL;
	lowest = highest = 0;
	for (uint32_t i = 0; i < det_reach.graph.n_nodes && det_reach.given_up == NULL; i++) {
		struct det_member *m = &det_reach.members[i];
		if (m->stack_lo >= m->stack_hi)
			continue;
		if (m->gid == 1) {
			main_member = m;
			continue;
		}
		sorted &= n_places == 0 || places[n_places - 1].lo < m->stack_lo;
		places[n_places++] = (struct place){ m->stack_lo, m->stack_hi, i };
	}
	if (n_places == 0 || det_reach.given_up != NULL)
		return;
	if (!sorted)
		radix_sort();
	lowest = places[0].lo;
	highest = places[n_places - 1].hi;
	uint64_t n = ((highest - lowest) >> GRANULE_SHIFT) + 1;
	if (n <= GRANULES_MAX)
		granules = det_reach_take(n * sizeof *granules);
	if (granules != NULL && det_reach.given_up == NULL)
		fill_granules();
}

struct det_member *det_stacks_find(uintptr_t addr)
{
	if (main_member != NULL && addr >= main_member->stack_lo && addr < main_member->stack_hi)
		return main_member;
	if (addr < lowest || addr >= highest)
		return NULL;
	uint32_t at = 0;
	if (granules != NULL) {
		at = granules[(addr - lowest) >> GRANULE_SHIFT];
		if (at-- == 0)
			return NULL;
	} else {
		for (uint32_t n = n_places; n > 1;) {   /* the last with lo <= addr */
			uint32_t half = n / 2;
			if (places[at + half].lo <= addr)
				at += half;
			n -= half;
		}
	}
	for (; at < n_places && places[at].lo <= addr; at++)
		if (addr < places[at].hi)
			return &det_reach.members[places[at].member];
	return NULL;
}
