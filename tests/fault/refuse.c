/* Preloaded: makes the system refuse. Counts what libcsprt asks of libc, by name, and lets a chosen call fail as the kernel might.
 *   REFUSE=name:n         the n-th call of that name fails (from 1)
 *   REFUSE=name:n+        so do all later ones
 *   REFUSE=pthread_create:n~   the n-th thread is not refused but begins late, perhaps not before the process ends
 *   REFUSE_REPORT=path    at exit: a line "name count" for each, "blocks count": what libcsprt allocated and nobody freed, and for each of
 *                         those "block offset": where in libcsprt
 * Only calls whose return address lies in libcsprt count: the program under test, the loader and libc itself are left alone. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <dirent.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))

enum call {
	MMAP, MUNMAP, MPROTECT, MADVISE, MREMAP, PTHREAD_CREATE, EPOLL_CREATE1, EPOLL_CTL, EPOLL_WAIT, EVENTFD, ACCEPT4, SIGALTSTACK, MALLOC, OPEN, OPENDIR,
	READ, WRITE, FCNTL, FSTAT, POLL, MEMBARRIER, GETATTR, KEY_CREATE, DLOPEN, CONNECT, RECV, SEND, SETSOCKOPT, GETSOCKOPT, FUTEX_WAITS, TGKILL, PWAIT2,
	AFFINITY, SCHED_ATTR, PRCTL, SETSPECIFIC, CLOSE, READLINK, N_CALLS
};
static const char *const names[N_CALLS] = {
	"mmap", "munmap", "mprotect", "madvise", "mremap", "pthread_create", "epoll_create1", "epoll_ctl", "epoll_wait", "eventfd", "accept4", "sigaltstack",
	"malloc", "open", "opendir", "read", "write", "fcntl", "fstat", "poll", "membarrier", "pthread_getattr", "pthread_key_create", "dlopen",
	"connect", "recv", "send", "setsockopt", "getsockopt", "futex", "tgkill", "epoll_pwait2", "sched_getaffinity", "sched_attr", "prctl",
	"pthread_setspecific", "close", "readlink",
};
static const int reasons[N_CALLS] = {
	ENOMEM, ENOMEM, ENOMEM, ENOMEM, ENOMEM, EAGAIN, EMFILE, ENOSPC, EINTR, EMFILE, EMFILE, ENOMEM,
	ENOMEM, EMFILE, EMFILE, EINTR, EINTR, EPERM, ENOMEM, ENOMEM, ENOMEM, ENOMEM, EAGAIN, ENOENT,
	EADDRNOTAVAIL, EINTR, EINTR, ENOPROTOOPT, ENOBUFS, EINTR, EAGAIN, ENOSYS, EINVAL, EPERM, EPERM,
	ENOMEM, EINTR, EACCES,
};

static _Atomic uint32_t counts[N_CALLS];
static int chosen = -1;
static uint32_t from, until;
static bool late;
static uintptr_t base, text_lo, text_hi;

static int find_library(struct dl_phdr_info *info, size_t bytes, void *arg)
{
	if (!strstr(info->dlpi_name, "libcsprt.so"))
		return 0;
	base = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD && (info->dlpi_phdr[i].p_flags & PF_X)) {
			text_lo = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
			text_hi = text_lo + info->dlpi_phdr[i].p_memsz;
		}
	return 1;
}

__attribute__((constructor)) static void begin(void)
{
	const char *word = getenv("REFUSE"), *colon = word ? strchr(word, ':') : NULL;

	dl_iterate_phdr(find_library, NULL);
	if (!colon)
		return;
	for (int i = 0; i < N_CALLS; i++)
		if (strlen(names[i]) == (size_t)(colon - word) && strncmp(names[i], word, (size_t)(colon - word)) == 0)
			chosen = i;
	from = (uint32_t)strtoul(colon + 1, NULL, 10);
	until = strchr(colon, '+') ? UINT32_MAX : from;
	late = strchr(colon, '~') != NULL;
}

static bool refused(enum call call, void *pc)
{
	if ((uintptr_t)pc < text_lo || (uintptr_t)pc >= text_hi)
		return false;
	uint32_t n = atomic_fetch_add(&counts[call], 1) + 1;
	if ((int)call != chosen || n < from || n > until)
		return false;
	errno = reasons[call];
	return true;
}

#define HERE __builtin_return_address(0)
#define NEXT(name) ((__typeof__(&name))next_of(#name))

static void *next_of(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

/* --- memory -------------------------------------------------------------------------------------------------------------- */

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_realloc(void *p, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);
void  __libc_free(void *p);

