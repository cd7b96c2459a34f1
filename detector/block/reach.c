/* Reachability (P3), on the frozen copy: conservative marking from every root, joined with the graph of waits.
 *
 * Roots: every writable mapping of the process, except what is looked into only when something points there (the heap's blocks,
 * goroutine stacks) and what belongs to the runtime and to us (its queues would reach every goroutine); the thread-local blocks of
 * workers; arguments of armed timers; registers and stacks of goroutines that may still go on.
 * A word is a pointer if it lies in a live heap block (interior or one past the end) or in a goroutine's stack. A stack that is pointed
 * to is memory like any other (somebody shares a local variable) and is looked into, but its goroutine is not alive for that.
 * Channels: their header (queues of waiters) is skipped, the buffer is looked into.
 *
 * Everything unknown counts as alive or reachable: a stray word may hide a leak, none is invented. */
#include "snapshot.h"

#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../abi/heap.h"
#include "../report/loss.h"
#include "../report/record.h"
#include "../shadow/arena.h"
#include "../shadow/self.h"
#include "graph.h"

#define SCRATCH_BYTES (UINT64_C(8) << 30)
#define WORK_MAX      (UINT64_C(1) << 28)
#define HOLES_MAX     (1u << 20)
#define RED_ZONE      128u
#define ARENA_BYTES   (UINT64_C(64) << 20)      /* of glibc's malloc: heaps of the other arenas are aligned to it */
#define PAGE          UINT64_C(4096)
#define SPARSE_BYTES  (UINT64_C(1) << 20)

struct range { uintptr_t lo, hi; };

/* A goroutine on the copy; parallel to graph.nodes. */
struct member {
	struct rt_gview *view;
	uint64_t  gid;
	int64_t   since_ns;
	uintptr_t stack_lo, stack_hi, live_lo;
	const uintptr_t *regs;
	uint32_t  n_regs;
	uint8_t   state, wait;
	bool      system, foreign, self, active, marked_stack, skip;
	uint32_t  first_wait, n_waits;
};

static struct {
	unsigned char *scratch; size_t used;
	struct range  *work; uint64_t n_work;   /* ranges still to be scanned */
	struct range  *holes; uint32_t n_holes; /* not roots; sorted */
	struct member *members;
	uint32_t      *by_stack;                /* indexes of members, sorted by stack_lo */
	struct rt_wait_entry *waits; uint32_t n_waits;
	uint64_t      *marked; uint32_t heap_ids;
	uintptr_t      stacks_lo, stacks_hi;    /* hull of goroutine stacks */
	uintptr_t      heap_lo, heap_hi;        /* hull of heap blocks */
	struct det_graph graph;
	const struct det_question *question;
	const char    *given_up;
	uint64_t       heap_bytes, root_bytes;
	uintptr_t      brk_lo, brk_hi;          /* the mapping malloc's main arena lives in */
	bool           known_heap;
	/* Found out before the world is stopped, since the loader's lock is needed. */
	size_t         tls_bytes;
	uintptr_t      own_lo, own_hi;
	int            pagemap_fd;
} s;

bool det_reach_init(void)
{
	s.scratch = det_reserve(SCRATCH_BYTES);
	s.work = det_reserve(WORK_MAX * sizeof *s.work);
	return s.scratch != NULL && s.work != NULL;
}

static void *take(size_t bytes)
{
	bytes = (bytes + 63) & ~(size_t)63;
	if (s.used + bytes > SCRATCH_BYTES) {
		s.given_up = "leak check: scratch exhausted";
		return s.scratch;
	}
	s.used += bytes;
	return s.scratch + s.used - bytes;
}

/* --- sorting: heapsort, since qsort may allocate ---------------------------------------------------------------------------- */

static void sink(uint32_t *a, uint32_t at, uint32_t n, uintptr_t (*key)(uint32_t))
{
	for (uint32_t c; (c = 2 * at + 1) < n; at = c) {
		if (c + 1 < n && key(a[c + 1]) > key(a[c]))
			c++;
		if (key(a[at]) >= key(a[c]))
			return;
		uint32_t t = a[at];
		a[at] = a[c];
		a[c] = t;
	}
}

