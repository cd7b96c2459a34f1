/* Slabs of stacks; see stack.h.
 *
 * Locking: one lock per size class guards its slab list's growth, carving, the shared list and the cold list. Slabs are never
 * removed, so walkers follow the list without it. warm[] of a slot is set before the slot is handed out and cleared, under the
 * lock, while the slot is in no list. */
#include "stack.h"

#include "../dump/debug.h"
#include "../os/os.h"
#include "fiber.h"

enum {
	PAGE = 4096,
	GUARD_BYTES = 4 * PAGE,                 /* frames can jump over one page: no -fstack-clash-protection in user code */
	CLASS_MIN_SHIFT = 14, N_CLASSES = 16,   /* 16 KiB … 512 MiB */
	COLOURS = 16, COLOUR_BYTES = 64,
	BATCH = RT_STACK_CACHE / 2,
	TRIM_MAX = 4096,
	CARVE_MAX = RT_OS_PIECES_MAX, CARVE_SHARE = 16,
};
static const size_t slab_bytes = (size_t)1 << 30;

struct slab {
	struct slab *next;                      /* constant after publication */
	char        *base;
	uint32_t     n_slots;
	uint32_t     carved;                    /* slots ever used; guarded by the class */
	size_t       bytes;
	_Atomic uint8_t warm[];                 /* control block is valid memory */
};

typedef long long clear_word __attribute__((vector_size(16), may_alias));
enum { CLEAR_STEP = 4 };

struct class {
	struct rt_lock lock;
	struct slab *_Atomic slabs;             /* the newest first; only that one still has virgin slots */
	struct rt_g *shared;
	uint32_t     n_shared, low_water;       /* low_water: least n_shared since the last trim */
	char       **cold;                      /* slots given back to the kernel; grows in reserved space */
	uint32_t     n_cold, max_cold;
};
static struct class classes[N_CLASSES];

const struct rt_debug_stacks rt_debug_stacks = {
	classes, N_CLASSES, sizeof(struct class), offsetof(struct class, slabs),
	offsetof(struct slab, next), offsetof(struct slab, base), offsetof(struct slab, carved), offsetof(struct slab, warm),
	CLASS_MIN_SHIFT, GUARD_BYTES, COLOURS, COLOUR_BYTES,
};

static size_t class_bytes(unsigned k)
{
	return (size_t)1 << (CLASS_MIN_SHIFT + k);
}

static size_t stride(unsigned k)
{
	return class_bytes(k) + GUARD_BYTES;
}

size_t rt_stack_default_bytes(void)
{
	return rt_observer ? 256 << 10 : 64 << 10;
}

static struct rt_g *block_of(const struct slab *s, unsigned k, uint32_t slot)
{
	uintptr_t top = (uintptr_t)s->base + (slot + 1) * stride(k);

	return (struct rt_g *)((top - sizeof(struct rt_g) - slot % COLOURS * COLOUR_BYTES) & ~(uintptr_t)63);
}

static struct slab *slab_of(struct class *c, const void *p)
{
	struct slab *s = atomic_load_explicit(&c->slabs, memory_order_acquire);

	while (s && ((const char *)p < s->base || (const char *)p >= s->base + s->bytes))
		s = s->next;
	return s;
}

static bool grow_locked(struct class *c, unsigned k)
{
	size_t n = slab_bytes / stride(k);

	if (n < 4)
		n = 4;
	for (; n > 0; n /= 2) {                 /* a limit on address space: take less */
		struct slab *s = rt_os_reserve(sizeof *s + n);
		if (!s)
			return false;
		s->base = rt_os_reserve(n * stride(k));
		if (s->base) {
			s->n_slots = (uint32_t)n;
			s->bytes = n * stride(k);
			s->next = atomic_load_explicit(&c->slabs, memory_order_relaxed);
			atomic_store_explicit(&c->slabs, s, memory_order_release);
			return true;
		}
		rt_os_unreserve(s, sizeof *s + n);
	}
	return false;
}

/* A slot that was given back to the kernel; NULL: none. */
static struct rt_g *take_cold_locked(struct class *c, unsigned k)
{
	if (c->n_cold == 0)
		return NULL;
	struct rt_g *g = (struct rt_g *)c->cold[--c->n_cold];
	struct slab *s = slab_of(c, g);
	atomic_store_explicit(&s->warm[((char *)g - s->base) / stride(k)], 1, memory_order_release);
	return g;
}

/* Virgin slots: one, or of many some more, in proportion to those there are. They are the caller's until they are warm. */
struct piece_of_slab { struct slab *slab; uint32_t first, n; };

