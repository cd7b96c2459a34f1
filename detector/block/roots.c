/* The roots of the frozen copy (reach.h): every writable mapping of the process, except what is looked into only when something points
 * there (the heap's blocks, goroutine stacks) and what belongs to the runtime and to us (its queues would reach every goroutine); the
 * thread-local blocks of workers; arguments of armed timers. Registers and stacks of goroutines that may still go on come later, by
 * the graph. */
#include "reach.h"

#include <fcntl.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../abi/heap.h"
#include "../report/record.h"
#include "../shadow/arena.h"
#include "../shadow/self.h"

#define HOLES_MAX    (1u << 20)
#define ARENA_BYTES  (UINT64_C(64) << 20)       /* of glibc's malloc: heaps of the other arenas are aligned to it */
#define PAGE         UINT64_C(4096)
#define SPARSE_BYTES (UINT64_C(1) << 20)

static struct { const char *text; size_t bytes; } memory_map;

static void add_hole(uintptr_t lo, uintptr_t hi, void *arg)
{
	if (lo >= hi)
		return;
	if (det_reach.n_holes >= HOLES_MAX)
		det_reach.given_up = "leak check: too many ranges";
	else
		det_reach.holes[det_reach.n_holes++] = (struct det_range){ lo, hi };
}

/* The chunk header of glibc before the block tells where it lives. */
static bool note_block(const struct det_heap_block *b, void *arg)
{
	uintptr_t *last_arena = arg;

	det_reach.known_heap = true;
	/* Chunks lie all over memory: their headers are read only where the address does not tell. */
	uintptr_t arena = b->start & ~(ARENA_BYTES - 1);
	bool in_brk = b->start >= det_reach.brk_lo && b->start < det_reach.brk_hi;
	struct det_range *hull = &det_reach.heaps[!in_brk];
	if (hull->lo == UINTPTR_MAX)
		*hull = (struct det_range){ b->start, b->start };
	if (b->start < hull->lo)
		hull->lo = b->start;
	if (b->start + b->size > hull->hi)
		hull->hi = b->start + b->size;
	if (in_brk || arena == *last_arena)
		return true;
	if ((((const size_t *)b->start)[-1] & 4) != 0)
		add_hole(*last_arena = arena, arena + ARENA_BYTES, NULL);
	else
		add_hole(b->start, b->start + (b->size + 7) / 8 * 8, NULL);
	return true;
}

/* Down a heap of holes; in place and without malloc, which qsort may use. */
static void sink(struct det_range *a, uint32_t at, uint32_t n)
{
	for (uint32_t c; (c = 2 * at + 1) < n; at = c) {
		if (c + 1 < n && a[c + 1].lo > a[c].lo)
			c++;
		if (a[at].lo >= a[c].lo)
			return;
		struct det_range t = a[at];
		a[at] = a[c];
		a[c] = t;
	}
}

/* Sorted, and overlapping ones joined, so that both ends grow. */
static void sort_holes(void)
{
	struct det_range *a = det_reach.holes;
	uint32_t n = 0;

	for (uint32_t i = det_reach.n_holes / 2; i-- > 0;)
		sink(a, i, det_reach.n_holes);
	for (uint32_t i = det_reach.n_holes; i-- > 1;) {
		struct det_range t = a[0];
		a[0] = a[i];
		a[i] = t;
		sink(a, 0, i);
	}
	for (uint32_t i = 0; i < det_reach.n_holes; i++) {
		struct det_range r = a[i];
		if (n > 0 && r.lo <= a[n - 1].hi)
			a[n - 1].hi = r.hi > a[n - 1].hi ? r.hi : a[n - 1].hi;
		else
			a[n++] = r;
	}
	det_reach.n_holes = n;
}

