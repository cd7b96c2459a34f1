/* Mappings made and undone by the program: their memory is fresh. Done by the system calls themselves. */
/* off_t is 64 bits anyway, and the redirection of mmap to mmap64 would define one name twice. */
#undef _FILE_OFFSET_BITS
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../hb/hbcore.h"
#include "libc.h"

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

static void *map(void *at, size_t n, int prot, int flags, int fd, long offset)
{
	void *p = (void *)syscall(SYS_mmap, at, n, prot, flags, fd, offset);

	if (p != MAP_FAILED)
		det_memory_reset((uintptr_t)p, n);
	return p;
}

DET_ABI void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset) { return map(at, n, prot, flags, fd, offset); }
DET_ABI void *mmap64(void *at, size_t n, int prot, int flags, int fd, off_t offset) { return map(at, n, prot, flags, fd, offset); }

DET_ABI int munmap(void *p, size_t n)
{
	det_memory_reset((uintptr_t)p, n);
	return (int)syscall(SYS_munmap, p, n);
}
