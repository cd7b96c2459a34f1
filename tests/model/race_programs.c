/* Random programs, executed as one simulated interleaving against the detector's own entry points and against the reference. After
 * every access the bytes that race for the first time must be the same in both, and the partner the detector names must be one.
 *
 *   race_programs [COUNT [FIRST_SEED]]
 *
 * A program is its seed; a difference prints it. Programs vary in the number of goroutines (2 … 16), in how often they synchronise, in
 * how much memory they share and in which primitives they use. Some start with a goroutine whose clock is about to overflow. */
#include <stdio.h>
#include <stdlib.h>

#include "../../detector/hb/hb.h"
#include "../../detector/hb/hbcore.h"
#include "../../detector/shadow/access.h"
#include "../../detector/shadow/self.h"
#include "race_reference.h"

#define GS     16
#define MUTEX  0        /* numbers of the sync objects in the reference */
#define RW     4        /* two each: writer, readers */
#define WG     8
#define ONCE   10
#define COND   12
#define SEMA   14
#define EDGE   16
#define CLOSE  18       /* close clocks of the channels */
#define ATOMIC 24       /* one per address with atomics */
#define CHANS  4

void __tsan_atomic8_store(volatile uint8_t *, uint8_t, int);
uint8_t __tsan_atomic8_load(const volatile uint8_t *, int);
uint32_t __tsan_atomic32_load(const volatile uint32_t *, int);
void __tsan_atomic32_store(volatile uint32_t *, uint32_t, int);
uint32_t __tsan_atomic32_fetch_add(volatile uint32_t *, uint32_t, int);
uint32_t __tsan_atomic32_exchange(volatile uint32_t *, uint32_t, int);
int __tsan_atomic32_compare_exchange_strong(volatile uint32_t *, uint32_t *, uint32_t, int, int);
uint64_t __tsan_atomic64_load(const volatile uint64_t *, int);
void __tsan_atomic64_store(volatile uint64_t *, uint64_t, int);
uint64_t __tsan_atomic64_fetch_add(volatile uint64_t *, uint64_t, int);
void __tsan_atomic_thread_fence(int);

static uint64_t state;
static uint32_t rnd(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 33) % n;
}

static _Alignas(64) unsigned char memory[256];
static _Alignas(64) unsigned char objects[64 * 64];     /* addresses of sync objects, 64 bytes apart */
static struct rt_gview view[GS];
static struct rt_gview scheduler;
static uint64_t next_gid = 100, base_gid;
static uint64_t seed;
static unsigned long n_races, n_accesses;
static int n_g, present, step_no;
static size_t n_bytes;

/* Parked: not chosen until served. */
static struct { bool alive, parked; } g_state[GS];
static struct { int holder; } mutex[2];
static struct { int writer, readers; bool by[GS]; } rw[2];
static struct { bool begun, done; } once[2];
static int sema[2];
struct waiting { int g[GS], k[GS], n; };
static struct { uint64_t cap, len, send_at, recv_at; bool closed; struct waiting senders, receivers; } chan[CHANS];

static void *object(int i) { return &objects[i * 64]; }
static _Noreturn void fail(const char *what, size_t byte)
{
	printf("seed %llu step %d goroutine %d: byte %zu: %s\n", (unsigned long long)seed, step_no, present, byte, what);
	exit(1);
}

/* --- races, as the detector tells them --- */

static bool told[REF_BYTES];
static enum ref_kind now_kind;

static void on_race(uintptr_t addr, size_t bytes, uint32_t previous, uint32_t current)
{
	uint64_t by = det_row_of_slot(det_desc_at(previous)->epoch.slot)->gid - base_gid;

	for (size_t i = 0; i < bytes; i++) {
		size_t at = addr + i - (uintptr_t)memory;

		if (at >= n_bytes)
			continue;       /* a channel used as an object */
		if (!ref_is_partner(present, at, now_kind, (int)by))
			fail("the detector names a partner that is ordered or does not conflict", at);
		told[at] = true;
	}
}

static void become(int g)
{
	present = g;
	det_hb_g_switch(&view[g]);
}