/* Of a large anonymous mapping only the pages that were ever touched; untouched ones read as zero. */
static void root_sparse(uintptr_t lo, uintptr_t hi)
{
	static uint64_t entries[512];

	while (lo < hi) {
		size_t pages = (hi - lo) / PAGE < 512 ? (hi - lo) / PAGE : 512;
		ssize_t got = pages == 0 ? -1 : syscall(SYS_pread64, det_reach.pagemap_fd, entries, pages * 8, lo / PAGE * 8);
		if (got < 8) {
			det_mark_range(lo, hi);
			return;
		}
		for (size_t i = 0; i < (size_t)got / 8; i++, lo += PAGE)
			if ((entries[i] >> 62) != 0) {
				det_mark_range(lo, lo + PAGE);
				det_mark_drain();
			}
	}
}

static void root_range(uintptr_t lo, uintptr_t hi, bool anonymous)
{
	if (lo >= hi)
		return;
	det_reach.root_bytes += hi - lo;
	if (anonymous && hi - lo > SPARSE_BYTES && (lo | hi) % PAGE == 0 && det_reach.pagemap_fd >= 0)
		root_sparse(lo, hi);
	else
		det_mark_range(lo, hi);
}

/* A writable mapping, less its holes. */
static void root_mapping(uintptr_t lo, uintptr_t hi, bool anonymous)
{
	uint32_t a = 0, b = det_reach.n_holes;

	while (b > a) {                         /* the first hole that ends after lo */
		uint32_t mid = a + (b - a) / 2;
		if (det_reach.holes[mid].hi <= lo)
			a = mid + 1;
		else
			b = mid;
	}
	for (; a < det_reach.n_holes && det_reach.holes[a].lo < hi; a++) {
		root_range(lo, det_reach.holes[a].lo, anonymous);
		lo = det_reach.holes[a].hi;
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

/* behind_file: anonymous memory right behind a private mapping of a file: the zeroed part of a module's data. */
struct mapping { uintptr_t lo, hi; bool writable, heap, device, anonymous, of_file, behind_file; };

/* "lo-hi rwxp offset dev inode path" */
static struct mapping parse_mapping(const char *line, size_t n)
{
	struct mapping m = { 0 };
	const char *at = line, *end = line + n;

	m.lo = hex(&at);
	if (at < end && *at == '-')
		at++;
	m.hi = hex(&at);
	/* Anonymous memory that may only be read now was written before. */
	m.writable = end - at > 4 && at[1] == 'r' && (at[2] == 'w' || (at[3] != 'x' && memchr(at, '/', (size_t)(end - at)) == NULL && memchr(at, '[', (size_t)(end - at)) == NULL));
	m.heap = n > 6 && memcmp(end - 6, "[heap]", 6) == 0;
	const char *slash = memchr(at, '/', (size_t)(end - at));
	m.anonymous = slash == NULL;
	m.of_file = slash != NULL && end - at > 4 && at[4] == 'p';
	m.device = slash != NULL && end - slash > 5 && memcmp(slash, "/dev/", 5) == 0 &&
		!(end - slash > 9 && memcmp(slash, "/dev/shm/", 9) == 0) && !(end - slash > 9 && memcmp(slash, "/dev/zero", 9) == 0);
	return m;
}

static void each_mapping(const char *maps, size_t n, void (*visit)(const struct mapping *m))
{
	uintptr_t file_end = 0;

	for (size_t at = 0; at < n;) {
		const char *nl = memchr(maps + at, '\n', n - at);
		size_t bytes = nl != NULL ? (size_t)(nl - (maps + at)) : n - at;
		struct mapping m = parse_mapping(maps + at, bytes);
		m.behind_file = m.anonymous && !m.heap && file_end == m.lo;
		if (m.of_file)
			file_end = m.hi;
		if (m.writable)
			visit(&m);
		at += bytes + 1;
	}
}

static void note_brk(const struct mapping *m)
{
	if (m->heap) {
		det_reach.brk_lo = m->lo;
		det_reach.brk_hi = m->hi;
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
	char *text = det_reach_take(room);
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	ssize_t n = 0;

	*bytes = 0;
	while (fd >= 0 && *bytes < room && (n = syscall(SYS_read, fd, text + *bytes, room - *bytes)) > 0)
		*bytes += (size_t)n;
	if (fd < 0 || n < 0 || *bytes == 0 || *bytes >= room)
		det_reach.given_up = "leak check: memory map unreadable";
	return text;
}

static int look_at_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t lo = 0, hi = 0;
	bool libc = false;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + ph->p_vaddr;
		/* The program itself has no name here. */
		if (ph->p_type == PT_LOAD && *info->dlpi_name != 0 && (uintptr_t)det_block_door->world_stop - start < ph->p_memsz) {
			det_reach.runtime_lo = start;
			det_reach.runtime_hi = start + ph->p_memsz;
		}
		if (ph->p_type == PT_TLS)
			det_reach.tls_bytes += ph->p_memsz + ph->p_align;
		if (ph->p_type != PT_LOAD)
			continue;
		libc |= (uintptr_t)gnu_get_libc_version - start < ph->p_memsz;
		if ((ph->p_flags & PF_W) != 0) {
			lo = start;
			hi = start + ph->p_memsz;
		}
	}
	if (libc) {
		det_reach.libc_lo = lo;
		det_reach.libc_hi = hi;
	}
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
			det_mark_range(tcb - bytes, hi);
			return;
		}
	}
}

