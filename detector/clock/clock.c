/* Invariants: a node reachable from two clocks, or twice from one, is never written (it may be changed in place only by a clock that
 * holds the single reference to every node on the path). Node 0 is the subtree of zeroes. Child i of a node at level k covers the
 * slots with digit k equal to i; leaves are level 1 and hold times.
 *
 * Reference counts are atomic: a node may be shared by goroutines on several threads. Counts rise only through a reference held, so
 * relaxed increments suffice; the last decrement acquires what the others released before the node is used again. */
#include "clock.h"

#include <stdatomic.h>
#include <stddef.h>

#include "../shadow/arena.h"
#include "../report/loss.h"

#define NODES_MAX (1u << 28)

struct node { uint32_t v[16]; };

static struct node *nodes;
static _Atomic uint32_t *refs;
static _Atomic uint32_t next_node = 1;
static _Atomic uint32_t in_use;
static struct { struct det_spin lock; uint32_t head; } free_nodes;

/* Freed nodes go first to the thread's own store; it trades with the common list in halves. */
#define STORE 64
static _Thread_local struct { uint32_t n, at[STORE]; } store;

bool det_clock_init(void)
{
	nodes = det_reserve((size_t)NODES_MAX * sizeof(*nodes));
	refs = det_reserve((size_t)NODES_MAX * sizeof(*refs));
	return nodes && refs;
}

static void store_refill(void)
{
	det_spin_lock(&free_nodes.lock);
	while (free_nodes.head && store.n < STORE / 2) {
		store.at[store.n++] = free_nodes.head;
		free_nodes.head = nodes[free_nodes.head].v[0];
	}
	det_spin_unlock(&free_nodes.lock);
	if (store.n == 0) {
		uint32_t first = atomic_fetch_add_explicit(&next_node, STORE / 2, memory_order_relaxed);

		if (first >= NODES_MAX - STORE) {
			atomic_fetch_sub_explicit(&next_node, STORE / 2, memory_order_relaxed);
			return;
		}
		for (uint32_t i = 0; i < STORE / 2; i++)
			store.at[store.n++] = first + i;
	}
}

/* 0 when the table is full: the clock then forgets that subtree, and the loss is counted. */
static uint32_t node_new(void)
{
	uint32_t n;

	if (store.n == 0)
		store_refill();
	if (store.n == 0) {
		det_loss("clock nodes", 1);
		return 0;
	}
	n = store.at[--store.n];
	atomic_store_explicit(&refs[n], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&in_use, 1, memory_order_relaxed);
	return n;
}

static void node_put(uint32_t n)
{
	atomic_fetch_sub_explicit(&in_use, 1, memory_order_relaxed);
	if (store.n == STORE) {
		det_spin_lock(&free_nodes.lock);
		while (store.n > STORE / 2) {
			uint32_t give = store.at[--store.n];

			nodes[give].v[0] = free_nodes.head;
			free_nodes.head = give;
		}
		det_spin_unlock(&free_nodes.lock);
	}
	store.at[store.n++] = n;
}

static uint32_t node_ref(uint32_t n)
{
	if (n)
		atomic_fetch_add_explicit(&refs[n], 1, memory_order_relaxed);
	return n;
}

static void node_drop(uint32_t n, uint32_t level)
{
	if (!n || atomic_fetch_sub_explicit(&refs[n], 1, memory_order_acq_rel) != 1)
		return;
	if (level > 1)
		for (unsigned i = 0; i < 16; i++)
			node_drop(nodes[n].v[i], level - 1);
	node_put(n);
}

uint32_t det_clock_nodes(void) { return atomic_load(&in_use); }

det_clock det_clock_ref(det_clock c)
{
	node_ref(c.root);
	return c;
}

void det_clock_drop(det_clock *c)
{
	node_drop(c->root, c->levels);
	*c = (det_clock){ 0, 0 };
}

static uint32_t levels_for(uint32_t slot)
{
	uint32_t levels = 1;

	while (slot >> (4 * levels) && levels < 8)
		levels++;
	return levels;
}

uint32_t det_clock_get(det_clock c, uint32_t slot)
{
	uint32_t n = c.root;

	if (!n || (c.levels < 8 && slot >> (4 * c.levels)))
		return 0;
	for (uint32_t level = c.levels; level > 1 && n; level--)
		n = nodes[n].v[(slot >> (4 * (level - 1))) & 15];
	return n ? nodes[n].v[slot & 15] : 0;
}

