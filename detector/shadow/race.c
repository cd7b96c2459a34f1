/* A race becomes a finding: both stacks, both goroutines with parents, the object. One report is built at a time, in static storage,
 * since the racing goroutine may have little stack left. */
#include "../abi/heap.h"
#include "../hb/goroutines.h"
#include "../hb/hbcore.h"
#include "../report/finding.h"
#include "access.h"
#include "arena.h"
#include "context.h"

void (*det_race_sink)(uintptr_t addr, size_t bytes, uint32_t previous, uint32_t current);

static struct det_spin lock;
static struct det_stack stacks[2], created[4], allocated;
static struct det_goroutine goroutines[4];

/* The same two sites race at every turn of a loop: after this many reports of one pair its further ones are not even built. The emit
 * side recognises repeats anyway. */
#define REPEATS 64
static struct { uint64_t pair; uint32_t n; } seen[4096];

static bool seen_often(const struct det_desc *a, const struct det_desc *b)
{
	uint64_t pair = ((uint64_t)a->ctx << 32 | b->ctx) * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)(a->info & 7) << 3 ^ (b->info & 7);
	unsigned at = (unsigned)(pair >> 52);

	if (seen[at].pair != pair) {
		seen[at].pair = pair;
		seen[at].n = 0;
	}
	return seen[at].n++ >= REPEATS;
}

static const char *op_text(enum det_kind k)
{
	static const char *const texts[] = { "read", "write", "atomic read", "atomic write", "free" };

	return texts[k];
}

static bool is_atomic(enum det_kind k) { return k == DET_ATOMIC_READ || k == DET_ATOMIC_WRITE; }

/* Where the access that touched byte `at` began: its width is known, its first byte only if it was naturally aligned. */
static uintptr_t start_of(uintptr_t at, size_t size)
{
	return size <= 16 && (size & (size - 1)) == 0 ? at & ~(uintptr_t)(size - 1) : at;
}

static void name_object(struct det_object *o, uintptr_t addr, size_t bytes)
{
	struct det_heap_block block;
	struct det_sync *chan;
	uint64_t gid;

	*o = (struct det_object){ .kind = "global", .addr = addr, .size = bytes };
	chan = det_sync_lock(addr & ~(uintptr_t)7, DET_ROLE_CHAN, false);
	det_sync_unlock(addr & ~(uintptr_t)7);
	if (chan) {
		o->kind = "chan";
		o->addr = addr & ~(uintptr_t)7;
		return;
	}
	if (det_heap_find(addr, &block) || det_heap_find_freed(addr, &block)) {
		o->kind = "heap";
		o->addr = block.start;
		o->size = block.size;
		o->gid = block.gid;
		if (block.ctx) {
			det_ctx_expand(block.ctx, &allocated);
			o->created_at = &allocated;
		}
		return;
	}
	gid = det_stack_owner(addr);
	if (gid) {
		o->kind = "stack";
		o->gid = gid;
	}
}

static uint32_t add_goroutine(uint32_t n, uint64_t gid)
{
	for (uint32_t i = 0; i < n; i++)
		if (goroutines[i].gid == gid)
			return n;
	if (n == 4 || gid == 0)
		return n;
	det_goroutine_lookup(gid, &goroutines[n], &created[n]);
	return n + 1;
}

void det_race(struct det_g *g, uintptr_t addr, size_t bytes, uint32_t previous, uint32_t current, uintptr_t access_addr, size_t access_size)
{
	const struct det_desc *p = det_desc_at(previous), *c = det_desc_at(current);
	enum det_kind pk = det_desc_kind(p), ck = det_desc_kind(c);
	struct det_part parts[2];
	struct det_object object;
	struct det_finding f;
	uint32_t n = 0;

	if (det_race_sink) {
		det_race_sink(addr, bytes, previous, current);
		return;
	}
	det_spin_lock(&lock);
	if (seen_often(p, c)) {
		det_spin_unlock(&lock);
		return;
	}
	det_ctx_expand(c->ctx, &stacks[0]);
	det_ctx_expand(p->ctx, &stacks[1]);
	name_object(&object, addr, bytes);
	parts[0] = (struct det_part){ .role = "access", .op = op_text(ck), .gid = det_row_of(g)->gid, .addr = access_addr,
	                              .size = access_size, .stack = &stacks[0] };
	parts[1] = (struct det_part){ .role = "previous", .op = op_text(pk), .gid = det_row_of_slot(p->epoch.slot)->gid,
	                              .addr = start_of(addr, det_desc_size(p)), .size = det_desc_size(p), .stack = &stacks[1] };
	if (pk == DET_FREE && object.size)
		parts[1].addr = object.addr;
	n = add_goroutine(n, parts[0].gid);
	n = add_goroutine(n, parts[1].gid);
	for (uint32_t i = 0, direct = n; i < direct; i++)
		n = add_goroutine(n, goroutines[i].parent_gid);
	f = (struct det_finding){ .rule = pk == DET_FREE || ck == DET_FREE ? DET_RACE_FREE : is_atomic(pk) != is_atomic(ck) ? DET_RACE_ATOMIC : DET_RACE,
	                          .gate = true, .parts = parts, .n_parts = 2, .goroutines = goroutines, .n_goroutines = n,
	                          .objects = &object, .n_objects = 1 };
	det_finding_emit(&f);
	det_spin_unlock(&lock);
}
