/* Dependencies and the chains of them that could close (Goodlock: Havelund 2000; Bensalem & Havelund 2005).
 *
 * A dependency is "g wanted l while it held H". A chain of them closes if each wants what the next one holds and the last what the first
 * holds, in modes that conflict. It is told if nothing known keeps all of its goroutines from being there at once:
 *   - they are different goroutines;
 *   - no lock is held by two of them (a gate), nor around two of them (guards: held by a third while it started them and until it had
 *     heard of their end, or asked and got the answer; by must-order on both sides);
 *   - no two are ordered by must-order (must.h);
 *   - each can get its locks: where one gave back lock x while it held a, and another holds x in the chain, the first must have taken a
 *     before the other took x. These demands must have an order (`can_be_reached`).
 * Two readers do not conflict; a writer that queues between them shuts the second one out. Then a third goroutine is needed that wants to
 * write that lock and passes the same tests. A goroutine that reads a lock twice is a chain of one.
 *
 * A section that encloses a dependency shows itself only when it ends. Where sections still open could yet turn out to be guards in
 * common, the chain waits in `pending` until they end; with those still open at the end of the run nothing is told.
 *
 * Bounds, each counted as a loss when reached: chains of 6 goroutines, 8 locks held at once, the tables, steps of one search. Of each
 * way in which a lock is wanted, the latest instances of 4 goroutines are kept; older ones are not looked at again.
 * Everything here is guarded by `lock`. */
#include "chain.h"

#include "../report/lock.h"
#include "../report/loss.h"
#include "../shadow/arena.h"

#define BUCKETS   (1u << 14)
#define DEPS      (1u << 16)
#define INSTANCES (1u << 18)
#define LOG       (1u << 14)            /* latest instances, by number */
#define PENDING   64u
#define STEPS     20000u
#define TOLD      4096u

struct link { uint32_t dep, next; };

static struct det_lock lock;
static struct det_pool deps, instances, links;
static uint32_t by_key[BUCKETS], by_held[BUCKETS], by_want[BUCKETS];     /* the latter two: of links, by lock */
static uint32_t log_of[LOG];
static _Atomic uint32_t next_number = 1;
static struct det_cycle pending[PENDING];
static uint32_t n_pending, steps;
static uint64_t told[TOLD];

bool det_chain_init(void)
{
	return det_pool_init(&deps, sizeof(struct det_dep), DEPS, "orders of locks") &&
		det_pool_init(&instances, sizeof(struct det_instance), INSTANCES, "instances of orders of locks") &&
		det_pool_init(&links, sizeof(struct link), DEPS * 4, "links of orders of locks");
}

uint32_t det_chain_number(void) { return atomic_load_explicit(&next_number, memory_order_relaxed); }

void det_chain_fork(int phase)
{
	if (phase == 0)
		det_lock(&lock);
	else if (phase == 1)
		det_unlock(&lock);
	else
		det_lock_reset(&lock);
}

struct det_dep *det_dep_of(const struct det_instance *i) { return det_pool_at(&deps, i->dep); }
static struct det_dep *dep_at(uint32_t i) { return det_pool_at(&deps, i); }
static struct det_instance *instance_at(uint32_t i) { return det_pool_at(&instances, i); }
static struct link *link_at(uint32_t i) { return det_pool_at(&links, i); }
static uint32_t bucket(uint64_t key) { return (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 40) % BUCKETS; }

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

static uint64_t mix_ref(uint64_t h, const struct det_lockref *r) { return mix(mix(h, (uint64_t)r->id << 32 | r->ctx), r->write); }

/* --- do two exclude each other? ------------------------------------------------------------------------------------------------- */

static bool excludes(bool write, bool other_write) { return write || other_write; }

static bool holds_against(const struct det_instance *i, uint32_t id, bool write)
{
	const struct det_dep *d = det_dep_of(i);

	for (uint32_t k = 0; k < d->n_held; k++)
		if (d->held[k].id == id && excludes(d->held[k].write, write))
			return true;
	for (uint32_t k = 0; k < i->n_guards; k++)
		if (i->guards[k].id == id && excludes(i->guards[k].write, write))
			return true;
	return false;
}