/* Blocks that libcsprt got and nobody has freed: a set by open addressing that never fills. */
enum { SLOTS = 1 << 16 };
static void *_Atomic blocks[SLOTS];
static uintptr_t owners[SLOTS];
static void *const gone = (void *)1;

static void *note(void *p, void *pc)
{
	if (!p || (uintptr_t)pc < text_lo || (uintptr_t)pc >= text_hi)
		return p;
	for (size_t i = ((uintptr_t)p >> 4) % SLOTS;; i = (i + 1) % SLOTS) {
		void *old = atomic_load(&blocks[i]);
		if ((old == NULL || old == gone) && atomic_compare_exchange_strong(&blocks[i], &old, p)) {
			owners[i] = (uintptr_t)pc - base;
			return p;
		}
	}
}

static void forget(void *p)
{
	for (size_t i = ((uintptr_t)p >> 4) % SLOTS, n = 0; p && n < SLOTS; i = (i + 1) % SLOTS, n++) {
		void *old = atomic_load(&blocks[i]);
		if (old == NULL)
			return;
		if (old == p) {
			atomic_store(&blocks[i], gone);
			return;
		}
	}
}

API void *malloc(size_t bytes) { return refused(MALLOC, HERE) ? NULL : note(__libc_malloc(bytes), HERE); }
API void *calloc(size_t n, size_t bytes) { return refused(MALLOC, HERE) ? NULL : note(__libc_calloc(n, bytes), HERE); }

API void *realloc(void *p, size_t bytes)
{
	void *pc = HERE;

	if (refused(MALLOC, pc))
		return NULL;
	forget(p);
	return note(__libc_realloc(p, bytes), pc);
}

/* Records of workers: as many as there happen to be. Not among the blocks. */
API void *aligned_alloc(size_t align, size_t bytes) { return refused(MALLOC, HERE) ? NULL : __libc_memalign(align, bytes); }

API void free(void *p)
{
	forget(p);
	__libc_free(p);
}

API void *mmap64(void *p, size_t bytes, int prot, int flags, int fd, off64_t offset)
{
	return refused(MMAP, HERE) ? MAP_FAILED : (void *)syscall(SYS_mmap, p, bytes, prot, flags, fd, offset);
}

API int munmap(void *p, size_t bytes) { return refused(MUNMAP, HERE) ? -1 : (int)syscall(SYS_munmap, p, bytes); }
API int mprotect(void *p, size_t bytes, int prot) { return refused(MPROTECT, HERE) ? -1 : (int)syscall(SYS_mprotect, p, bytes, prot); }
API int madvise(void *p, size_t bytes, int advice) { return refused(MADVISE, HERE) ? -1 : (int)syscall(SYS_madvise, p, bytes, advice); }

API void *mremap(void *p, size_t old_bytes, size_t bytes, int flags, ...)
{
	va_list list;
	va_start(list, flags);
	void *to = flags & MREMAP_FIXED ? va_arg(list, void *) : NULL;
	va_end(list);
	return refused(MREMAP, HERE) ? MAP_FAILED : (void *)syscall(SYS_mremap, p, old_bytes, bytes, flags, to);
}

/* --- threads and signals ------------------------------------------------------------------------------------------------- */