static void sort(uint32_t *a, uint32_t n, uintptr_t (*key)(uint32_t))
{
	for (uint32_t i = n / 2; i-- > 0;)
		sink(a, i, n, key);
	for (uint32_t i = n; i-- > 1;) {
		uint32_t t = a[0];
		a[0] = a[i];
		a[i] = t;
		sink(a, 0, i, key);
	}
}

static uintptr_t stack_key(uint32_t i) { return s.members[i].stack_lo; }
static uintptr_t hole_key(uint32_t i) { return s.holes[i].lo; }

/* --- marking ------------------------------------------------------------------------------------------------------------------ */

static void scan_later(uintptr_t lo, uintptr_t hi)
{
	lo = (lo + 7) & ~(uintptr_t)7;
	if (lo >= hi)
		return;
	if (s.n_work >= WORK_MAX) {
		s.given_up = "leak check: mark stack exhausted";
		return;
	}
	s.work[s.n_work++] = (struct range){ lo, hi };
}

static struct member *member_at(uintptr_t addr)
{
	uint32_t lo = 0, hi = s.graph.n_nodes;

	if (addr < s.stacks_lo || addr >= s.stacks_hi)
		return NULL;
	while (hi - lo > 1) {                   /* the last with stack_lo <= addr */
		uint32_t mid = lo + (hi - lo) / 2;
		if (s.members[s.by_stack[mid]].stack_lo <= addr)
			lo = mid;
		else
			hi = mid;
	}
	struct member *m = hi > 0 ? &s.members[s.by_stack[lo]] : NULL;
	return m != NULL && m->stack_lo <= addr && addr < m->stack_hi ? m : NULL;
}

static void mark_stack(struct member *m)
{
	if (m->marked_stack)
		return;
	m->marked_stack = true;
	scan_later(m->live_lo, m->stack_hi);
}

static bool is_marked(uint32_t id) { return (s.marked[id / 64] >> (id % 64) & 1) != 0; }

static void mark_block(const struct det_heap_block *b)
{
	struct det_chan c;

	if (b->id >= s.heap_ids || is_marked(b->id))
		return;
	s.marked[b->id / 64] |= UINT64_C(1) << (b->id % 64);
	s.heap_bytes += b->size;
	/* A channel may be one block of its own; its waiters' queues are the runtime's affair. */
	if (det_chan_get(b->start, &c))
		scan_later(b->start + c.header_bytes, b->start + b->size);
	else
		scan_later(b->start, b->start + b->size);
}

/* The runtime's own blocks in the heap (its workers): marked beforehand, so that they are never looked into. */
static void pass_over_block(uintptr_t lo, uintptr_t hi, void *arg)
{
	struct det_heap_block b;

	if (lo >= s.heap_lo && lo < s.heap_hi && det_heap_find(lo, &b) && b.id < s.heap_ids)
		s.marked[b.id / 64] |= UINT64_C(1) << (b.id % 64);
}

static void mark_word(uintptr_t word)
{
	struct det_heap_block b;
	struct member *m;

	if (word >= s.heap_lo && word <= s.heap_hi) {
		if (det_heap_find(word, &b))
			mark_block(&b);
		/* One past the end of a block: the byte before lies in it. */
		if (word > s.heap_lo && det_heap_find(word - 1, &b) && b.start + b.size == word)
			mark_block(&b);
	}
	m = member_at(word);
	if (m != NULL && word >= m->live_lo)
		mark_stack(m);
}

/* A page of a writable mapping may still be unreadable (guards made by madvise, files cut short): the rest of it is passed over. Nothing
 * of the program can be kept there. */
static void *unreadable[5];

static void on_fault(int sig) { __builtin_longjmp(unreadable, 1); }

static void catch_faults(void)
{
	struct sigaction sa = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };
	sigset_t set;

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	sigaddset(&set, SIGBUS);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void drain(void)
{
	static struct range r;          /* survives the jump */
	static volatile uintptr_t at;

	if (__builtin_setjmp(unreadable) != 0)
		at = (at & ~(PAGE - 1)) + PAGE;
	else
		at = r.hi = 0;
	while (s.given_up == NULL) {
		for (; at + sizeof(uintptr_t) <= r.hi; at += sizeof(uintptr_t))
			mark_word(*(const uintptr_t *)at);
		if (s.n_work == 0)
			return;
		r = s.work[--s.n_work];
		at = r.lo;
	}
}

/* --- what is where -------------------------------------------------------------------------------------------------------------- */

