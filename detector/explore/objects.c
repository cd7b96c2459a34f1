/* The last steps on each object, by address: open addressing, never shrinks within a run. When it is full the rest counts as one object,
 * which makes more runs look different and never fewer. */
#include "objects.h"

#include "../shadow/arena.h"

enum { OBJECTS = 1 << 20, OBJECTS_MAX = OBJECTS / 4 * 3 };

static struct det_hb_object *table, all_others;
static uint32_t *used, n_used;

static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t x = (a ^ b * 0x9E3779B97F4A7C15ull) * 0xBF58476D1CE4E5B9ull;

	return x ^ x >> 32;
}

static struct det_hb_object *object_of(const void *addr, bool make)
{
	if (table == NULL && ((table = det_reserve(OBJECTS * sizeof *table)) == NULL || (used = det_reserve(OBJECTS * sizeof *used)) == NULL))
		return &all_others;
	uint32_t i = (uint32_t)(((uintptr_t)addr >> 3) * 0x9E3779B97F4A7C15ull >> 44);
	for (; table[i].addr != NULL; i = (i + 1) & (OBJECTS - 1))
		if (table[i].addr == addr)
			return &table[i];
	if (!make)
		return NULL;
	if (n_used == OBJECTS_MAX)
		return &all_others;
	used[n_used++] = i;
	table[i] = (struct det_hb_object){ .addr = addr };
	return &table[i];
}

uint64_t det_hb_touch(const void *addr, bool writes, uint64_t step)
{
	struct det_hb_object *o = object_of(addr, true);
	uint64_t hash = mix(step, o->write);

	if (!writes) {
		o->reads += hash;
		return hash;
	}
	hash = mix(hash, o->reads);
	o->write = hash;
	o->reads = 0;
	return hash;
}

void det_hb_forget(const void *addr)
{
	struct det_hb_object *o = table != NULL ? object_of(addr, false) : NULL;

	if (o != NULL && o != &all_others)
		o->write = o->reads = 0;
}

void det_hb_clear(void)
{
	for (uint32_t i = 0; i < n_used; i++)
		table[used[i]] = (struct det_hb_object){ 0 };
	n_used = 0;
	all_others = (struct det_hb_object){ 0 };
}