static bool share_a_gate(const struct det_instance *i, const struct det_instance *j)
{
	const struct det_dep *d = det_dep_of(i);

	for (uint32_t k = 0; k < d->n_held; k++)
		if (holds_against(j, d->held[k].id, d->held[k].write))
			return true;
	for (uint32_t k = 0; k < i->n_guards; k++)
		if (holds_against(j, i->guards[k].id, i->guards[k].write))
			return true;
	return false;
}

/* May the two be at their places at the same time, as far as these two know? */
static bool compatible(const struct det_instance *i, const struct det_instance *j)
{
	return i->gid != j->gid && !i->guards_over && !j->guards_over && !det_must_knows(i->at, i->clock, j->at) &&
		!det_must_knows(j->at, j->clock, i->at) && !share_a_gate(i, j);
}

/* --- can each get there? -------------------------------------------------------------------------------------------------------- */

#define NODES (2 * DET_CYCLE * DET_HELD)

#define NODES (2 * DET_CYCLE * DET_HELD)

static uint32_t members(const struct det_cycle *c, struct det_instance **out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->n; i++)
		out[n++] = c->of[i];
	for (uint32_t i = 0; i < c->n; i++)
		if (c->writer[i] != NULL)
			out[n++] = c->writer[i];
	return n;
}

/* Of i's locks, those before `depth` must be taken before j takes what j holds of what i passed. */
static void demand(struct det_instance **all, uint32_t i, uint32_t j, bool before[NODES][NODES])
{
	const struct det_instance *from = all[i];
	const struct det_dep *d = det_dep_of(all[j]);

	for (uint32_t p = 0; p < from->n_passed; p++)
		for (uint32_t k = 0; k < d->n_held; k++)
			if (from->passed[p].id == d->held[k].id && excludes(from->passed[p].write, d->held[k].write))
				for (uint32_t t = 0; t < from->passed[p].depth; t++)
					before[i * DET_HELD + t][j * DET_HELD + k] = true;
}

static bool can_be_reached(const struct det_cycle *c)
{
	static bool before[NODES][NODES];       /* guarded by lock */
	struct det_instance *all[2 * DET_CYCLE];
	uint32_t n = members(c, all), nodes = n * DET_HELD;

	for (uint32_t i = 0; i < nodes; i++)
		for (uint32_t k = 0; k < nodes; k++)
			before[i][k] = i / DET_HELD == k / DET_HELD && i < k;
	for (uint32_t i = 0; i < n; i++) {
		if (all[i]->passed_over)
			return false;
		for (uint32_t j = 0; j < n; j++)
			if (i != j)
				demand(all, i, j, before);
	}
	for (uint32_t m = 0; m < nodes; m++)
		for (uint32_t i = 0; i < nodes; i++)
			for (uint32_t k = 0; before[i][m] && k < nodes; k++)
				before[i][k] |= before[m][k];
	for (uint32_t i = 0; i < nodes; i++)
		if (before[i][i])
			return false;
	return true;
}

/* --- sections still open ---------------------------------------------------------------------------------------------------------- */

struct around { const struct det_instance *i; uint32_t n; struct { uint32_t id; bool write; } lock[16]; };

/* Began before i, by another: it may turn out to end after it. */
static void note_open(const struct det_holder *h, void *arg)
{
	struct around *a = arg;
	uint32_t n = atomic_load_explicit(&h->n, memory_order_acquire);

	for (uint32_t k = 0; h->gid != a->i->gid && k < n && k < DET_HELD && a->n < 16; k++) {
		const struct det_held *s = &h->held[k];
		if (!det_must_knows(a->i->at, a->i->clock, s->since))
			continue;
		uint32_t id = s->lock.id != 0 ? s->lock.id : det_lock_number(s->lock.addr);
		a->lock[a->n].id = id;
		a->lock[a->n++].write = s->lock.write;
	}
}

static bool open_against(const struct around *a, uint32_t id, bool write)
{
	for (uint32_t k = 0; k < a->n; k++)
		if (a->lock[k].id == id && excludes(a->lock[k].write, write))
			return true;
	return false;
}