static void add_hole(uintptr_t lo, uintptr_t hi, void *arg)
{
	if (lo >= hi)
		return;
	if (s.n_holes >= HOLES_MAX)
		s.given_up = "leak check: too many ranges";
	else
		s.holes[s.n_holes++] = (struct range){ lo, hi };
}

/* The chunk header of glibc before the block tells where it lives. */
static bool note_block(const struct det_heap_block *b, void *arg)
{
	uintptr_t *last_arena = arg;
	size_t word = ((const size_t *)b->start)[-1];

	s.known_heap = true;
	if (b->start < s.heap_lo)
		s.heap_lo = b->start;
	if (b->start + b->size > s.heap_hi)
		s.heap_hi = b->start + b->size;
	if ((word & 4) != 0) {
		uintptr_t arena = b->start & ~(ARENA_BYTES - 1);
		if (arena != *last_arena)
			add_hole(*last_arena = arena, arena + ARENA_BYTES, NULL);
	} else if (b->start < s.brk_lo || b->start >= s.brk_hi) {
		add_hole(b->start, b->start + (b->size + 7) / 8 * 8, NULL);
	}
	return true;
}

/* Sorted, and overlapping ones joined, so that both ends grow. */
static void sort_holes(void)
{
	uint32_t *order = take(s.n_holes * sizeof *order), n = 0;
	struct range *sorted = take(s.n_holes * sizeof *sorted);

	if (s.given_up != NULL)
		return;
	for (uint32_t i = 0; i < s.n_holes; i++)
		order[i] = i;
	sort(order, s.n_holes, hole_key);
	for (uint32_t i = 0; i < s.n_holes; i++) {
		struct range r = s.holes[order[i]];
		if (n > 0 && r.lo <= sorted[n - 1].hi)
			sorted[n - 1].hi = r.hi > sorted[n - 1].hi ? r.hi : sorted[n - 1].hi;
		else
			sorted[n++] = r;
	}
	s.holes = sorted;
	s.n_holes = n;
}

/* Of a large anonymous mapping only the pages that were ever touched; untouched ones read as zero. */
static void root_sparse(uintptr_t lo, uintptr_t hi)
{
	static uint64_t entries[512];

	while (lo < hi) {
		size_t pages = (hi - lo) / PAGE < 512 ? (hi - lo) / PAGE : 512;
		ssize_t got = pages == 0 ? -1 : syscall(SYS_pread64, s.pagemap_fd, entries, pages * 8, lo / PAGE * 8);
		if (got < 8) {
			scan_later(lo, hi);
			return;
		}
		for (size_t i = 0; i < (size_t)got / 8; i++, lo += PAGE)
			if ((entries[i] >> 62) != 0) {
				scan_later(lo, lo + PAGE);
				drain();
			}
	}
}

static void root_range(uintptr_t lo, uintptr_t hi, bool anonymous)
{
	if (lo >= hi)
		return;
	s.root_bytes += hi - lo;
	if (anonymous && hi - lo > SPARSE_BYTES && (lo | hi) % PAGE == 0 && s.pagemap_fd >= 0)
		root_sparse(lo, hi);
	else
		scan_later(lo, hi);
}

/* A writable mapping, less its holes. */
static void root_mapping(uintptr_t lo, uintptr_t hi, bool anonymous)
{
	uint32_t a = 0, b = s.n_holes;

	while (b > a) {                         /* the first hole that ends after lo */
		uint32_t mid = a + (b - a) / 2;
		if (s.holes[mid].hi <= lo)
			a = mid + 1;
		else
			b = mid;
	}
	for (; a < s.n_holes && s.holes[a].lo < hi; a++) {
		root_range(lo, s.holes[a].lo, anonymous);
		lo = s.holes[a].hi;
	}
	root_range(lo, hi, anonymous);
}

static uintptr_t hex(const char **at)
{
	uintptr_t v = 0;

	for (;; ++*at) {
		char c = **at;
		if (c >= '0' && c <= '9')
			v = v << 4 | (uintptr_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uintptr_t)(c - 'a' + 10);
		else
			return v;
	}
}

struct mapping { uintptr_t lo, hi; bool writable, heap, device, anonymous; };