/* Compare what both say of the access just made. `was` holds which bytes had raced before it. */
static void compare(size_t at, size_t n, const bool now[REF_BYTES], const bool was[REF_BYTES])
{
	for (size_t i = at; i < at + n; i++) {
		if (now[i] && !told[i])
			fail("a race is missed", i);
		if (!now[i] && !was[i] && told[i])
			fail("a race is invented", i);
		n_races += now[i];
	}
	n_accesses++;
}

static void both_access(int g, size_t at, size_t n, enum ref_kind kind, void (*run)(size_t at, size_t n))
{
	bool now[REF_BYTES], was[REF_BYTES];

	for (size_t i = at; i < at + n; i++) {
		was[i] = ref_is_racy(i);
		told[i] = false;
	}
	now_kind = kind;
	/* The detector first: partners are judged by the history before the access. */
	run(at, n);
	ref_access(g, at, n, kind, now);
	compare(at, n, now, was);
}

static uintptr_t a_pc(void) { return 0x400000 + rnd(40) * 16; }

static void run_read(size_t at, size_t n) { det_access(det_of(&view[present]), (uintptr_t)&memory[at], n, DET_READ, a_pc()); }
static void run_write(size_t at, size_t n) { det_access(det_of(&view[present]), (uintptr_t)&memory[at], n, DET_WRITE, a_pc()); }
static void run_free(size_t at, size_t n) { det_access(det_of(&view[present]), (uintptr_t)&memory[at], n, DET_FREE, a_pc()); }

static void access_random(int g)
{
	static const size_t sizes[] = { 1, 1, 2, 4, 4, 8, 8, 16, 3, 24 };
	size_t n = sizes[rnd(10)], at;
	bool write = rnd(5) < 2;

	if (n > n_bytes)
		n = n_bytes;
	at = rnd((uint32_t)(n_bytes - n + 1));
	if (rnd(3) && n <= 16 && (n & (n - 1)) == 0)
		at &= ~(n - 1);
	both_access(g, at, n, write ? REF_WRITE : REF_READ, write ? run_write : run_read);
}

static void free_and_reuse(int g)
{
	size_t at = rnd((uint32_t)(n_bytes / 16)) * 16;

	if (rnd(2)) {
		both_access(g, at, 16, REF_FREE, run_free);
		return;
	}
	det_memory_reset((uintptr_t)&memory[at], 16);
	ref_fresh(at, 16);
	/* Atomic objects in it are gone as well. */
	for (size_t i = at; i < at + 16; i += 8)
		ref_clear(ATOMIC + (int)(i / 8));
}

/* --- atomics: at every eighth byte; values are real --- */

static const int orders[] = { __ATOMIC_RELAXED, __ATOMIC_ACQUIRE, __ATOMIC_RELEASE, __ATOMIC_ACQ_REL, __ATOMIC_SEQ_CST };
static bool acq(int mo) { return mo == __ATOMIC_ACQUIRE || mo == __ATOMIC_ACQ_REL || mo == __ATOMIC_SEQ_CST; }
static bool rel(int mo) { return mo == __ATOMIC_RELEASE || mo == __ATOMIC_ACQ_REL || mo == __ATOMIC_SEQ_CST; }
static int mo_now, op_now;
static bool ok_now;

static void run_atomic(size_t at, size_t n)
{
	void *p = &memory[at];
	uint32_t expected;

	switch (op_now) {
	case 0:
		if (n == 1)
			__tsan_atomic8_load(p, mo_now);
		else if (n == 4)
			__tsan_atomic32_load(p, mo_now);
		else
			__tsan_atomic64_load(p, mo_now);
		break;
	case 1:
		if (n == 1)
			__tsan_atomic8_store(p, 1, mo_now);
		else if (n == 4)
			__tsan_atomic32_store(p, rnd(2), mo_now);
		else
			__tsan_atomic64_store(p, rnd(2), mo_now);
		break;
	case 2:
		if (n == 8)
			__tsan_atomic64_fetch_add(p, 1, mo_now);
		else if (rnd(2))
			__tsan_atomic32_fetch_add(p, 1, mo_now);
		else
			__tsan_atomic32_exchange(p, rnd(2), mo_now);
		break;
	default:
		expected = ok_now ? *(uint32_t *)p : *(uint32_t *)p + 1;
		__tsan_atomic32_compare_exchange_strong(p, &expected, 1, mo_now, acq(mo_now) ? __ATOMIC_ACQUIRE : __ATOMIC_RELAXED);
	}
}

