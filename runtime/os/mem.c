/* Address space, guards. */
#include "os.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/uio.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102          /* Linux 6.13 */
#endif

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23          /* Linux 5.14 */
#endif
enum { SELF = -10000 };                 /* PIDFD_SELF_THREAD, Linux 6.14 */

/* A mprotect guard splits its mapping: two VMAs each, of the 65530 a process has by default. Past the budget stacks go unguarded
 * rather than the process out of mappings. */
enum { GUARD_VMAS = 20000 };

static _Atomic bool     no_madv_guard;
static _Atomic uint32_t vmas_spent;

void *rt_os_reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, bytes, MADV_NOHUGEPAGE);
	return p;
}

void rt_os_unreserve(void *p, size_t bytes)
{
	munmap(p, bytes);
}

bool rt_os_guard(void *p, size_t bytes)
{
	if (!atomic_load_explicit(&no_madv_guard, memory_order_relaxed)) {
		if (madvise(p, bytes, MADV_GUARD_INSTALL) == 0)
			return true;
		if (errno != EINVAL)
			return false;
		atomic_store_explicit(&no_madv_guard, true, memory_order_relaxed);
	}
	if (atomic_fetch_add_explicit(&vmas_spent, 2, memory_order_relaxed) >= GUARD_VMAS) {
		atomic_fetch_sub_explicit(&vmas_spent, 2, memory_order_relaxed);
		return false;
	}
	return mprotect(p, bytes, PROT_NONE) == 0;
}

/* One call for all; false where the kernel does not know it so. */
static bool advise_many(const struct rt_os_piece *pieces, size_t n, size_t bytes, int advice)
{
	static _Atomic bool refused;
	struct iovec iov[RT_OS_PIECES_MAX];

	if (atomic_load_explicit(&refused, memory_order_relaxed))
		return false;
	for (size_t i = 0; i < n; i++)
		iov[i] = (struct iovec){ pieces[i].at, bytes };
	ssize_t done = process_madvise(SELF, iov, n, advice, 0);
	if (done < 0 && errno != ENOMEM && errno != EAGAIN)
		atomic_store_explicit(&refused, true, memory_order_relaxed);
	return done == (ssize_t)(n * bytes);
}

void rt_os_guard_many(const struct rt_os_piece *pieces, size_t n, size_t bytes)
{
	if (n == 1 || !advise_many(pieces, n, bytes, MADV_GUARD_INSTALL))
		for (size_t i = 0; i < n; i++)
			rt_os_guard(pieces[i].at, bytes);
}

void rt_os_touch_many(const struct rt_os_piece *pieces, size_t n, size_t bytes)
{
	if (n > 1)
		advise_many(pieces, n, bytes, MADV_POPULATE_WRITE);
}

void rt_os_renew(void *p, size_t bytes)
{
	mmap(p, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK | MAP_FIXED, -1, 0);
}

void rt_os_decommit(void *p, size_t bytes)
{
	madvise(p, bytes, MADV_DONTNEED);
}