/* "lo-hi rwxp offset dev inode path" */
static struct mapping parse_mapping(const char *line, size_t n)
{
	struct mapping m = { 0 };
	const char *at = line, *end = line + n;

	m.lo = hex(&at);
	if (at < end && *at == '-')
		at++;
	m.hi = hex(&at);
	m.writable = end - at > 4 && at[1] == 'r' && at[2] == 'w';
	m.heap = n > 6 && memcmp(end - 6, "[heap]", 6) == 0;
	const char *slash = memchr(at, '/', (size_t)(end - at));
	m.anonymous = slash == NULL;
	m.device = slash != NULL && end - slash > 5 && memcmp(slash, "/dev/", 5) == 0 &&
		!(end - slash > 9 && memcmp(slash, "/dev/shm/", 9) == 0) && !(end - slash > 9 && memcmp(slash, "/dev/zero", 9) == 0);
	return m;
}

static void each_mapping(const char *maps, size_t n, void (*visit)(const struct mapping *m))
{
	for (size_t at = 0; at < n;) {
		const char *nl = memchr(maps + at, '\n', n - at);
		size_t bytes = nl != NULL ? (size_t)(nl - (maps + at)) : n - at;
		struct mapping m = parse_mapping(maps + at, bytes);
		if (m.writable)
			visit(&m);
		at += bytes + 1;
	}
}

static void note_brk(const struct mapping *m)
{
	if (m->heap) {
		s.brk_lo = m->lo;
		s.brk_hi = m->hi;
	}
}

static void root_of_mapping(const struct mapping *m)
{
	if (!m->device)                 /* reading a device's registers may do something */
		root_mapping(m->lo, m->hi, m->anonymous);
}

static char *read_maps(size_t *bytes)
{
	size_t room = 32u << 20;
	char *text = take(room);
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	ssize_t n = 0;

	*bytes = 0;
	while (fd >= 0 && *bytes < room && (n = syscall(SYS_read, fd, text + *bytes, room - *bytes)) > 0)
		*bytes += (size_t)n;
	if (fd < 0 || n < 0 || *bytes == 0 || *bytes >= room)
		s.given_up = "leak check: memory map unreadable";
	return text;
}

static int tls_of(struct dl_phdr_info *info, size_t size, void *arg)
{
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_TLS)
			*(size_t *)arg += info->dlpi_phdr[i].p_memsz + info->dlpi_phdr[i].p_align;
	return 0;
}

/* A worker's own stack is no root (the scheduler's dead frames name every channel it ever unlocked), but glibc keeps the thread-local
 * block at its top: the static blocks end at the thread control block, which points to itself twice. */
static void worker_tls(uintptr_t lo, uintptr_t hi, void *arg)
{
	size_t bytes = *(const size_t *)arg;

	if ((hi & 4095) != 0 || hi - lo < bytes + 2 * PAGE || hi - lo > (UINT64_C(64) << 20))
		return;
	for (uintptr_t tcb = hi - 64; tcb >= hi - PAGE; tcb -= 64) {
		const uintptr_t *word = (const uintptr_t *)tcb;
		if (word[0] == tcb && word[2] == tcb) {
			scan_later(tcb - bytes, hi);
			return;
		}
	}
}

void det_reach_prepare(void)
{
	s.tls_bytes = 0;
	dl_iterate_phdr(tls_of, &s.tls_bytes);
	det_modules_own(&s.own_lo, &s.own_hi);
}

static void timer_root(void *fn, void *arg_of_fn, void *arg) { mark_word((uintptr_t)arg_of_fn); }

/* --- the goroutines ---------------------------------------------------------------------------------------------------------------- */

static bool count_one(const struct rt_ginfo *info, void *arg)
{
	++*(uint32_t *)arg;
	return true;
}