static void atomic(int g)
{
	size_t at = rnd((uint32_t)(n_bytes / 8)) * 8;
	int s = ATOMIC + (int)(at / 8);
	size_t n;

	op_now = (int)rnd(4);
	mo_now = orders[rnd(5)];
	if (op_now == 0 && rel(mo_now))
		mo_now = __ATOMIC_SEQ_CST;
	if (op_now == 1 && acq(mo_now))
		mo_now = __ATOMIC_SEQ_CST;
	n = op_now == 3 ? 4 : op_now == 2 ? rnd(2) ? 4 : 8 : rnd(3) == 0 ? 1 : rnd(2) ? 4 : 8;
	ok_now = rnd(2);
	both_access(g, at, n, op_now == 0 || (op_now == 3 && !ok_now) ? REF_ATOMIC_READ : REF_ATOMIC_WRITE, run_atomic);
	if (op_now == 0 || (op_now == 3 && !ok_now))
		ref_atomic_load(g, s, acq(mo_now));
	else if (op_now == 1)
		ref_atomic_store(g, s, rel(mo_now));
	else
		ref_atomic_rmw(g, s, acq(mo_now), rel(mo_now));
}

static void fence(int g)
{
	int mo = orders[1 + rnd(4)];

	__tsan_atomic_thread_fence(mo);
	ref_fence(g, acq(mo), rel(mo));
}

/* --- locks and friends --- */

static void mutex_op(int g)
{
	int m = (int)rnd(2);

	if (mutex[m].holder == -1) {
		mutex[m].holder = g;
		det_hb_mutex_lock(&view[g], object(MUTEX + m), NULL);
		ref_acquire(g, MUTEX + m);
	} else if (mutex[m].holder == g || rnd(8) == 0) {       /* now and then somebody else unlocks */
		mutex[m].holder = -1;
		det_hb_mutex_unlock(&view[g], object(MUTEX + m), NULL);
		ref_release_store(g, MUTEX + m);
	}
}

static void rw_op(int g)
{
	int l = (int)rnd(2), w = RW + 2 * l, r = RW + 2 * l + 1;

	if (rw[l].writer == g) {
		rw[l].writer = -1;
		det_hb_rw_unlock(&view[g], object(w), true, NULL);
		ref_release_store(g, w);
	} else if (rw[l].by[g]) {
		rw[l].by[g] = false;
		rw[l].readers--;
		det_hb_rw_unlock(&view[g], object(w), false, NULL);
		ref_release_join(g, r);
	} else if (rw[l].writer == -1 && rw[l].readers == 0 && rnd(2)) {
		rw[l].writer = g;
		det_hb_rw_lock(&view[g], object(w), true, NULL);
		ref_acquire(g, w);
		ref_acquire(g, r);
	} else if (rw[l].writer == -1) {
		rw[l].by[g] = true;
		rw[l].readers++;
		det_hb_rw_lock(&view[g], object(w), false, NULL);
		ref_acquire(g, w);
	}
}