static bool carve_locked(struct class *c, unsigned k, struct piece_of_slab *piece)
{
	struct slab *s = atomic_load_explicit(&c->slabs, memory_order_relaxed);

	if (!s || s->carved == s->n_slots) {
		if (!grow_locked(c, k))
			return false;
		s = atomic_load_explicit(&c->slabs, memory_order_relaxed);
	}
	uint32_t n = 1 + (s->next ? CARVE_MAX : s->carved / CARVE_SHARE);
	if (n > CARVE_MAX)
		n = CARVE_MAX;
	if (n > s->n_slots - s->carved)
		n = s->n_slots - s->carved;
	*piece = (struct piece_of_slab){ s, s->carved, n };
	s->carved += n;
	return true;
}

static void fill(struct rt_g *g, unsigned k)
{
	struct slab *s = slab_of(&classes[k], g);
	uintptr_t lo = (uintptr_t)s->base + ((uintptr_t)g - (uintptr_t)s->base) / stride(k) * stride(k) + GUARD_BYTES;

	g->view.stack_lo = lo;
	g->view.stack_hi = (uintptr_t)g;
	g->stack_top = g;
	g->stack_class = (uint8_t)k;
}

/* Guards and first pages for all in one call each: a page fault less, and a third of the guard. Chained by sched_next, the lowest first. */
static struct rt_g *prepare(const struct piece_of_slab *piece, unsigned k)
{
	struct rt_os_piece guards[CARVE_MAX], tops[CARVE_MAX];
	struct slab *s = piece->slab;
	struct rt_g *list = NULL;

	for (uint32_t i = 0; i < piece->n; i++) {
		guards[i].at = s->base + (piece->first + i) * stride(k);
		tops[i].at = s->base + (piece->first + i + 1) * stride(k) - PAGE;
	}
	rt_os_guard_many(guards, piece->n, GUARD_BYTES);
	rt_os_touch_many(tops, piece->n, PAGE);
	for (uint32_t i = piece->n; i-- > 0; ) {
		struct rt_g *g = block_of(s, k, piece->first + i);
		fill(g, k);
		g->sched_next = list;
		list = g;
		atomic_store_explicit(&s->warm[piece->first + i], 1, memory_order_release);
	}
	return list;
}

/* For libtsan a stack used again is new memory. An order between the two goroutines would do too, but would hide races between them.
 * Its mmap knows no other way. */
static void renew(struct rt_g *g)
{
	uintptr_t lo = g->view.stack_lo;
	size_t bytes = class_bytes(g->stack_class);
	uint8_t k = g->stack_class;

	rt_os_renew((void *)lo, bytes);
	g->view.stack_lo = lo;
	g->stack_class = k;
}

/* Keeps what fill() found on the first use. */
static void clear(struct rt_g *g)
{
	if (rt_fiber_tools & RT_FIBER_LIBTSAN)
		renew(g);

	uintptr_t lo = g->view.stack_lo;
	uint8_t k = g->stack_class;

	/* Not memset: a detector interposes it and would see the program write. A block is aligned to its step, and owns what is up to the next. */
	clear_word *w = (clear_word *)g, zero = { 0 };
	for (size_t i = 0; i < (sizeof *g + 63) / 64; i++, w += CLEAR_STEP) {
		w[0] = w[1] = w[2] = w[3] = zero;
		__asm__ volatile("" : : : "memory");
	}
	g->view.stack_lo = lo;
	g->view.stack_hi = (uintptr_t)g;
	g->stack_top = g;
	g->stack_class = k;
}

static void share(struct class *c, struct rt_g *first, struct rt_g *last, uint32_t n)
{
	rt_lock(&c->lock);
	last->sched_next = c->shared;
	c->shared = first;
	c->n_shared += n;
	rt_unlock(&c->lock);
}

struct rt_g *rt_stack_alloc(struct rt_stack_cache *cache, size_t stack_bytes)
{
	unsigned k = 0;
	bool is_default = stack_bytes == 0 || stack_bytes == rt_stack_default_bytes();
	struct rt_g *g;

	if (stack_bytes == 0)
		stack_bytes = rt_stack_default_bytes();
	while (k < N_CLASSES && class_bytes(k) < stack_bytes)
		k++;
	if (k == N_CLASSES)
		return NULL;
	if (is_default && cache && cache->first) {
		g = cache->first;
		cache->first = g->sched_next;
		cache->count--;
		clear(g);
		return g;
	}
	struct class *c = &classes[k];
	rt_lock(&c->lock);
	g = c->shared;
	if (g) {
		c->shared = g->sched_next;
		c->n_shared--;
		if (is_default && cache)
			for (int i = 0; i < BATCH && c->shared; i++) {
				struct rt_g *spare = c->shared;
				c->shared = spare->sched_next;
				c->n_shared--;
				spare->sched_next = cache->first;
				cache->first = spare;
				cache->count++;
			}
		if (c->n_shared < c->low_water)
			c->low_water = c->n_shared;
		rt_unlock(&c->lock);
		clear(g);
		return g;
	}
	c->low_water = 0;
	struct piece_of_slab piece;
	g = take_cold_locked(c, k);
	bool carved = !g && carve_locked(c, k, &piece);
	rt_unlock(&c->lock);
	if (g)
		fill(g, k);
	if (!carved)
		return g;
	g = prepare(&piece, k);
	if (g->sched_next && is_default && cache && !cache->first) {
		cache->first = g->sched_next;
		cache->count = piece.n - 1;
	} else if (g->sched_next) {
		share(c, g->sched_next, block_of(piece.slab, k, piece.first + piece.n - 1), piece.n - 1);
	}
	g->sched_next = NULL;
	return g;
}

