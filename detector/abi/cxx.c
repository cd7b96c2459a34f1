/* C++: static initialisation guards, and operator new and delete, which live in a library that is not instrumented.
 *
 * Guards are those of the Itanium ABI with libstdc++'s bits, so that both may handle one guard: byte 0 is set when done. Compiled code
 * looks at that byte itself (an atomic acquire load) before it calls; the release goes through the same address for it to be seen.
 *
 * new and delete stand in front only to know the caller: a racing delete is judged like free, and a block is known by who asked for
 * it. A program may replace any of them; the standard makes the other forms call the two basic ones, so each form asks first whether
 * the basic one is still ours. */
#include <dlfcn.h>
#include <linux/futex.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../hb/hbcore.h"
#include "libc.h"
#include "malloc.h"

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

enum { DONE = 1, RUNNING = 1 << 8, WAITERS = 1 << 16 };

DET_ABI int __cxa_guard_acquire(_Atomic uint32_t *guard)
{
	for (;;) {
		uint32_t is = 0;

		if (atomic_compare_exchange_strong(guard, &is, RUNNING))
			return 1;
		if (is & DONE) {
			det_sync_acquire(det_me(), guard, DET_ROLE_ATOMIC);
			return 0;
		}
		if ((is & WAITERS) || atomic_compare_exchange_strong(guard, &is, is | WAITERS))
			syscall(SYS_futex, guard, FUTEX_WAIT_PRIVATE, RUNNING | WAITERS, NULL, NULL, 0);
	}
}

static void leave_guard(_Atomic uint32_t *guard, uint32_t state)
{
	det_sync_release_store(det_me(), guard, DET_ROLE_ATOMIC);
	if (atomic_exchange(guard, state) & WAITERS)
		syscall(SYS_futex, guard, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

DET_ABI void __cxa_guard_release(_Atomic uint32_t *guard) { leave_guard(guard, DONE); }
DET_ABI void __cxa_guard_abort(_Atomic uint32_t *guard) { leave_guard(guard, 0); }

/* --- operator new --- */

DET_ABI void *_Znwm(size_t n);
DET_ABI void _ZdlPv(void *p);
extern __typeof__(_Znwm) own_new __attribute__((alias("_Znwm"), visibility("hidden")));
extern __typeof__(_ZdlPv) own_delete __attribute__((alias("_ZdlPv"), visibility("hidden")));

/* Through the symbol table, which may name a definition of the program. */
static bool new_is_ours(void)
{
	void *(*volatile f)(size_t) = _Znwm;

	return f == own_new;
}

static bool delete_is_ours(void)
{
	void (*volatile f)(void *) = _ZdlPv;

	return f == own_delete;
}

/* Handlers and exceptions are the C++ library's business. */
static void *no_memory(const char *name, size_t n, size_t align)
{
	void *(*next)(size_t, size_t) = NULL;

	*(void **)&next = dlsym(RTLD_NEXT, name);
	if (!next)
		abort();
	return next(n, align);
}

DET_ABI void *_Znwm(size_t n)
{
	void *p = det_malloc(n ? n : 1, DET_CALLER);

	return p ? p : no_memory("_Znwm", n, 0);
}

DET_ABI void *_Znam(size_t n)
{
	void *p = new_is_ours() ? det_malloc(n ? n : 1, DET_CALLER) : _Znwm(n);

	return p ? p : no_memory("_Znam", n, 0);
}

static void *aligned(const char *name, size_t n, size_t align, uintptr_t pc)
{
	void *p = det_memalign(align, n ? n : 1, pc);

	return p ? p : no_memory(name, n, align);
}

DET_ABI void *_ZnwmSt11align_val_t(size_t n, size_t align) { return aligned("_ZnwmSt11align_val_t", n, align, DET_CALLER); }
DET_ABI void *_ZnamSt11align_val_t(size_t n, size_t align) { return aligned("_ZnamSt11align_val_t", n, align, DET_CALLER); }

/* --- operator delete. Aligned blocks come from malloc as well. --- */

DET_ABI void _ZdlPv(void *p) { det_free_block(p, DET_CALLER); }

static void drop(void *p, uintptr_t pc)
{
	if (delete_is_ours())
		det_free_block(p, pc);
	else
		_ZdlPv(p);
}

DET_ABI void _ZdaPv(void *p) { drop(p, DET_CALLER); }
DET_ABI void _ZdlPvm(void *p, size_t n) { drop(p, DET_CALLER); }
DET_ABI void _ZdaPvm(void *p, size_t n) { drop(p, DET_CALLER); }
DET_ABI void _ZdlPvSt11align_val_t(void *p, size_t align) { det_free_block(p, DET_CALLER); }
DET_ABI void _ZdaPvSt11align_val_t(void *p, size_t align) { det_free_block(p, DET_CALLER); }
DET_ABI void _ZdlPvmSt11align_val_t(void *p, size_t n, size_t align) { det_free_block(p, DET_CALLER); }
DET_ABI void _ZdaPvmSt11align_val_t(void *p, size_t n, size_t align) { det_free_block(p, DET_CALLER); }