static void other_sync(int g)
{
	int i = (int)rnd(2);

	switch (rnd(9)) {
	case 0:
		det_hb_wg_add(&view[g], object(WG + i), -1, 3, NULL);
		ref_release_join(g, WG + i);
		break;
	case 1:
		det_hb_wg_waited(&view[g], object(WG + i));
		ref_acquire(g, WG + i);
		break;
	case 2:
		if (!once[i].begun) {
			once[i].begun = true;
			det_hb_once_begin(&view[g], object(ONCE + i));
		} else if (!once[i].done) {
			once[i].done = true;
			det_hb_once_done(&view[g], object(ONCE + i));
			ref_release_store(g, ONCE + i);
		} else {
			det_hb_once_seen(&view[g], object(ONCE + i));
			ref_acquire(g, ONCE + i);
		}
		break;
	case 3:
		det_hb_cond_signal(&view[g], object(COND + i), rnd(2), NULL);
		ref_release_join(g, COND + i);
		break;
	case 4:
		det_hb_cond_waited(&view[g], object(COND + i));
		ref_acquire(g, COND + i);
		break;
	case 5:
		sema[i]++;
		det_hb_sema(&view[g], object(SEMA + i), true, NULL);
		ref_release_join(g, SEMA + i);
		break;
	case 6:
		if (sema[i] > 0) {
			sema[i]--;
			det_hb_sema(&view[g], object(SEMA + i), false, NULL);
			ref_acquire(g, SEMA + i);
		}
		break;
	case 7:
		det_hb_release(&view[g], object(EDGE + i));
		ref_release_join(g, EDGE + i);
		break;
	default:
		det_hb_acquire(&view[g], object(EDGE + i));
		ref_acquire(g, EDGE + i);
	}
}

/* --- channels, with parked peers, in the runtime's order of events --- */

static void enqueue(struct waiting *w, int g, int k)
{
	w->g[w->n] = g;
	w->k[w->n++] = k;
	g_state[g].parked = true;
}

static int dequeue(struct waiting *w, int *k)
{
	int g = w->g[0];

	*k = w->k[0];
	w->n--;
	for (int i = 0; i < w->n; i++) {
		w->g[i] = w->g[i + 1];
		w->k[i] = w->k[i + 1];
	}
	g_state[g].parked = false;
	return g;
}

static void send(int g, int c)
{
	void *ch = object(40 + c);
	int k, peer, peer_k;

	if (chan[c].closed)
		return;
	det_hb_chan_op(&view[g], ch, true, NULL);
	k = ref_send_begin(g, c);
	if (chan[c].receivers.n) {
		peer = dequeue(&chan[c].receivers, &peer_k);
		if (chan[c].cap == 0) {
			det_hb_chan_pair(&view[g], &view[peer], ch);
		} else {
			det_hb_chan_slot(&view[g], ch, chan[c].send_at, true);
			det_hb_chan_slot(&view[peer], ch, chan[c].send_at, false);
			chan[c].send_at = chan[c].recv_at = (chan[c].send_at + 1) % chan[c].cap;
		}
		ref_send_end(g, c, k, (int)chan[c].cap);
		ref_recv_end(peer, c, peer_k);
	} else if (chan[c].len < chan[c].cap) {
		det_hb_chan_slot(&view[g], ch, chan[c].send_at, true);
		chan[c].send_at = (chan[c].send_at + 1) % chan[c].cap;
		chan[c].len++;
		ref_send_end(g, c, k, (int)chan[c].cap);
	} else {
		enqueue(&chan[c].senders, g, k);
	}
}

static void recv(int g, int c)
{
	void *ch = object(40 + c);
	int k, peer, peer_k;

	if (chan[c].closed && chan[c].len == 0) {
		det_hb_chan_recv_closed(&view[g], ch);
		ref_acquire(g, CLOSE + c);
		return;
	}
	k = ref_recv_begin(g, c);
	if (chan[c].len) {
		det_hb_chan_slot(&view[g], ch, chan[c].recv_at, false);
		ref_recv_end(g, c, k);
		if (chan[c].senders.n) {
			peer = dequeue(&chan[c].senders, &peer_k);
			det_hb_chan_slot(&view[peer], ch, chan[c].recv_at, true);
			ref_send_end(peer, c, peer_k, (int)chan[c].cap);
			chan[c].send_at = chan[c].recv_at = (chan[c].recv_at + 1) % chan[c].cap;
		} else {
			chan[c].recv_at = (chan[c].recv_at + 1) % chan[c].cap;
			chan[c].len--;
		}
	} else if (chan[c].senders.n) {
		peer = dequeue(&chan[c].senders, &peer_k);
		det_hb_chan_pair(&view[peer], &view[g], ch);
		ref_send_end(peer, c, peer_k, 0);
		ref_recv_end(g, c, k);
	} else {
		enqueue(&chan[c].receivers, g, k);
	}
}

