/* C11 atomics: the operation itself, the access for the race check, and the order it makes.
 *
 * What is synchronised is one clock per atomic object, in the sync map under its address, changed together with the operation under
 * the object's lock:
 *   release store       clock = C                     heads a new release sequence
 *   relaxed store       clock = C at the last release fence, or nothing: a plain store breaks the sequence
 *   release RMW         clock = clock ⊔ C             continues the sequences it reads from
 *   relaxed RMW         clock = clock ⊔ C at the last release fence
 *   acquire read        C = C ⊔ clock
 *   relaxed read        kept until the next acquire fence
 * A failed compare-exchange is a read. consume is acquire; seq_cst is acquire and release: C11 orders memory through what is read, and the
 * single total order of seq_cst operations adds no happens-before of its own.
 *
 * In a signal handler that interrupted the detector, only the operation is done. */
#include "../explore/explore.h"
#include "../hb/hbcore.h"
#include "../order/must.h"
#include "../report/loss.h"
#include "libc.h"

#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#ifdef __clang__
#pragma GCC diagnostic ignored "-Watomic-alignment"
#endif

typedef unsigned __int128 u128;
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

static bool acquires(int mo) { mo &= 0x7fff; return mo == __ATOMIC_ACQUIRE || mo == __ATOMIC_CONSUME || mo == __ATOMIC_ACQ_REL || mo == __ATOMIC_SEQ_CST; }
static bool releases(int mo) { mo &= 0x7fff; return mo == __ATOMIC_RELEASE || mo == __ATOMIC_ACQ_REL || mo == __ATOMIC_SEQ_CST; }

struct step { struct det_g *g; struct det_sync *s; uintptr_t addr; struct det_races races; };

/* Lock the object's clock, making it if needs_clock. g stays NULL if the operation has to be done without us. */
static void begin(struct step *t, const volatile void *p, bool needs_clock, bool stores)
{
	det_explore_point(stores ? RT_AT_ATOMIC_RMW : RT_AT_ATOMIC_LOAD, p);
	t->addr = (uintptr_t)p;
	t->races.n = 0;
	t->g = det_me();
	if (!t->g)
		return;
	if (!det_enter()) {
		det_loss("accesses in signal handlers", 1);
		t->g = NULL;
		return;
	}
	t->s = det_sync_lock(t->addr, DET_ROLE_ATOMIC, needs_clock || (stores && !det_snap_empty(&t->g->release_fence)));
}

/* Before the operation's own release, so that the access belongs to the epoch that is released. */
static void note(struct step *t, size_t n, bool write, uintptr_t pc)
{
	if (t->g)
		det_access_collect(t->g, t->addr, n, write ? DET_ATOMIC_WRITE : DET_ATOMIC_READ, pc, &t->races);
}

static void end(struct step *t)
{
	if (!t->g)
		return;
	det_sync_unlock(t->addr);
	if (__builtin_expect(t->races.n != 0, 0))
		det_access_report(t->g, &t->races);
	det_leave();
}

static void after_read(struct step *t, int mo)
{
	if (!t->g || !t->s)
		return;
	if (acquires(mo)) {
		det_acquire(t->g, &t->s->a);
		det_must_acquire(t->g, &t->s->must);
	} else {
		det_snap_join(&t->g->pending_acquire, &t->s->a);
		det_snap_join(&t->g->must_pending_acquire, &t->s->must);
	}
}

static void after_store(struct step *t, int mo)
{
	if (!t->g || !t->s)
		return;
	if (releases(mo)) {
		det_release_store(t->g, &t->s->a);
		det_must_release_store(t->g, &t->s->must);
		return;
	}
	det_snap_drop(&t->s->a);
	t->s->a = det_snap_ref(&t->g->release_fence);
	det_snap_drop(&t->s->must);
	t->s->must = det_snap_ref(&t->g->must_release_fence);
}

static void after_rmw(struct step *t, int mo)
{
	after_read(t, mo);
	if (!t->g || !t->s)
		return;
	if (releases(mo)) {
		det_release_join(t->g, &t->s->a);
		det_must_release_join(t->g, &t->s->must);
	} else {
		det_snap_join(&t->s->a, &t->g->release_fence);
		det_snap_join(&t->s->must, &t->g->must_release_fence);
	}
}

/* 16 bytes: gcc would call libatomic, so by cmpxchg16b. Loads write the same value back; read-only memory is not for them. */
static bool cas128(volatile u128 *p, u128 *expected, u128 desired)
{
	u64 lo = (u64)*expected, hi = (u64)(*expected >> 64);
	bool ok;

	__asm__ volatile("lock cmpxchg16b %1" : "=@ccz"(ok), "+m"(*p), "+a"(lo), "+d"(hi) : "b"((u64)desired), "c"((u64)(desired >> 64)) : "memory");
	*expected = (u128)hi << 64 | lo;
	return ok;
}

#define LOAD(p)             __atomic_load_n(p, __ATOMIC_SEQ_CST)
#define STORE(p, v)         __atomic_store_n(p, v, __ATOMIC_SEQ_CST)
#define CAS(p, expected, v) __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

