/* What each goroutine holds.
 *
 * A record exists while a goroutine holds something; the thread keeps one spare, so that a lock and unlock without nesting costs a few
 * stores and asks for no lock of ours. Only a lock taken while another is held (or a write lock, which may shut out readers) is looked
 * at further: then the instances get their numbers, and chain.c hears of it, once for each way and span of must-order (`memo`). */
#include "chain.h"

#include "../hb/hbcore.h"
#include "../report/loss.h"
#include "../shadow/access.h"
#include "../shadow/arena.h"
#include "../shadow/context.h"

#define LOCKS_MAX (1u << 26)

struct det_order_tell det_order_tell;
static bool predicts;
static struct det_pool holders;
static unsigned char *handed_over;      /* by number */
static _Atomic uint32_t next_lock = 1;

void det_order_attach(const struct det_order_tell *tell, bool predict)
{
	static bool attached;

	det_order_tell = *tell;
	if (attached)
		return;
	attached = true;
	handed_over = det_reserve(LOCKS_MAX);
	predicts = predict && handed_over != NULL && det_chain_init() &&
		det_pool_init(&holders, sizeof(struct det_holder), 1u << 21, "holders of locks");
}

/* --- numbers ---------------------------------------------------------------------------------------------------------------- */

uint32_t det_lock_number(uintptr_t addr)
{
	uint32_t made = det_last_write(addr), id = 0;
	struct det_sync *s = det_sync_lock(addr, DET_ROLE_LOCK, true);

	if (s != NULL) {
		if (s->lock_id == 0 || s->lock_made != made) {
			s->lock_id = atomic_fetch_add_explicit(&next_lock, 1, memory_order_relaxed);
			s->lock_made = made;
		}
		id = s->lock_id < LOCKS_MAX ? s->lock_id : 0;
	}
	det_sync_unlock(addr);
	return id;
}

void det_lock_hand_over(uint32_t id) { __atomic_store_n(&handed_over[id], 1, __ATOMIC_RELAXED); }
bool det_lock_is_handed_over(uint32_t id) { return __atomic_load_n(&handed_over[id], __ATOMIC_RELAXED) != 0; }

/* --- records ---------------------------------------------------------------------------------------------------------------- */

void det_holder_each(void (*visit)(const struct det_holder *h, void *arg), void *arg)
{
	uint32_t n = atomic_load(&holders.next);

	for (uint32_t i = 1; i < n; i++) {
		const struct det_holder *h = det_pool_at(&holders, i);
		if (h->index == i && atomic_load_explicit(&h->n, memory_order_acquire) != 0)
			visit(h, arg);
	}
}

static struct det_holder *holder_of(struct det_g *g)
{
	struct det_holder *h = g->holds;

	if (__builtin_expect(h != NULL, 0))
		return h;
	h = det_thread.spare;
	det_thread.spare = NULL;
	if (h == NULL) {
		uint32_t index = det_pool_get(&holders);
		if (index == 0)
			return NULL;
		h = det_pool_at(&holders, index);
		h->index = index;
		atomic_store_explicit(&h->n, 0, memory_order_relaxed);
	}
	h->gid = det_row_of(g)->gid;
	h->over = 0;
	h->n_passed = 0;
	h->passed_over = false;
	g->holds = h;
	return h;
}

static void holder_give(struct det_g *g)
{
	struct det_holder *h = g->holds;

	g->holds = NULL;
	atomic_store_explicit(&h->n, 0, memory_order_relaxed);
	if (det_thread.spare == NULL)
		det_thread.spare = h;
	else {
		uint32_t index = h->index;
		h->index = 0;
		det_pool_put(&holders, index);
	}
}

/* --- a lock under others ------------------------------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

static bool told_before(struct det_g *g, const struct det_holder *h, const struct det_lockref *want)
{
	uint64_t key = mix(mix(mix(want->id, want->ctx), want->write), (uint64_t)g->must.epoch.slot << 32 | g->must.epoch.time);

	for (uint32_t i = 0; i < h->n; i++)
		key = mix(mix(key, (uint64_t)h->held[i].lock.id << 32 | h->held[i].lock.ctx), h->held[i].lock.write);
	uint64_t *memo = &g->order_memo[key >> 40 & 3];
	if (*memo == key)
		return true;
	*memo = key;
	return false;
}

static void number_all(struct det_holder *h, struct det_lockref *want)
{
	want->id = det_lock_number(want->addr);
	for (uint32_t i = 0; i < h->n; i++)
		if (h->held[i].lock.id == 0)
			h->held[i].lock.id = det_lock_number(h->held[i].lock.addr);
}

/* A recursive lock: it was not waited for. */
static bool takes_again(const struct det_holder *h, uint32_t n, uintptr_t lock, bool write)
{
	for (uint32_t i = 0; i < n; i++)
		if (h->held[i].lock.addr == lock && (write || h->held[i].lock.write))
			return true;
	return false;
}