void det_reach_prepare(void)
{
	det_reach.tls_bytes = 0;
	dl_iterate_phdr(look_at_module, NULL);
	det_modules_own(&det_reach.own_lo, &det_reach.own_hi);
}

static void timer_root(void *fn, void *arg_of_fn, void *arg) { det_mark_word((uintptr_t)arg_of_fn, 0); }

void det_roots_find(void)
{
	uintptr_t last_arena = 0;

	det_reach.pagemap_fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
	det_reach.holes = det_reach_take(HOLES_MAX * sizeof *det_reach.holes);
	memory_map.text = read_maps(&memory_map.bytes);
	if (det_reach.given_up != NULL)
		return;
	each_mapping(memory_map.text, memory_map.bytes, note_brk);
	det_heap_each(note_block, &last_arena);
	if (det_reach.known_heap)
		add_hole(det_reach.brk_lo, det_reach.brk_hi, NULL);
	det_block_door->own_ranges(add_hole, NULL);
	/* The other goroutines' stacks lie in the runtime's ranges. */
	for (uint32_t i = 0; i < det_reach.graph.n_nodes; i++)
		if (det_reach.members[i].gid == 1)
			add_hole(det_reach.members[i].stack_lo, det_reach.members[i].stack_hi, NULL);
	det_reserved_each(add_hole, NULL);
	add_hole(det_reach.own_lo, det_reach.own_hi, NULL);
	sort_holes();
}

void det_roots_mark_strong(void)
{
	det_block_door->own_ranges(det_mark_pass_over, NULL);
	det_block_door->own_ranges(worker_tls, &det_reach.tls_bytes);
	det_block_door->timer_roots(timer_root, NULL);
	/* Whatever attached threads can reach is no mere suspicion. */
	for (uint32_t i = 0; i < det_reach.graph.n_nodes && det_reach.question->suspect_before_ns != 0; i++)
		if (det_reach.members[i].foreign)
			root_sparse(det_reach.members[i].view->stack_lo & ~(PAGE - 1), det_reach.members[i].view->stack_hi & ~(PAGE - 1));
	det_mark_drain();
}

void det_roots_mark_mappings(void)
{
	each_mapping(memory_map.text, memory_map.bytes, root_of_mapping);
	det_mark_drain();
}

static struct { uintptr_t addr; bool found; } module_question;

static void look_for_module(const struct mapping *m)
{
	module_question.found |= module_question.addr >= m->lo && module_question.addr < m->hi && (m->of_file || m->behind_file);
}

bool det_root_is_of_module(uintptr_t addr)
{
	module_question.addr = addr;
	module_question.found = false;
	each_mapping(memory_map.text, memory_map.bytes, look_for_module);
	return module_question.found;
}