static bool goes_on_by_itself(const struct rt_ginfo *info)
{
	struct rt_objinfo o;

	if (info->state != RT_G_WAITING || info->system || info->foreign || info->has_deadline || info->n_waits > RT_INSPECT_WAITS)
		return true;
	switch (info->wait) {
	case RT_WAIT_CHAN_RECV_NIL: case RT_WAIT_CHAN_SEND_NIL: case RT_WAIT_SELECT_NO_CASES:
		return false;
	case RT_WAIT_CHAN_RECV: case RT_WAIT_CHAN_SEND: case RT_WAIT_SELECT: case RT_WAIT_MUTEX: case RT_WAIT_RW_RLOCK: case RT_WAIT_RW_LOCK:
	case RT_WAIT_WAITGROUP: case RT_WAIT_COND: case RT_WAIT_ONCE: case RT_WAIT_SEMA:
		break;
	default:
		return true;
	}
	if (info->n_waits == 0)
		return info->wait != RT_WAIT_SELECT;
	for (uint32_t i = 0; i < info->n_waits; i++) {
		const struct rt_wait_entry *w = &info->waits[i];
		if (w->kind == RT_OBJ_NONE || w->kind == RT_OBJ_TIMER || w->kind == RT_OBJ_FD)
			return true;
		if (w->kind != RT_OBJ_CHAN)
			continue;
		det_block_door->obj_info(RT_OBJ_CHAN, w->obj, &o);
		if (o.is_timer_chan)
			return true;
	}
	return false;
}

static bool note_goroutine(const struct rt_ginfo *info, void *arg)
{
	uint32_t max = *(const uint32_t *)arg;
	struct member *m = &s.members[s.graph.n_nodes];
	struct det_node *n = &s.graph.nodes[s.graph.n_nodes];
	struct det_bg *b = det_bg_any() ? det_bg_of(info->id, false) : NULL;
	enum det_proof verdict = b != NULL ? atomic_load(&b->verdict) : DET_PROOF_NONE;

	if (s.graph.n_nodes >= max)
		return false;
	*m = (struct member){ .view = info->g, .gid = info->id, .since_ns = info->since_ns, .stack_lo = info->g->stack_lo, .stack_hi = info->g->stack_hi,
		.regs = info->regs, .n_regs = info->n_regs, .state = (uint8_t)info->state, .wait = (uint8_t)info->wait, .system = info->system,
		.foreign = info->foreign, .self = info->g == s.question->self };
	bool ended = s.question->main_ended && info->id == 1;
	m->skip = m->system || m->foreign || m->self || ended || verdict != DET_PROOF_NONE || (b != NULL && atomic_load(&b->expect_leak));
	m->live_lo = m->self ? s.question->self_sp : info->sp != 0 ? info->sp - RED_ZONE : m->stack_lo;
	if (m->live_lo < m->stack_lo || m->live_lo > m->stack_hi)
		m->live_lo = m->stack_lo;
	/* A plain thread's stack is an ordinary mapping, a root as a whole. */
	if (m->foreign)
		m->stack_lo = m->stack_hi = m->live_lo = 0;
	n->alive = verdict == DET_PROOF_NONE && !ended && goes_on_by_itself(info);
	if (ended)
		m->live_lo = m->stack_hi;
	m->active = n->alive && !m->self && !m->system && !(m->foreign && info->state == RT_G_WAITING);
	m->first_wait = s.n_waits;
	for (uint32_t i = 0; info->state == RT_G_WAITING && i < info->n_waits && i < RT_INSPECT_WAITS; i++, m->n_waits++)
		s.waits[s.n_waits++] = info->waits[i];
	if (m->stack_hi != 0) {
		s.stacks_lo = m->stack_lo < s.stacks_lo ? m->stack_lo : s.stacks_lo;
		s.stacks_hi = m->stack_hi > s.stacks_hi ? m->stack_hi : s.stacks_hi;
	}
	s.graph.n_nodes++;
	return true;
}

static bool count_waits(const struct rt_ginfo *info, void *arg)
{
	*(uint64_t *)arg += info->n_waits < RT_INSPECT_WAITS ? info->n_waits : RT_INSPECT_WAITS;
	return true;
}

static bool node_of(uint64_t gid, uint32_t *out)
{
	for (uint32_t i = 0; i < s.graph.n_nodes; i++)
		if (s.members[i].gid == gid) {
			*out = i;
			return true;
		}
	return false;
}

/* --- waits into terms (research table 7.4) ------------------------------------------------------------------------------------------- */

static void begin_term(void) { s.graph.terms[s.graph.n_terms] = (struct det_term){ .first = s.graph.n_atoms }; }

static void atom(enum det_atom_kind kind, uintptr_t what)
{
	s.graph.atoms[s.graph.n_atoms++] = (struct det_atom){ kind, what };
	s.graph.terms[s.graph.n_terms].n++;
}