static bool may_share_a_gate(const struct around *a, const struct around *b)
{
	const struct det_dep *d = det_dep_of(b->i);

	for (uint32_t k = 0; k < d->n_held; k++)
		if (open_against(a, d->held[k].id, d->held[k].write))
			return true;
	for (uint32_t k = 0; k < b->i->n_guards; k++)
		if (open_against(a, b->i->guards[k].id, b->i->guards[k].write))
			return true;
	for (uint32_t k = 0; k < b->n; k++)
		if (open_against(a, b->lock[k].id, b->lock[k].write))
			return true;
	return a->n == 16;
}

static bool is_settled(const struct det_cycle *c)
{
	struct det_instance *all[2 * DET_CYCLE];
	static struct around around[2 * DET_CYCLE];     /* guarded by lock */
	uint32_t n = members(c, all);

	for (uint32_t i = 0; i < n; i++) {
		around[i] = (struct around){ .i = all[i] };
		det_holder_each(note_open, &around[i]);
	}
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < n; k++)
			if (i != k && may_share_a_gate(&around[i], &around[k]))
				return false;
	return true;
}

static bool still_holds(const struct det_cycle *c)
{
	struct det_instance *all[2 * DET_CYCLE];
	uint32_t n = members(c, all);

	for (uint32_t i = 0; i < n; i++) {
		const struct det_dep *d = det_dep_of(all[i]);
		if (det_lock_is_handed_over(d->want.id))
			return false;
		for (uint32_t k = 0; k < d->n_held; k++)
			if (det_lock_is_handed_over(d->held[k].id))
				return false;
		for (uint32_t k = 0; k < i; k++)
			if (!compatible(all[i], all[k]))
				return false;
	}
	return true;
}

/* --- a chain that closes ------------------------------------------------------------------------------------------------------------ */

static bool is_told(const struct det_cycle *c, bool tell)
{
	uint64_t key = 0;

	for (uint32_t i = 0; i < c->n; i++) {
		key += det_dep_of(c->of[i])->key;
		if (c->writer[i] != NULL)
			key += det_dep_of(c->writer[i])->key * 3;
	}
	uint64_t *at = &told[(key >> 20) % TOLD];
	if (*at == key)
		return true;
	if (tell)
		*at = key;
	return false;
}

static void pin(const struct det_cycle *c, int by)
{
	struct det_instance *all[2 * DET_CYCLE];
	uint32_t n = members(c, all);

	for (uint32_t i = 0; i < n; i++)
		all[i]->pins += (uint32_t)by;
}

static void closed(const struct det_cycle *c)
{
	if (is_told(c, false) || !can_be_reached(c) || !still_holds(c))
		return;
	if (is_settled(c)) {
		is_told(c, true);
		det_order_tell.cycle(c);
	} else if (n_pending < PENDING) {
		pending[n_pending++] = *c;
		pin(c, 1);
	} else {
		det_loss("orders of locks whose guards were not known in time", 1);
	}
}

static bool fits(const struct det_cycle *c, const struct det_instance *i)
{
	for (uint32_t k = 0; k < c->n; k++)
		if (!compatible(c->of[k], i))
			return false;
	for (uint32_t k = 0; k < c->n; k++)
		if (c->writer[k] != NULL && !compatible(c->writer[k], i))
			return false;
	return true;
}

/* A goroutine that wants to write this lock and may come in between. */
static struct det_instance *find_writer(const struct det_cycle *c, uint32_t id)
{
	for (uint32_t l = by_want[bucket(id)]; l != 0; l = link_at(l)->next) {
		const struct det_dep *d = dep_at(link_at(l)->dep);
		for (uint32_t k = 0; d->want.id == id && d->want.write && k < d->n_instances; k++)
			if (fits(c, instance_at(d->instances[k])))
				return instance_at(d->instances[k]);
	}
	return NULL;
}

