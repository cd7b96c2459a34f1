/* The findings: a chain of orders, member by member (what it wanted, what it held), and a lock that was never given back. */
#include "chain.h"

#include <stdlib.h>
#include <string.h>

#include "../block/draft.h"
#include "../hb/goroutines.h"

static const struct rt_door *door;

static const char *take_label(const struct det_lockref *l)
{
	return l->write || l->kind == RT_OBJ_MUTEX ? "lock" : "read lock";
}

static void draft_holding(const struct det_instance *i, const struct det_lockref *held)
{
	struct det_stack *stack = det_draft_ctx(held->ctx);
	struct det_part *p = det_draft_part("holds", take_label(held), i->gid, stack);

	det_draft_part_object(p, held->kind & ~DET_READERS_FIRST, held->addr);
	det_draft_edge_to_goroutine(held->kind & ~DET_READERS_FIRST, held->addr, i->gid, held->write ? "is held by" : "is read-held by", stack);
}

static void draft_wanting(const struct det_instance *i, const char *role)
{
	const struct det_dep *d = det_dep_of(i);
	struct det_stack *stack = det_draft_ctx(d->want.ctx);
	struct det_part *p = det_draft_part(role, take_label(&d->want), i->gid, stack);

	det_draft_goroutine(i->gid, NULL, -1);
	det_draft_part_object(p, d->want.kind & ~DET_READERS_FIRST, d->want.addr);
	det_draft_edge_to_object(i->gid, d->want.kind & ~DET_READERS_FIRST, d->want.addr, d->want.write ? "may wait to lock" : "may wait to read-lock", stack);
}

static void tell_cycle(const struct det_cycle *c)
{
	bool writer = false;
	const char *cause;

	det_draft_begin(door);
	for (uint32_t i = 0; i < c->n; i++) {
		const struct det_dep *d = det_dep_of(c->of[i]);
		draft_wanting(c->of[i], "wants");
		draft_holding(c->of[i], &d->held[c->hold[(i + c->n - 1) % c->n]]);
	}
	for (uint32_t i = 0; i < c->n; i++)
		if (c->writer[i] != NULL) {
			draft_wanting(c->writer[i], "writes");
			writer = true;
		}
	if (c->n == 1)
		cause = det_draft_text("goroutine %llu read-locks a lock that it holds for reading already; a writer that comes in between, "
			"as goroutine %llu may, shuts it out for ever. No hang was seen in this run", (unsigned long long)c->of[0]->gid,
			(unsigned long long)c->writer[0]->gid);
	else
		cause = det_draft_text("%u goroutines take the same locks in orders that can meet: %s nothing but luck keeps them apart%s. "
			"No hang was seen in this run", c->n, c->n == 2 ? "each wants what the other holds, and" : "each wants what the next one holds, and",
			writer ? ", and a writer that queues between two readers shuts the second one out" : "");
	det_draft_emit(DET_LOCK_ORDER, "S2", false, cause);
}

static void tell_kept(uint64_t gid, const struct det_lockref *lock)
{
	struct det_part *p;

	det_draft_begin(door);
	p = det_draft_part("keeps", take_label(lock), gid, det_draft_ctx(lock->ctx));
	det_draft_part_object(p, lock->kind, lock->addr);
	det_draft_object(lock->kind, lock->addr);
	det_draft_goroutine(gid, "finished", -1);
	det_draft_emit(DET_BAD_UNLOCK, NULL, true, det_draft_text("goroutine %llu has ended and never unlocked what it locked here; nobody else can",
		(unsigned long long)gid));
}

void det_order_attach_findings(const struct rt_door *d, bool predict)
{
	static const struct det_order_tell tell = { tell_cycle, tell_kept };

	if (d != NULL)
		door = d;
	det_order_attach(&tell, predict);
}

/* Programs of threads alone never start the runtime. */
static __attribute__((constructor)) void attach_early(void)
{
	const char *deadlock = getenv("CSPCHECK_DEADLOCK");

	det_order_attach_findings(NULL, deadlock == NULL || strcmp(deadlock, "off") != 0);
}