static void end_term(struct det_node *n)
{
	s.graph.n_terms++;
	n->n++;
}

/* A goroutine that must go on: if it has ended, nobody will do its part (an atom that never holds). */
static void atom_alive(uint64_t gid)
{
	uint32_t i;

	if (node_of(gid, &i))
		atom(DET_ATOM_ALIVE, i);
	else
		atom(DET_ATOM_REACHED, 0);
}

#define READERS_MAX 16

static void write_lock_term(struct det_node *n, const struct rt_wait_entry *w, const struct rt_objinfo *o)
{
	struct det_hold holds[READERS_MAX];
	uint32_t n_holds = det_hold_list((uintptr_t)w->obj, holds, READERS_MAX);
	int64_t n_known = 0;

	for (uint32_t i = 0; i < n_holds; i++)
		n_known += holds[i].count;
	begin_term();
	atom(DET_ATOM_REACHED, (uintptr_t)w->obj);
	/* The readers are known exactly if we know as many as are counted. */
	if (o->owner_id != 0)
		atom_alive(o->owner_id);
	else if (!o->handover && n_holds < READERS_MAX && n_known == o->counter)
		for (uint32_t i = 0; i < n_holds; i++)
			atom_alive(holds[i].gid);
	end_term(n);
}

static void read_lock_terms(struct det_node *n, const struct rt_wait_entry *w, const struct rt_objinfo *o)
{
	bool queued = false;

	if (o->owner_id == 0 && o->writer_waiting)
		for (uint32_t i = 0; i < s.graph.n_nodes; i++) {        /* any writer queued on it may be the one ahead */
			const struct member *m = &s.members[i];
			const struct rt_wait_entry *v = &s.waits[m->first_wait];
			if (m->wait != RT_WAIT_RW_LOCK || m->n_waits == 0 || v->obj != w->obj)
				continue;
			queued = true;
			begin_term();
			atom(DET_ATOM_ALIVE, i);
			end_term(n);
			break;                  /* one that is alive makes all alive: they wait for the same readers */
		}
	if (queued)
		return;
	begin_term();
	atom(DET_ATOM_REACHED, (uintptr_t)w->obj);
	if (o->owner_id != 0)
		atom_alive(o->owner_id);
	end_term(n);
}

static void add_terms(struct det_node *n, const struct rt_wait_entry *w)
{
	struct rt_objinfo o = { 0 };

	if (w->kind == RT_OBJ_MUTEX || w->kind == RT_OBJ_RWMUTEX || w->kind == RT_OBJ_ONCE)
		det_block_door->obj_info(w->kind, w->obj, &o);
	if (w->kind == RT_OBJ_RWMUTEX && w->op == RT_OP_LOCK) {
		write_lock_term(n, w, &o);
	} else if (w->kind == RT_OBJ_RWMUTEX && w->op == RT_OP_RLOCK) {
		read_lock_terms(n, w, &o);
	} else {
		begin_term();
		if (w->kind != RT_OBJ_ONCE || o.owner_id == 0)
			atom(DET_ATOM_REACHED, (uintptr_t)w->obj);
		if (o.owner_id != 0 && !o.handover)
			atom_alive(o.owner_id);
		end_term(n);
	}
}

static void build_graph(void)
{
	for (uint32_t i = 0; i < s.graph.n_nodes && s.given_up == NULL; i++) {
		struct member *m = &s.members[i];
		struct det_node *n = &s.graph.nodes[i];
		n->first = s.graph.n_terms;
		if (n->alive || m->live_lo == m->stack_hi || (m->skip && !m->self && det_block_convicted(m->gid)))
			continue;
		for (uint32_t k = 0; k < m->n_waits; k++)
			add_terms(n, &s.waits[m->first_wait + k]);
	}
}

/* --- the fix-point's questions ---------------------------------------------------------------------------------------------------------- */

static bool reached(uintptr_t object, void *arg)
{
	struct det_heap_block b;
	struct member *m;

	if (object == 0)
		return false;
	if (object >= s.heap_lo && object < s.heap_hi && det_heap_find(object, &b))
		return b.id >= s.heap_ids || is_marked(b.id);
	m = member_at(object);
	if (m != NULL)
		return m->marked_stack;
	return true;                    /* a global, or memory we know nothing of: any code may get at it */
}