void rt_stack_free(struct rt_stack_cache *cache, struct rt_g *g)
{
	struct class *c = &classes[g->stack_class];

	rt_fiber_unpoison(g->view.stack_lo, g->view.stack_hi);
	if (!cache || class_bytes(g->stack_class) != rt_stack_default_bytes()) {
		share(c, g, g, 1);
		return;
	}
	g->sched_next = cache->first;
	cache->first = g;
	if (++cache->count < RT_STACK_CACHE)
		return;
	struct rt_g *last = cache->first, *first = last;
	for (int i = 1; i < BATCH; i++)
		last = last->sched_next;
	cache->first = last->sched_next;
	cache->count -= BATCH;
	share(c, first, last, BATCH);
}

static bool reserve_cold(struct class *c)
{
	if (!c->cold) {
		c->max_cold = 16 << 20;
		c->cold = rt_os_reserve(c->max_cold * sizeof *c->cold);
	}
	return c->cold != NULL;
}

/* What stayed in the shared list since the last call was not needed: give up to TRIM_MAX of it back. The pages go while the slot
 * is in no list; warm[] is cleared first, so that walkers do not touch the page again. */
static void trim_class(struct class *c, unsigned k)
{
	struct rt_g *list = NULL;
	uint32_t n = 0;

	rt_lock(&c->lock);
	while (n < c->low_water && n < TRIM_MAX && reserve_cold(c) && c->n_cold + n < c->max_cold && c->shared) {
		struct rt_g *g = c->shared;
		struct slab *s = slab_of(c, g);
		c->shared = g->sched_next;
		c->n_shared--;
		atomic_store_explicit(&s->warm[((char *)g - s->base) / stride(k)], 0, memory_order_release);
		g->sched_next = list;
		list = g;
		n++;
	}
	c->low_water = c->n_shared;
	rt_unlock(&c->lock);
	while (list) {
		struct rt_g *g = list;
		uintptr_t lo = g->view.stack_lo;
		list = g->sched_next;
		rt_os_decommit((void *)lo, class_bytes(k));
		rt_lock(&c->lock);
		c->cold[c->n_cold++] = (char *)g;
		rt_unlock(&c->lock);
	}
}

void rt_stacks_hold(bool hold)
{
	for (unsigned k = 0; k < N_CLASSES; k++)
		if (hold)
			rt_lock(&classes[k].lock);
		else
			rt_unlock(&classes[k].lock);
}

void rt_stack_trim(void)
{
	for (unsigned k = 0; k < N_CLASSES; k++)
		trim_class(&classes[k], k);
}

void rt_stack_each(bool (*visit)(struct rt_g *g, void *arg), void *arg)
{
	for (unsigned k = 0; k < N_CLASSES; k++)
		for (struct slab *s = atomic_load_explicit(&classes[k].slabs, memory_order_acquire); s; s = s->next)
			for (uint32_t i = 0; i < s->carved; i++)
				if (atomic_load_explicit(&s->warm[i], memory_order_acquire) && !visit(block_of(s, k, i), arg))
					return;
}

void rt_stack_ranges(void (*visit)(uintptr_t lo, uintptr_t hi, void *arg), void *arg)
{
	for (unsigned k = 0; k < N_CLASSES; k++) {
		for (struct slab *s = atomic_load_explicit(&classes[k].slabs, memory_order_acquire); s; s = s->next) {
			visit((uintptr_t)s->base, (uintptr_t)s->base + s->bytes, arg);
			visit((uintptr_t)s, (uintptr_t)s + sizeof *s + s->n_slots, arg);
		}
		if (classes[k].cold)
			visit((uintptr_t)classes[k].cold, (uintptr_t)(classes[k].cold + classes[k].max_cold), arg);
	}
}

bool rt_stack_guard_hit(uintptr_t addr, struct rt_g **g)
{
	for (unsigned k = 0; k < N_CLASSES; k++) {
		struct slab *s = slab_of(&classes[k], (void *)addr);
		if (!s)
			continue;
		uint32_t slot = (uint32_t)((addr - (uintptr_t)s->base) / stride(k));
		*g = block_of(s, k, slot);
		return (addr - (uintptr_t)s->base) % stride(k) < GUARD_BYTES && atomic_load(&s->warm[slot]);
	}
	return false;
}