/* Only with nobody parked to send (they would panic). Parked receivers are served by the close. */
static void close_chan(int g, int c)
{
	void *ch = object(40 + c);
	int k;

	if (chan[c].closed || chan[c].senders.n)
		return;
	chan[c].closed = true;
	det_hb_chan_close(&view[g], ch, NULL);
	ref_release_join(g, CLOSE + c);
	while (chan[c].receivers.n) {
		int peer = dequeue(&chan[c].receivers, &k);

		det_hb_chan_recv_closed(&view[peer], ch);
		ref_acquire(peer, CLOSE + c);
	}
}

static void channel_op(int g)
{
	int c = (int)rnd(CHANS);
	uint32_t what = rnd(40);

	if (what == 0)
		close_chan(g, c);
	else if (what & 1)
		send(g, c);
	else
		recv(g, c);
}

/* --- the program --- */

static void go(int parent, int child)
{
	view[child] = (struct rt_gview){ .id = base_gid + (uint64_t)child, .parent_id = parent >= 0 ? view[parent].id : 0 };
	g_state[child].alive = true;
	g_state[child].parked = false;
	det_hb_g_go(parent >= 0 ? &view[parent] : &scheduler, &view[child], (void *)0x1234);
	ref_go(parent, child);
	n_g++;
	if (rnd(16) == 0)
		det_of(&view[child])->epoch.time = DET_TIME_MAX - rnd(5);
}

static void begin(void)
{
	base_gid = next_gid;
	next_gid += GS;
	n_g = 0;
	for (int i = 0; i < 2; i++) {
		mutex[i].holder = -1;
		rw[i].writer = -1;
		rw[i].readers = 0;
		once[i].begun = once[i].done = false;
		sema[i] = 0;
		for (int g = 0; g < GS; g++)
			rw[i].by[g] = false;
	}
	for (int c = 0; c < CHANS; c++) {
		chan[c].cap = (uint64_t)c;
		chan[c].len = chan[c].send_at = chan[c].recv_at = 0;
		chan[c].closed = false;
		chan[c].senders.n = chan[c].receivers.n = 0;
	}
	det_memory_reset((uintptr_t)memory, sizeof(memory));
	det_memory_reset((uintptr_t)objects, sizeof(objects));
	ref_reset();
	scheduler = (struct rt_gview){ .id = base_gid - 1 + ((uint64_t)1 << 40) };
}

static void run(void)
{
	uint32_t max_g = 2 + rnd(GS - 1), sync = rnd(100), atomics = rnd(3) ? rnd(40) : 0, steps = 50 + rnd(400);
	uint32_t frees = rnd(3) == 0 ? rnd(10) : 0;

	n_bytes = 16u << rnd(4);
	begin();
	det_hb_g_switch(&scheduler);
	go(-1, 0);
	for (step_no = 0; step_no < (int)steps; step_no++) {
		int g = (int)rnd((uint32_t)n_g);

		if (!g_state[g].alive || g_state[g].parked)
			continue;
		become(g);
		if (n_g < (int)max_g && rnd(10) == 0) {
			go(g, n_g);
		} else if (rnd(100) < sync) {
			switch (rnd(5)) {
			case 0: mutex_op(g); break;
			case 1: rw_op(g); break;
			case 2: other_sync(g); break;
			default: channel_op(g);
			}
		} else if (rnd(100) < atomics) {
			if (rnd(6) == 0)
				fence(g);
			else
				atomic(g);
		} else if (rnd(100) < frees) {
			free_and_reuse(g);
		} else {
			access_random(g);
		}
	}
	for (int g = 0; g < n_g; g++) {
		become(g);
		det_hb_g_end(&view[g]);
	}
	det_hb_g_switch(&scheduler);
	det_hb_g_end(&scheduler);
	det_hb_g_switch(NULL);
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 0) : 5000, first = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;

	det_init();
	det_race_sink = on_race;
	for (unsigned long i = 0; i < count; i++) {
		seed = first + i;
		state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
		rnd(2);
		run();
	}
	printf("%lu programs from seed %lu: %lu accesses, %lu racy bytes, 0 missed, 0 extra; clock nodes left %u\n", count, first, n_accesses,
	       n_races, det_clock_nodes());
	return n_races == 0;
}