static void enliven(uint32_t i, void *arg)
{
	struct member *m = &s.members[i];

	for (uint32_t k = 0; k < m->n_regs; k++)
		mark_word(m->regs[k]);
	mark_stack(m);
	drain();
}

static uint32_t unknown_threads(const struct det_question *q)
{
	return q->n_unknown_threads > 0 ? (uint32_t)q->n_unknown_threads : 0;
}

static void write_answer(struct det_answer *out)
{
	struct rt_sources sources;
	bool quiet = !s.question->self || s.question->main_ended;

	det_block_door->sources(&sources);
	quiet = quiet && sources.timer_funcs == 0 && sources.timer_chans_awaited == 0 && unknown_threads(s.question) == 0;
	for (uint32_t i = 0; i < s.graph.n_nodes; i++)
		quiet = quiet && !s.members[i].active;
	out->quiet = quiet;
	out->unknown_threads = unknown_threads(s.question) != 0;
	for (uint32_t i = 0; i < s.graph.n_nodes; i++) {
		const struct member *m = &s.members[i];
		const struct det_node *n = &s.graph.nodes[i];
		bool dead = !n->alive || (quiet && s.question->main_ended && !m->active);
		out->g[out->n++] = (struct det_answer_g){ .view = m->view, .gid = m->gid, .since_ns = m->since_ns, .wait = m->wait, .state = m->state,
			.fate = m->active ? DET_FATE_ACTIVE : dead ? DET_FATE_DEAD : DET_FATE_BLOCKED, .skip = m->skip };
	}
	out->heap_bytes = s.heap_bytes;
	out->root_bytes = s.root_bytes;
}

void det_reach_solve(const struct det_question *q, struct det_answer *out, uint32_t max)
{
	uint32_t n = 0;
	uint64_t n_waits = 0;
	uintptr_t last_arena = 0;
	size_t maps_bytes;

	s.question = q;
	catch_faults();
	s.pagemap_fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
	det_block_door->g_each(count_one, &n);
	det_block_door->g_each(count_waits, &n_waits);
	n = n < max ? n : max;
	s.members = take((n + 1) * sizeof *s.members);
	s.by_stack = take((n + 1) * sizeof *s.by_stack);
	s.graph.nodes = take((n + 1) * sizeof *s.graph.nodes);
	s.waits = take((n_waits + 1) * sizeof *s.waits);
	s.graph.terms = take((n_waits + 1) * sizeof *s.graph.terms);
	s.graph.atoms = take((n_waits + 1) * (READERS_MAX + 2) * sizeof *s.graph.atoms);
	s.holes = take(HOLES_MAX * sizeof *s.holes);
	s.heap_ids = det_heap_ids() + 1;
	s.marked = take(s.heap_ids / 8 + 8);
	s.stacks_lo = s.heap_lo = UINTPTR_MAX;
	s.graph.reached = reached;
	s.graph.enliven = enliven;
	if (s.given_up != NULL)
		goto give_up;

	det_block_door->g_each(note_goroutine, &n);
	for (uint32_t i = 0; i < s.graph.n_nodes; i++)
		s.by_stack[i] = i;
	sort(s.by_stack, s.graph.n_nodes, stack_key);
	build_graph();

	char *maps = read_maps(&maps_bytes);
	if (s.given_up != NULL)
		goto give_up;
	each_mapping(maps, maps_bytes, note_brk);
	det_heap_each(note_block, &last_arena);
	if (s.known_heap)
		add_hole(s.brk_lo, s.brk_hi, NULL);
	det_block_door->own_ranges(add_hole, NULL);
	for (uint32_t i = 0; i < s.graph.n_nodes; i++)
		add_hole(s.members[i].stack_lo, s.members[i].stack_hi, NULL);
	det_reserved_each(add_hole, NULL);
	add_hole(s.own_lo, s.own_hi, NULL);
	sort_holes();
	if (s.given_up != NULL)
		goto give_up;
	det_block_door->own_ranges(pass_over_block, NULL);
	each_mapping(maps, maps_bytes, root_of_mapping);
	det_block_door->own_ranges(worker_tls, &s.tls_bytes);
	det_block_door->timer_roots(timer_root, NULL);
	drain();
	det_graph_solve(&s.graph);
	if (s.given_up == NULL)
		write_answer(out);
give_up:
	out->given_up = s.given_up;
}
