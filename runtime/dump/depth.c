#include "depth.h"

#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

/* /proc/self/pagemap, a word for each page, tells which pages exist, swapped out or not: only those are read, so that a look at a
 * million stacks leaves no page tables behind, and none is missing from the middle of main's stack. -1: cannot be had. */
static int pagemap = -1;

enum { PAGE = 4096, ENTRIES = 512 };
static const uintptr_t far_bytes = (uintptr_t)1 << 30;  /* main's stack may have no limit; deeper than this is not looked for */
#define PAGE_IS_THERE (UINT64_C(3) << 62)               /* present, swapped */

void rt_depth_begin(void)
{
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
}

void rt_depth_end(void)
{
	if (pagemap >= 0)
		close(pagemap);
	pagemap = -1;
}

/* The lowest address in the page, or above it and below hi, whose word is not zero; hi: none. The owner may be writing. */
static __attribute__((no_sanitize("address", "thread"))) uintptr_t lowest_word(uintptr_t page, uintptr_t lo, uintptr_t hi)
{
	uintptr_t end = page + PAGE < hi ? page + PAGE : hi;

	for (uintptr_t at = page > lo ? page : lo; at + sizeof(uintptr_t) <= end; at += sizeof(uintptr_t))
		if (*(const volatile uintptr_t *)at != 0)
			return at;
	return hi;
}

size_t rt_depth_of(uintptr_t lo, uintptr_t hi)
{
	static uint64_t there[ENTRIES];         /* not on the stack, which may be a goroutine's */

	if (pagemap < 0 || lo == 0 || lo >= hi)
		return 0;
	if (hi - lo > far_bytes)
		lo = hi - far_bytes;
	lo = (lo + sizeof(uintptr_t) - 1) & ~(uintptr_t)(sizeof(uintptr_t) - 1);
	for (uintptr_t page = lo & ~(uintptr_t)(PAGE - 1); page < hi;) {
		size_t n = (hi - page + PAGE - 1) / PAGE;
		if (n > ENTRIES)
			n = ENTRIES;
		ssize_t got = pread(pagemap, there, n * sizeof *there, (off_t)(page / PAGE * sizeof *there));
		if (got < (ssize_t)sizeof *there)
			return 0;
		n = (size_t)got / sizeof *there;
		for (size_t i = 0; i < n; i++, page += PAGE)
			if (there[i] & PAGE_IS_THERE) {
				uintptr_t at = lowest_word(page, lo, hi);
				if (at < hi)
					return hi - at;
			}
	}
	return 0;
}