/* Make c tall enough; keeps the value. */
static void raise(det_clock *c, uint32_t levels)
{
	if (!c->root) {
		c->levels = levels;
		return;
	}
	while (c->levels < levels) {
		uint32_t n = node_new();

		if (!n)
			return;
		nodes[n].v[0] = c->root;
		for (unsigned i = 1; i < 16; i++)
			nodes[n].v[i] = 0;
		c->root = n;
		c->levels++;
	}
}

/* Takes over the caller's reference to n, gives back one to a node with the entry raised. */
static uint32_t set_at(uint32_t n, uint32_t level, det_epoch e)
{
	unsigned digit = (e.slot >> (4 * (level - 1))) & 15;
	uint32_t own = n;

	if (!n || atomic_load_explicit(&refs[n], memory_order_acquire) != 1) {
		own = node_new();
		if (!own)
			return n;
		for (unsigned i = 0; i < 16; i++)
			nodes[own].v[i] = n ? level > 1 ? node_ref(nodes[n].v[i]) : nodes[n].v[i] : 0;
		node_drop(n, level);
	}
	if (level > 1)
		nodes[own].v[digit] = set_at(nodes[own].v[digit], level - 1, e);
	else if (nodes[own].v[digit] < e.time)
		nodes[own].v[digit] = e.time;
	return own;
}

void det_clock_set(det_clock *c, det_epoch e)
{
	if (det_clock_get(*c, e.slot) >= e.time)
		return;
	if (c->levels < levels_for(e.slot))
		raise(c, levels_for(e.slot));
	if (c->levels >= levels_for(e.slot))
		c->root = set_at(c->root, c->levels, e);
}

/* a ⊔ b. Both are borrowed. The result is borrowed too if it is a or b, else the caller owns it. */
static uint32_t join_at(uint32_t a, uint32_t b, uint32_t level)
{
	uint32_t r[16], n;
	unsigned is_a = 1, is_b = 1;

	if (a == b || !b)
		return a;
	if (!a)
		return b;
	for (unsigned i = 0; i < 16; i++) {
		uint32_t x = nodes[a].v[i], y = nodes[b].v[i];

		r[i] = level > 1 ? join_at(x, y, level - 1) : x > y ? x : y;
		is_a &= r[i] == x;
		is_b &= r[i] == y;
	}
	if (is_a)
		return a;
	if (is_b)
		return b;
	n = node_new();
	for (unsigned i = 0; i < 16; i++) {
		bool fresh = level > 1 && r[i] != nodes[a].v[i] && r[i] != nodes[b].v[i];

		if (!n) {
			if (fresh)
				node_drop(r[i], level - 1);
			continue;
		}
		nodes[n].v[i] = level > 1 && !fresh ? node_ref(r[i]) : r[i];
	}
	return n ? n : a;
}

bool det_clock_join(det_clock *c, det_clock other)
{
	det_clock taller;
	uint32_t r;

	if (!other.root || (c->root == other.root && c->levels == other.levels))
		return false;
	if (!c->root) {
		*c = det_clock_ref(other);
		return true;
	}
	taller = det_clock_ref(other);
	raise(c, taller.levels);
	raise(&taller, c->levels);
	if (c->levels != taller.levels) {
		det_clock_drop(&taller);
		return true;
	}
	r = join_at(c->root, taller.root, c->levels);
	if (r == c->root) {
		det_clock_drop(&taller);
		return false;
	}
	if (r == taller.root)
		node_ref(r);
	node_drop(c->root, c->levels);
	c->root = r;
	det_clock_drop(&taller);
	return true;
}

void det_snap_drop(struct det_snap *s)
{
	det_clock_drop(&s->clock);
	*s = (struct det_snap){ 0 };
}

struct det_snap det_snap_ref(const struct det_snap *s)
{
	struct det_snap copy = *s;

	det_clock_ref(copy.clock);
	return copy;
}

void det_snap_join(struct det_snap *into, const struct det_snap *s)
{
	if (det_snap_empty(s))
		return;
	if (det_snap_empty(into)) {
		*into = det_snap_ref(s);
		return;
	}
	if (into->own.slot != s->own.slot)
		det_clock_set(&into->clock, into->own);
	else if (into->own.time >= s->own.time && into->pure && s->pure)
		return;         /* an older release of the same goroutine: known */
	else if (s->own.time > into->own.time && into->pure && s->pure) {
		det_snap_drop(into);    /* a newer release of the same goroutine knows all of it */
		*into = det_snap_ref(s);
		return;
	}
	det_clock_join(&into->clock, s->clock);
	if (into->own.slot != s->own.slot || into->own.time < s->own.time)
		into->own = s->own;
	into->pure = false;
}
