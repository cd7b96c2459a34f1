/* Threads, futexes, and what /proc says about them. */
#include "os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SIGNAL_STACK_BYTES = 128 << 10 };

void rt_os_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
	struct timespec ts = { timeout_ns / 1000000000, timeout_ns % 1000000000 };

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout_ns < 0 ? NULL : &ts, NULL, 0);
}

void rt_os_futex_wake(_Atomic uint32_t *word, int n)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

/* struct sched_attr, which glibc does not declare before 2.41. For SCHED_OTHER `runtime_ns` is the length of a slice: who asks for short ones
 * preempts who has long ones, and gets no more processor time in all. Older kernels ignore it. */
struct sched_request {
	uint32_t size, policy;
	uint64_t flags;
	int32_t  nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
};

void rt_os_short_slices(void)
{
	struct sched_request request = { .size = sizeof request };

	if (syscall(SYS_sched_getattr, 0, &request, sizeof request, 0) != 0 || request.policy != SCHED_OTHER)
		return;
	request.size = sizeof request;
	request.runtime_ns = 100000;
	syscall(SYS_sched_setattr, 0, &request, 0);
}

int32_t rt_os_tid(void)
{
	return (int32_t)syscall(SYS_gettid);
}

bool rt_os_is_main_thread(void)
{
	return rt_os_tid() == (int32_t)getpid();
}

int rt_os_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
		return CPU_COUNT(&set);
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 ? (int)n : 1;
}

static ssize_t read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, buf, size - 1);
	close(fd);
	if (n >= 0)
		buf[n] = 0;
	return n;
}

/* Our threads but workers, on which a goroutine may run: a thread it creates there bears the worker's name until it takes another. */
static bool is_helper_name(const char *name)
{
	return strncmp(name, "csp-", 4) == 0 && strcmp(name, "csp-worker\n") != 0;
}

int rt_os_foreign_threads(const int32_t *ours, int n_ours)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	int count = 0;

	if (!dir)
		return -1;
	while ((entry = readdir(dir))) {
		char path[64], name[32];
		int32_t tid = (int32_t)atoi(entry->d_name);
		bool mine = tid <= 0;

		for (int i = 0; i < n_ours && !mine; i++)
			mine = ours[i] == tid;
		if (mine)
			continue;
		snprintf(path, sizeof path, "/proc/self/task/%d/comm", tid);
		if (read_file(path, name, sizeof name) >= 0 && !is_helper_name(name))
			count++;
	}
	closedir(dir);
	return count;
}

bool rt_os_thread_blocked(int32_t tid)
{
	char path[64], buf[256];

	snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
	if (read_file(path, buf, sizeof buf) <= 0)
		return false;
	const char *paren = strrchr(buf, ')');
	return paren && (paren[2] == 'S' || paren[2] == 'D');
}

int rt_os_thread(void *(*fn)(void *), void *arg, size_t stack_bytes)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, stack_bytes);
	int err = pthread_create(&thread, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	return err;
}

/* Those we made. Beyond the table's end they are memory like any other. */
enum { SIGNAL_STACKS_MAX = 4096 };
static _Atomic uintptr_t signal_stacks[SIGNAL_STACKS_MAX];
static _Atomic uint32_t n_signal_stacks;

void rt_os_name_thread(const char *name)
{
	pthread_setname_np(pthread_self(), name);
}

void rt_os_signal_stack(void)
{
	stack_t old, ss = { .ss_size = SIGNAL_STACK_BYTES };

	if (sigaltstack(NULL, &old) == 0 && !(old.ss_flags & SS_DISABLE) && old.ss_size >= (64 << 10))
		return;
	ss.ss_sp = mmap(NULL, ss.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ss.ss_sp == MAP_FAILED || sigaltstack(&ss, NULL) != 0)
		return;
	uint32_t i = atomic_fetch_add(&n_signal_stacks, 1);
	if (i < SIGNAL_STACKS_MAX)
		atomic_store(&signal_stacks[i], (uintptr_t)ss.ss_sp);
}

void rt_os_thread_stack(uintptr_t *lo, uintptr_t *hi)
{
	pthread_attr_t attr;
	void *base;
	size_t size;

	*lo = *hi = 0;
	if (pthread_getattr_np(pthread_self(), &attr) != 0)
		return;
	if (pthread_attr_getstack(&attr, &base, &size) == 0) {
		*lo = (uintptr_t)base;
		*hi = (uintptr_t)base + size;
	}
	pthread_attr_destroy(&attr);
}

static struct { _Atomic uintptr_t lo, hi; } service_stacks[RT_OS_SERVICES];

void rt_os_service_thread(enum rt_os_service which)
{
	uintptr_t lo, hi;

	rt_os_thread_stack(&lo, &hi);
	atomic_store(&service_stacks[which].lo, lo);
	atomic_store(&service_stacks[which].hi, hi);
}

void rt_os_service_stacks(void (*visit)(uintptr_t lo, uintptr_t hi, void *arg), void *arg)
{
	for (int i = 0; i < RT_OS_SERVICES; i++) {
		uintptr_t lo = atomic_load(&service_stacks[i].lo), hi = atomic_load(&service_stacks[i].hi);
		if (lo < hi)
			visit(lo, hi, arg);
	}
	for (uint32_t i = 0; i < atomic_load(&n_signal_stacks) && i < SIGNAL_STACKS_MAX; i++) {
		uintptr_t lo = atomic_load(&signal_stacks[i]);
		if (lo != 0)
			visit(lo, lo + SIGNAL_STACK_BYTES, arg);
	}
}