struct late_start { void *(*fn)(void *); void *arg; };

static void *start_late(void *p)
{
	struct late_start s = *(struct late_start *)p;

	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);     /* the program takes less */
	return s.fn(s.arg);
}

API int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	static struct late_start start;

	if (!refused(PTHREAD_CREATE, HERE))
		return NEXT(pthread_create)(thread, attr, fn, arg);
	if (!late)
		return EAGAIN;
	start = (struct late_start){ fn, arg };
	return NEXT(pthread_create)(thread, attr, start_late, &start);
}

API int pthread_getattr_np(pthread_t thread, pthread_attr_t *attr)
{
	return refused(GETATTR, HERE) ? ENOMEM : NEXT(pthread_getattr_np)(thread, attr);
}

API int pthread_key_create(pthread_key_t *key, void (*destroy)(void *))
{
	return refused(KEY_CREATE, HERE) ? EAGAIN : NEXT(pthread_key_create)(key, destroy);
}

API int pthread_setspecific(pthread_key_t key, const void *value)
{
	return refused(SETSPECIFIC, HERE) ? ENOMEM : NEXT(pthread_setspecific)(key, value);
}

API int sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *set)
{
	return refused(AFFINITY, HERE) ? -1 : NEXT(sched_getaffinity)(pid, bytes, set);
}

API int prctl(int op, ...)
{
	unsigned long a[4];
	va_list list;

	va_start(list, op);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(list, unsigned long);
	va_end(list);
	return refused(PRCTL, HERE) ? -1 : (int)syscall(SYS_prctl, op, a[0], a[1], a[2], a[3]);
}

API int sigaltstack(const stack_t *ss, stack_t *old) { return refused(SIGALTSTACK, HERE) ? -1 : (int)syscall(SYS_sigaltstack, ss, old); }

