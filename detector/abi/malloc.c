/* The malloc family, in front of glibc's own (__libc_*): fresh memory has no accesses, free is a write of the block, and every live block
 * is known by who allocated it and where (heap.h).
 *
 * The free of a caller that is not instrumented (a library, the runtime) is not judged: the order such code keeps inside is not seen.
 * Its memory is forgotten instead. Inside the detector (busy) calls are passed on unseen. */
#include "malloc.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "../hb/hbcore.h"
#include "../shadow/context.h"
#include "heap.h"
#include "libc.h"

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

/* glibc keeps the chunk's size before the block; flag 2 marks a mapping of its own. */
static size_t usable(const void *p)
{
	size_t word = ((const size_t *)p)[-1];

	return (word & ~(size_t)7) - (word & 2 ? 16 : 8);
}

static void born(struct det_g *g, void *p, size_t n, uintptr_t pc)
{
	if (det_any_instrumented())
		det_forget((uintptr_t)p, usable(p));
	det_sync_forget((uintptr_t)p, usable(p));
	det_heap_add((uintptr_t)p, n, det_row_of(g)->gid, det_ctx_intern(det_ctx_of(g), pc));
}

static void *fresh(void *p, size_t n, uintptr_t pc)
{
	struct det_g *g = p ? det_hook_begin() : NULL;

	if (g) {
		born(g, p, n, pc);
		det_leave();
	}
	return p;
}

static void dead(void *p, uintptr_t pc)
{
	struct det_heap_block block;
	struct det_g *g = p ? det_hook_begin() : NULL;
	bool known;

	if (!g)
		return;
	det_leave();
	if (det_checks_caller(pc) && det_heap_find((uintptr_t)p, &block) && block.start == (uintptr_t)p)
		det_access(g, (uintptr_t)p, block.size, DET_FREE, pc);
	if (!det_enter())
		return;
	known = det_heap_remove((uintptr_t)p, &block);
	if (known && det_any_instrumented() && !det_module_is_instrumented(pc))
		det_forget((uintptr_t)p, usable(p));
	det_sync_forget((uintptr_t)p, usable(p));
	det_leave();
}

void *det_malloc(size_t n, uintptr_t pc) { return fresh(__libc_malloc(n), n, pc); }
void *det_memalign(size_t align, size_t n, uintptr_t pc) { return fresh(__libc_memalign(align, n), n, pc); }

DET_ABI void *malloc(size_t n) { return det_malloc(n, DET_CALLER); }
DET_ABI void *memalign(size_t align, size_t n) { return det_memalign(align, n, DET_CALLER); }
DET_ABI void *aligned_alloc(size_t align, size_t n) { return det_memalign(align, n, DET_CALLER); }
DET_ABI void *valloc(size_t n) { return fresh(__libc_memalign((size_t)getpagesize(), n), n, DET_CALLER); }

DET_ABI void *calloc(size_t count, size_t each)
{
	void *p = __libc_calloc(count, each);

	return fresh(p, count * each, DET_CALLER);
}

DET_ABI int posix_memalign(void **out, size_t align, size_t n)
{
	void *p;

	if (align < sizeof(void *) || (align & (align - 1)))
		return EINVAL;
	p = __libc_memalign(align, n);
	if (!p)
		return ENOMEM;
	*out = fresh(p, n, DET_CALLER);
	return 0;
}

void det_free_block(void *p, uintptr_t pc)
{
	dead(p, pc);
	__libc_free(p);
}

DET_ABI void free(void *p) { det_free_block(p, DET_CALLER); }

/* Judged as free(p) of the whole old block, then a write of what was carried over. If the block did not move, its bytes keep that
 * free as their last write, so that an unordered use of the old pointer is still found. */
static void *resize(void *p, size_t n, uintptr_t pc)
{
	struct det_heap_block block;
	struct det_g *g;
	void *q;
	size_t kept;
	bool known;

	if (!p)
		return fresh(__libc_malloc(n), n, pc);
	if (n == 0) {
		dead(p, pc);
		return __libc_realloc(p, 0);
	}
	g = det_hook_begin();
	if (!g)
		return __libc_realloc(p, n);
	det_leave();
	known = det_heap_find((uintptr_t)p, &block) && block.start == (uintptr_t)p;
	kept = known ? block.size < n ? block.size : n : 0;
	if (known && det_checks_caller(pc))
		det_access(g, (uintptr_t)p, block.size, DET_FREE, pc);
	if (!det_enter())
		return __libc_realloc(p, n);
	/* Taken out first: as soon as the allocator has it back another thread may be given the same address. */
	known = det_heap_remove((uintptr_t)p, &block);
	if (known && det_any_instrumented() && !det_module_is_instrumented(pc))
		det_forget((uintptr_t)p, block.size);
	q = __libc_realloc(p, n);
	if (!q) {
		if (known)
			det_heap_add(block.start, block.size, block.gid, block.ctx);
	} else if (q != p) {
		born(g, q, n, pc);
	} else {
		if (det_any_instrumented() && usable(q) > kept)
			det_forget((uintptr_t)q + kept, usable(q) - kept);
		det_heap_add((uintptr_t)q, n, det_row_of(g)->gid, det_ctx_intern(det_ctx_of(g), pc));
	}
	det_leave();
	if (q && q != p && kept && det_checks_caller(pc))
		det_access(g, (uintptr_t)q, kept, DET_WRITE, pc);
	return q;
}

DET_ABI void *realloc(void *p, size_t n) { return resize(p, n, DET_CALLER); }

DET_ABI void *reallocarray(void *p, size_t count, size_t each)
{
	size_t n;

	if (__builtin_mul_overflow(count, each, &n)) {
		errno = ENOMEM;
		return NULL;
	}
	return resize(p, n, DET_CALLER);
}
