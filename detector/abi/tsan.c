/* What -fsanitize=thread makes the compilers call for plain memory accesses and function entry and exit.
 *
 * The fast path answers "this goroutine already did this in its present span" from the cell and the span alone (self.h); everything
 * else goes to det_access. gcc: read/write1..16, read_range/write_range, volatile variants; clang: unaligned and read_write variants,
 * vptr_read. The *_pc forms are for callers that pass their own pc. */
#include "../hb/hbcore.h"
#include "../shadow/map.h"
#include "libc.h"

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

static inline bool in_span(const struct det_g *g, const volatile uint32_t *word)
{
	return *word - g->span_base < g->span_len;
}

static inline bool seen(const struct det_g *g, const struct det_cell *c, bool write)
{
	return in_span(g, &c->w) || (!write && in_span(g, &c->r));
}

static inline __attribute__((always_inline)) void access_n(void *p, size_t n, bool write, uintptr_t pc)
{
	uintptr_t a = (uintptr_t)p;
	struct det_g *g = det_self;
	const struct det_cell *c;

	if (__builtin_expect(!g, 0) && !(g = det_self_slow()))
		return;
	c = det_cell_of(a);
	if (n == 1 || (n < 8 && (a & 3) + n <= 4)) {
		if (seen(g, c, write))
			return;
	} else if ((a & 3) == 0 && n <= 16) {
		if (seen(g, c, write) && seen(g, c + 1, write) && (n == 8 || (seen(g, c + 2, write) && seen(g, c + 3, write))))
			return;
	}
	det_access(g, a, n, write ? DET_WRITE : DET_READ, pc);
}

#define ACCESS(n)                                                                                          \
	DET_ABI void __tsan_read##n(void *a) { access_n(a, n, false, DET_CALLER); }                        \
	DET_ABI void __tsan_write##n(void *a) { access_n(a, n, true, DET_CALLER); }                        \
	DET_ABI void __tsan_read_write##n(void *a) { access_n(a, n, false, DET_CALLER); access_n(a, n, true, DET_CALLER); } \
	DET_ABI void __tsan_volatile_read##n(void *a) { access_n(a, n, false, DET_CALLER); }               \
	DET_ABI void __tsan_volatile_write##n(void *a) { access_n(a, n, true, DET_CALLER); }               \
	DET_ABI void __tsan_read##n##_pc(void *a, void *pc) { access_n(a, n, false, (uintptr_t)pc); }      \
	DET_ABI void __tsan_write##n##_pc(void *a, void *pc) { access_n(a, n, true, (uintptr_t)pc); }

#define UNALIGNED(n)                                                                                       \
	DET_ABI void __tsan_unaligned_read##n(void *a) { access_n(a, n, false, DET_CALLER); }              \
	DET_ABI void __tsan_unaligned_write##n(void *a) { access_n(a, n, true, DET_CALLER); }              \
	DET_ABI void __tsan_unaligned_read_write##n(void *a) { access_n(a, n, false, DET_CALLER); access_n(a, n, true, DET_CALLER); } \
	DET_ABI void __tsan_unaligned_volatile_read##n(void *a) { access_n(a, n, false, DET_CALLER); }     \
	DET_ABI void __tsan_unaligned_volatile_write##n(void *a) { access_n(a, n, true, DET_CALLER); }

ACCESS(1) ACCESS(2) ACCESS(4) ACCESS(8) ACCESS(16)
UNALIGNED(2) UNALIGNED(4) UNALIGNED(8) UNALIGNED(16)

static void range(void *a, size_t n, enum det_kind kind, uintptr_t pc)
{
	struct det_g *g = det_me();

	if (g)
		det_access(g, (uintptr_t)a, n, kind, pc);
}

DET_ABI void __tsan_read_range(void *a, unsigned long n) { range(a, n, DET_READ, DET_CALLER); }
DET_ABI void __tsan_write_range(void *a, unsigned long n) { range(a, n, DET_WRITE, DET_CALLER); }
DET_ABI void __tsan_read_range_pc(void *a, unsigned long n, void *pc) { range(a, n, DET_READ, (uintptr_t)pc); }
DET_ABI void __tsan_write_range_pc(void *a, unsigned long n, void *pc) { range(a, n, DET_WRITE, (uintptr_t)pc); }

/* A destructor chain stores the same vptr again and again while others only read it: no write unless it changes. */
DET_ABI void __tsan_vptr_update(void **slot, void *value) { access_n(slot, 8, *slot != value, DET_CALLER); }
DET_ABI void __tsan_vptr_read(void **slot) { access_n(slot, 8, false, DET_CALLER); }

DET_ABI void __tsan_func_entry(void *return_pc)
{
	struct det_g *g = det_self;
	struct det_frame *f;

	if (__builtin_expect(!g, 0) && !(g = det_self_slow()))
		return;
	f = g->sp;
	if (__builtin_expect(f == g->frames + DET_FRAMES, 0)) {
		g->frames_over++;
		return;
	}
	f->pc = (uintptr_t)return_pc;
	f->ctx = 0;
	f->sp = (uint32_t)(((uintptr_t)__builtin_frame_address(0) + 16) >> 4);
	g->sp = f + 1;
}

DET_ABI void __tsan_func_exit(void)
{
	struct det_g *g = det_self;

	if (__builtin_expect(!g, 0))
		return;
	if (__builtin_expect(g->frames_over != 0, 0))
		g->frames_over--;
	else if (g->sp > g->frames)
		g->sp--;
}

DET_ABI void __tsan_init(void)
{
	det_init();
	det_modules_find();
}

/* --- edges and switches by hand --- */

DET_ABI void __tsan_acquire(void *a) { det_sync_acquire(det_me(), a, DET_ROLE_GENERIC); }
DET_ABI void __tsan_release(void *a) { det_sync_release_join(det_me(), a, DET_ROLE_GENERIC); }
DET_ABI void AnnotateHappensBefore(const char *file, int line, const volatile void *a) { det_sync_release_join(det_me(), (const void *)a, DET_ROLE_GENERIC); }
DET_ABI void AnnotateHappensAfter(const char *file, int line, const volatile void *a) { det_sync_acquire(det_me(), (const void *)a, DET_ROLE_GENERIC); }

static void ignore(bool begin)
{
	struct det_g *g = det_me();

	if (g && begin)
		g->ignore++;
	else if (g && g->ignore)
		g->ignore--;
}

DET_ABI void __tsan_ignore_thread_begin(void) { ignore(true); }
DET_ABI void __tsan_ignore_thread_end(void) { ignore(false); }
DET_ABI void AnnotateIgnoreReadsBegin(const char *file, int line) { ignore(true); }
DET_ABI void AnnotateIgnoreReadsEnd(const char *file, int line) { ignore(false); }
DET_ABI void AnnotateIgnoreWritesBegin(const char *file, int line) { ignore(true); }
DET_ABI void AnnotateIgnoreWritesEnd(const char *file, int line) { ignore(false); }
DET_ABI void AnnotateNewMemory(const char *file, int line, const volatile void *a, long n) { det_memory_reset((uintptr_t)a, (size_t)n); }