API long syscall(long number, ...)
{
	static long (*next)(long, ...);
	long a[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if ((number == SYS_membarrier && refused(MEMBARRIER, HERE)) || (number == SYS_tgkill && refused(TGKILL, HERE)) ||
	    ((number == SYS_sched_getattr || number == SYS_sched_setattr) && refused(SCHED_ATTR, HERE)) ||
	    (number == SYS_futex && (a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT && refused(FUTEX_WAITS, HERE)))
		return -1;
	if (!next)
		next = (long (*)(long, ...))next_of("syscall");
	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* --- descriptors --------------------------------------------------------------------------------------------------------- */

API int epoll_create1(int flags) { return refused(EPOLL_CREATE1, HERE) ? -1 : NEXT(epoll_create1)(flags); }
API int epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev) { return refused(EPOLL_CTL, HERE) ? -1 : NEXT(epoll_ctl)(epfd, op, fd, ev); }
API int eventfd(unsigned n, int flags) { return refused(EVENTFD, HERE) ? -1 : NEXT(eventfd)(n, flags); }

API int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
	return refused(EPOLL_WAIT, HERE) ? -1 : NEXT(epoll_wait)(epfd, events, max, timeout);
}

API int epoll_pwait2(int epfd, struct epoll_event *events, int max, const struct timespec *timeout, const sigset_t *mask)
{
	return refused(PWAIT2, HERE) || refused(EPOLL_WAIT, HERE) ? -1 : NEXT(epoll_pwait2)(epfd, events, max, timeout, mask);
}

API int accept4(int fd, struct sockaddr *restrict addr, socklen_t *restrict bytes, int flags)
{
	return refused(ACCEPT4, HERE) ? -1 : NEXT(accept4)(fd, addr, bytes, flags);
}

API int open64(const char *path, int flags, ...)
{
	va_list list;
	va_start(list, flags);
	mode_t mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
	va_end(list);
	return refused(OPEN, HERE) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

API DIR *opendir(const char *path) { return refused(OPENDIR, HERE) ? NULL : NEXT(opendir)(path); }
API ssize_t read(int fd, void *buf, size_t bytes) { return refused(READ, HERE) ? -1 : syscall(SYS_read, fd, buf, bytes); }
API ssize_t write(int fd, const void *buf, size_t bytes) { return refused(WRITE, HERE) ? -1 : syscall(SYS_write, fd, buf, bytes); }
API int fstat64(int fd, struct stat64 *st) { return refused(FSTAT, HERE) ? -1 : NEXT(fstat64)(fd, st); }
API int poll(struct pollfd *fds, nfds_t n, int timeout) { return refused(POLL, HERE) ? -1 : NEXT(poll)(fds, n, timeout); }
API int connect(int fd, const struct sockaddr *to, socklen_t bytes) { return refused(CONNECT, HERE) ? -1 : NEXT(connect)(fd, to, bytes); }
API ssize_t recv(int fd, void *buf, size_t bytes, int flags) { return refused(RECV, HERE) ? -1 : NEXT(recv)(fd, buf, bytes, flags); }
API ssize_t recvmsg(int fd, struct msghdr *msg, int flags) { return refused(RECV, HERE) ? -1 : NEXT(recvmsg)(fd, msg, flags); }
API ssize_t send(int fd, const void *buf, size_t bytes, int flags) { return refused(SEND, HERE) ? -1 : NEXT(send)(fd, buf, bytes, flags); }
API ssize_t sendmsg(int fd, const struct msghdr *msg, int flags) { return refused(SEND, HERE) ? -1 : NEXT(sendmsg)(fd, msg, flags); }

API int setsockopt(int fd, int level, int name, const void *value, socklen_t bytes)
{
	return refused(SETSOCKOPT, HERE) ? -1 : NEXT(setsockopt)(fd, level, name, value, bytes);
}

API int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict bytes)
{
	return refused(GETSOCKOPT, HERE) ? -1 : NEXT(getsockopt)(fd, level, name, value, bytes);
}

/* Linux has closed the descriptor also when it says EINTR. */
API int close(int fd)
{
	long result = syscall(SYS_close, fd);

	return refused(CLOSE, HERE) ? -1 : (int)result;
}

API ssize_t readlink(const char *restrict path, char *restrict buf, size_t bytes)
{
	return refused(READLINK, HERE) ? -1 : syscall(SYS_readlink, path, buf, bytes);
}

API void *dlopen(const char *path, int flags) { return refused(DLOPEN, HERE) ? NULL : NEXT(dlopen)(path, flags); }

API int fcntl64(int fd, int op, ...)
{
	va_list list;
	va_start(list, op);
	long arg = va_arg(list, long);
	va_end(list);
	/* The kernel refuses to set flags (EPERM), not to tell them. */
	return op == F_SETFL && refused(FCNTL, HERE) ? -1 : (int)syscall(SYS_fcntl, fd, op, arg);
}

/* --- report -------------------------------------------------------------------------------------------------------------- */

__attribute__((destructor)) static void report(void)
{
	const char *path = getenv("REFUSE_REPORT");
	int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0644) : -1;
	unsigned live = 0;

	if (fd < 0)
		return;
	for (int i = 0; i < SLOTS; i++) {
		void *p = atomic_load(&blocks[i]);
		live += p != NULL && p != gone;
	}
	for (int i = 0; i < N_CALLS; i++)
		dprintf(fd, "%s %u\n", names[i], atomic_load(&counts[i]));
	dprintf(fd, "blocks %u\n", live);
	for (int i = 0; i < SLOTS; i++) {
		void *p = atomic_load(&blocks[i]);
		if (p != NULL && p != gone)
			dprintf(fd, "block %lu\n", (unsigned long)owners[i]);
	}
	close(fd);
}

/* Fatal errors end the process this way. */
API void _exit(int status)
{
	report();
	syscall(SYS_exit_group, status);
	__builtin_unreachable();
}