static u128 load128(volatile u128 *p)
{
	u128 v = 0;

	cas128(p, &v, v);
	return v;
}

static void store128(volatile u128 *p, u128 v)
{
	u128 old = *p;

	while (!cas128(p, &old, v))
		;
}

#define RMW(T, N, LOAD, CAS, name, expression)                                           \
	DET_ABI T __tsan_atomic##N##_##name(volatile T *p, T v, int mo)                  \
	{                                                                                \
		struct step t;                                                           \
		T old;                                                                   \
                                                                                         \
		begin(&t, p, releases(mo), true);                                        \
		note(&t, sizeof(T), true, DET_CALLER);                                   \
		old = LOAD(p);                                                           \
		while (!CAS(p, &old, (T)(expression)))                                   \
			;                                                                \
		after_rmw(&t, mo);                                                       \
		end(&t);                                                                 \
		return old;                                                              \
	}

#define ATOMICS(T, N, LOAD, STORE, CAS)                                                  \
	DET_ABI T __tsan_atomic##N##_load(const volatile T *p, int mo)                   \
	{                                                                                \
		struct step t;                                                           \
		T v;                                                                     \
                                                                                         \
		begin(&t, p, false, false);                                              \
		note(&t, sizeof(T), false, DET_CALLER);                                  \
		v = LOAD((volatile T *)p);                                               \
		after_read(&t, mo);                                                      \
		end(&t);                                                                 \
		return v;                                                                \
	}                                                                                \
	DET_ABI void __tsan_atomic##N##_store(volatile T *p, T v, int mo)                \
	{                                                                                \
		struct step t;                                                           \
                                                                                         \
		begin(&t, p, releases(mo), true);                                        \
		note(&t, sizeof(T), true, DET_CALLER);                                   \
		after_store(&t, mo);                                                     \
		STORE(p, v);                                                             \
		end(&t);                                                                 \
	}                                                                                \
	static bool exchange_if##N(volatile T *p, T *expected, T v, int mo, int fail_mo, uintptr_t pc) \
	{                                                                                \
		struct step t;                                                           \
		bool ok;                                                                 \
                                                                                         \
		begin(&t, p, releases(mo), true);                                        \
		ok = CAS(p, expected, v);                                                \
		note(&t, sizeof(T), ok, pc);                                             \
		if (ok)                                                                  \
			after_rmw(&t, mo);                                               \
		else                                                                     \
			after_read(&t, fail_mo);                                         \
		end(&t);                                                                 \
		return ok;                                                               \
	}                                                                                \
	DET_ABI int __tsan_atomic##N##_compare_exchange_strong(volatile T *p, T *e, T v, int mo, int fmo) \
	{                                                                                \
		return exchange_if##N(p, e, v, mo, fmo, DET_CALLER);                     \
	}                                                                                \
	DET_ABI int __tsan_atomic##N##_compare_exchange_weak(volatile T *p, T *e, T v, int mo, int fmo) \
	{                                                                                \
		return exchange_if##N(p, e, v, mo, fmo, DET_CALLER);                     \
	}                                                                                \
	DET_ABI T __tsan_atomic##N##_compare_exchange_val(volatile T *p, T e, T v, int mo, int fmo) \
	{                                                                                \
		exchange_if##N(p, &e, v, mo, fmo, DET_CALLER);                           \
		return e;                                                                \
	}                                                                                \
	RMW(T, N, LOAD, CAS, exchange, v)                                                \
	RMW(T, N, LOAD, CAS, fetch_add, old + v)                                         \
	RMW(T, N, LOAD, CAS, fetch_sub, old - v)                                         \
	RMW(T, N, LOAD, CAS, fetch_and, old & v)                                         \
	RMW(T, N, LOAD, CAS, fetch_or, old | v)                                          \
	RMW(T, N, LOAD, CAS, fetch_xor, old ^ v)                                         \
	RMW(T, N, LOAD, CAS, fetch_nand, ~(old & v))

ATOMICS(u8, 8, LOAD, STORE, CAS)
ATOMICS(u16, 16, LOAD, STORE, CAS)
ATOMICS(u32, 32, LOAD, STORE, CAS)
ATOMICS(u64, 64, LOAD, STORE, CAS)
ATOMICS(u128, 128, load128, store128, cas128)

/* Fences: what relaxed loads have read becomes known; what relaxed stores will publish is taken now. */
DET_ABI void __tsan_atomic_thread_fence(int mo)
{
	struct det_g *g = det_me();

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!g || !det_enter())
		return;
	if (acquires(mo)) {
		det_acquire(g, &g->pending_acquire);
		det_snap_drop(&g->pending_acquire);
		det_must_acquire(g, &g->must_pending_acquire);
		det_snap_drop(&g->must_pending_acquire);
	}
	if (releases(mo)) {
		det_release_store(g, &g->release_fence);
		det_must_release_store(g, &g->must_release_fence);
	}
	det_leave();
}

DET_ABI void __tsan_atomic_signal_fence(int mo) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