/* Each link of two readers needs its writer. */
static void close_chain(struct det_cycle *c, uint32_t hold)
{
	for (uint32_t i = 0; i < c->n; i++)
		c->writer[i] = NULL;
	c->hold[c->n - 1] = hold;
	for (uint32_t i = 0; i < c->n; i++) {
		const struct det_dep *d = det_dep_of(c->of[i]), *next = det_dep_of(c->of[(i + 1) % c->n]);
		if (excludes(d->want.write, next->held[c->hold[i]].write))
			continue;
		c->writer[i] = d->want.kind == RT_OBJ_RWMUTEX ? find_writer(c, d->want.id) : NULL;
		if (c->writer[i] == NULL)
			return;
	}
	closed(c);
}

static void extend(struct det_cycle *c)
{
	const struct det_dep *last = det_dep_of(c->of[c->n - 1]), *first = det_dep_of(c->of[0]);

	for (uint32_t k = 0; k < first->n_held; k++)
		if (first->held[k].id == last->want.id) {
			close_chain(c, k);
			return;                         /* the longer ways through here close in this too */
		}
	for (uint32_t l = by_held[bucket(last->want.id)]; l != 0; l = link_at(l)->next) {
		const struct det_dep *d = dep_at(link_at(l)->dep);
		for (uint32_t k = 0; k < d->n_held; k++) {
			if (d->held[k].id != last->want.id)
				continue;
			for (uint32_t i = 0; i < d->n_instances; i++) {
				struct det_instance *next = instance_at(d->instances[i]);
				if (++steps > STEPS)
					return;
				for (uint32_t m = 0; m < c->n; m++)
					c->writer[m] = NULL;
				if (!fits(c, next))
					continue;
				if (c->n == DET_CYCLE) {
					det_loss("orders of locks in chains of more than 6 goroutines", 1);
					return;
				}
				c->hold[c->n - 1] = k;
				c->of[c->n++] = next;
				extend(c);
				c->n--;
			}
		}
	}
}

/* --- what happened -------------------------------------------------------------------------------------------------------------------- */

static void link_to(uint32_t *head, uint32_t dep)
{
	uint32_t l = det_pool_get(&links);

	if (l == 0)
		return;
	*link_at(l) = (struct link){ dep, *head };
	*head = l;
}

static uint32_t find_dep(const struct det_holder *h, uint32_t n, const struct det_lockref *want)
{
	uint64_t key = mix_ref(1, want);

	for (uint32_t i = 0; i < n; i++)
		key = mix_ref(key, &h->held[i].lock);
	for (uint32_t i = by_key[bucket(key)]; i != 0; i = dep_at(i)->next)
		if (dep_at(i)->key == key)
			return i;
	uint32_t i = det_pool_get(&deps);
	if (i == 0)
		return 0;
	struct det_dep *d = dep_at(i);
	det_zero(d, sizeof *d);
	d->key = key;
	d->want = *want;
	d->n_held = n;
	for (uint32_t k = 0; k < n; k++) {
		d->held[k] = h->held[k].lock;
		link_to(&by_held[bucket(d->held[k].id)], i);
	}
	if (want->write)
		link_to(&by_want[bucket(want->id)], i);
	d->next = by_key[bucket(key)];
	by_key[bucket(key)] = i;
	return i;
}

static void retire(uint32_t index)
{
	struct det_instance *i = instance_at(index);

	if (i->pins != 0)
		return;                         /* a pending chain names it: few, and kept */
	if (log_of[i->number % LOG] == index)
		log_of[i->number % LOG] = 0;
	det_clock_drop(&i->clock);
	det_pool_put(&instances, index);
}

/* Its latest, or the oldest of the others' goes. */
static void enter(struct det_dep *d, uint32_t index)
{
	for (uint32_t k = 0; k < d->n_instances; k++)
		if (instance_at(d->instances[k])->gid == instance_at(index)->gid) {
			retire(d->instances[k]);
			d->instances[k] = index;
			return;
		}
	if (d->n_instances < DET_INSTANCES) {
		d->instances[d->n_instances++] = index;
		return;
	}
	retire(d->instances[d->turn]);
	d->instances[d->turn] = index;
	d->turn = (d->turn + 1) % DET_INSTANCES;
}

static void search(struct det_instance *i)
{
	struct det_cycle c = { .n = 1, .of = { i } };

	steps = 0;
	extend(&c);
	if (steps > STEPS)
		det_loss("searches for chains of locks cut short", 1);
}