void det_order_took(struct det_g *g, uintptr_t lock, unsigned kind, bool write, bool tried, uint32_t ctx)
{
	struct det_lockref want = { .addr = lock, .ctx = ctx, .kind = (uint8_t)kind, .write = write };

	if (!predicts || g == NULL)
		return;
	if (!det_enter())
		return;
	if (!det_must_on())
		atomic_store_explicit(&det_must_on_flag, true, memory_order_relaxed);
	if (__builtin_expect(g->next_lock_guards_condition, 0)) {
		g->next_lock_guards_condition = false;
		det_order_waits_on(g, lock);
	}
	struct det_holder *h = holder_of(g);
	if (h == NULL)
		goto out;
	uint32_t n = atomic_load_explicit(&h->n, memory_order_relaxed);
	if (n == DET_HELD) {
		h->over++;
		det_loss("locks held by one goroutine beyond 8", 1);
		goto out;
	}
	det_epoch now = det_must_event(g);
	tried |= g->lock_tried;
	g->lock_tried = false;
	if (__builtin_expect((n != 0 && !takes_again(h, n, lock, write)) || (write && kind == RT_OBJ_RWMUTEX), 0)) {
		number_all(h, &want);
		if (!tried && h->over == 0 && want.id != 0 && !told_before(g, h, &want))
			det_chain_add(g, h, &want);
	}
	h->held[n] = (struct det_held){ want, now, g->must.n_out, g->must.n_in, det_chain_number() };
	atomic_store_explicit(&h->n, n + 1, memory_order_release);
out:
	det_leave();
}

/* --- given back --------------------------------------------------------------------------------------------------------------- */

/* The lock at `at` was given back; n others are still held. */
static void pass(struct det_holder *h, const struct det_lockref *lock, uint32_t at, uint32_t n)
{
	uint32_t keep = 0;

	for (uint32_t i = 0; i < h->n_passed; i++) {
		struct det_passed p = h->passed[i];
		if (p.depth > at)
			p.depth--;
		if (p.depth != 0 && p.id != lock->id)
			h->passed[keep++] = p;
	}
	h->n_passed = (uint8_t)keep;
	if (lock->id == 0)
		return;
	if (keep == DET_PASSED)
		h->passed_over = true;
	else
		h->passed[h->n_passed++] = (struct det_passed){ lock->id, (uint8_t)n, lock->write };
}

static void was_anothers(uintptr_t lock)
{
	uint32_t id = det_lock_number(lock);

	if (id != 0)
		det_lock_hand_over(id);
}

/* Others may have heard that the section began. */
static void note_section(struct det_g *g, const struct det_held *section)
{
	struct det_sync *s = det_sync_lock(section->lock.addr, DET_ROLE_LOCK, true);

	if (s != NULL) {
		if (s->condition)
			det_must_release_join(g, &s->must);
		else
			det_must_release_store(g, &s->must);
		s->section = section->since;
		s->section_write = section->lock.write;
	}
	det_sync_unlock(section->lock.addr);
}

void det_order_gives(struct det_g *g, uintptr_t lock, bool write)
{
	if (!predicts || g == NULL || !det_enter())
		return;
	struct det_holder *h = g->holds;
	uint32_t n = h != NULL ? atomic_load_explicit(&h->n, memory_order_relaxed) : 0, at = n;

	while (at > 0 && (h->held[at - 1].lock.addr != lock || h->held[at - 1].lock.write != write))
		at--;
	if (at == 0) {
		if (h != NULL && h->over > 0)
			h->over--;
		else
			was_anothers(lock);
		goto out;
	}
	struct det_held gone = h->held[--at];
	if (__builtin_expect(g->must.n_out != gone.out && g->must.n_in != gone.in && det_chain_number() != gone.first_number, 0))
		det_chain_guard(g, &gone);
	if (g->must.n_out != gone.out)
		note_section(g, &gone);
	g->released_last = lock;
	if (n == 1 && h->over == 0) {
		holder_give(g);
		goto out;
	}
	for (uint32_t i = at; i + 1 < n; i++)
		h->held[i] = h->held[i + 1];
	atomic_store_explicit(&h->n, n - 1, memory_order_release);
	pass(h, &gone.lock, at, n - 1);
out:
	det_leave();
}

/* --- conditions --------------------------------------------------------------------------------------------------------------- */

/* Inside det_enter. */
void det_order_waits_on(struct det_g *g, uintptr_t mutex)
{
	struct det_sync *s = det_sync_lock(mutex, DET_ROLE_LOCK, true);

	if (s != NULL)
		s->condition = true;
	det_sync_unlock(mutex);
}

void det_order_signals(struct det_g *g)
{
	if (!predicts || g == NULL || !det_must_on() || !det_enter())
		return;
	for (uint32_t i = 0; g->holds != NULL && i < g->holds->n; i++)
		if (g->holds->held[i].lock.kind == RT_OBJ_MUTEX)
			det_order_waits_on(g, g->holds->held[i].lock.addr);
	if (g->released_last != 0) {
		struct det_sync *s = det_sync_lock(g->released_last, DET_ROLE_LOCK, false);
		if (s != NULL) {
			s->condition = true;
			det_must_release_join(g, &s->must);
		}
		det_sync_unlock(g->released_last);
	}
	det_leave();
}

/* --- the end ------------------------------------------------------------------------------------------------------------------ */

void det_order_end(struct det_g *g, bool tell)
{
	struct det_lockref kept[DET_HELD];
	uint32_t n = 0;
	uint64_t gid;

	if (g == NULL || g->holds == NULL || !det_enter())
		return;
	gid = g->holds->gid;
	for (uint32_t i = 0; i < g->holds->n; i++) {
		struct det_lockref *lock = &g->holds->held[i].lock;
		uint32_t id = lock->id != 0 ? lock->id : det_lock_number(lock->addr);
		if (id != 0 && !det_lock_is_handed_over(id))
			kept[n++] = *lock;
	}
	holder_give(g);
	det_leave();
	for (uint32_t i = 0; tell && i < n; i++)
		det_order_tell.kept(gid, &kept[i]);
}

void det_order_at_exit(void)
{
	if (predicts)
		det_chain_settle();
}

void det_order_fork(int phase)
{
	if (predicts)
		det_chain_fork(phase);
}