/* A writer completes chains in which two readers meet: look again from each reader of that lock. */
static void search_readers(const struct det_dep *writer)
{
	steps = 0;
	for (uint32_t l = by_held[bucket(writer->want.id)]; l != 0; l = link_at(l)->next) {
		const struct det_dep *d = dep_at(link_at(l)->dep);
		for (uint32_t k = 0; k < d->n_held; k++)
			if (d->held[k].id == writer->want.id && !d->held[k].write)
				for (uint32_t n = 0; n < d->n_instances; n++) {
					struct det_cycle c = { .n = 1, .of = { instance_at(d->instances[n]) } };
					extend(&c);
				}
	}
	if (steps > STEPS)
		det_loss("searches for chains of locks cut short", 1);
}

void det_chain_add(struct det_g *g, const struct det_holder *h, const struct det_lockref *want)
{
	uint32_t n = atomic_load_explicit(&h->n, memory_order_relaxed);
	det_epoch now = det_must_event(g);

	det_lock(&lock);
	uint32_t dep = find_dep(h, n, want), index = dep != 0 ? det_pool_get(&instances) : 0;
	if (index == 0)
		goto out;
	struct det_instance *i = instance_at(index);
	det_zero(i, sizeof *i);
	i->dep = dep;
	i->gid = h->gid;
	i->at = now;
	i->clock = det_clock_ref(g->must.clock);
	i->number = atomic_fetch_add_explicit(&next_number, 1, memory_order_relaxed);
	i->n_passed = h->n_passed;
	i->passed_over = h->passed_over;
	for (uint32_t k = 0; k < h->n_passed; k++)
		i->passed[k] = h->passed[k];
	log_of[i->number % LOG] = index;
	enter(dep_at(dep), index);
	if (n != 0)
		search(i);
	if (want->write && want->kind == RT_OBJ_RWMUTEX)
		search_readers(dep_at(dep));
out:
	det_unlock(&lock);
}

/* --- guards ------------------------------------------------------------------------------------------------------------------------------ */

static void add_guard(struct det_instance *i, uint32_t id, bool write)
{
	for (uint32_t k = 0; k < i->n_guards; k++)
		if (i->guards[k].id == id) {
			i->guards[k].write |= write;
			return;
		}
	if (i->n_guards == DET_GUARDS) {
		i->guards_over = true;
		det_loss("guards around a lock beyond 4", 1);
		return;
	}
	i->guards[i->n_guards].id = id;
	i->guards[i->n_guards++].write = write;
}

/* Called with the lock held. settled: sections that are still open do not matter any more (none will end). */
static void settle_locked(void)
{
	uint32_t keep = 0;

	for (uint32_t k = 0; k < n_pending; k++) {
		struct det_cycle c = pending[k];
		bool over = !still_holds(&c), now = !over && is_settled(&c);
		if (now && !is_told(&c, true))
			det_order_tell.cycle(&c);
		if (over || now)
			pin(&c, -1);
		else
			pending[keep++] = c;
	}
	n_pending = keep;
}

void det_chain_guard(struct det_g *g, struct det_held *section)
{
	uint32_t end, first = section->first_number;

	if (section->lock.id == 0)
		section->lock.id = det_lock_number(section->lock.addr);
	det_lock(&lock);
	end = atomic_load_explicit(&next_number, memory_order_relaxed);
	if (end - first > LOG) {
		det_loss("orders of locks too many to see what guards them", end - first - LOG);
		first = end - LOG;
	}
	for (uint32_t number = first; number != end; number++) {
		uint32_t index = log_of[number % LOG];
		struct det_instance *i = index != 0 ? instance_at(index) : NULL;
		if (i != NULL && i->number == number && det_must_knows(g->must.epoch, g->must.clock, i->at) && i->at.slot != g->must.epoch.slot &&
		    det_must_knows(i->at, i->clock, section->since))
			add_guard(i, section->lock.id, section->lock.write);
	}
	if (n_pending != 0)
		settle_locked();
	det_unlock(&lock);
}

void det_chain_settle(void)
{
	det_lock(&lock);
	settle_locked();
	det_unlock(&lock);
}
