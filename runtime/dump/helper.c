#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../csp.h"
#include "../os/os.h"
#include "../sched/sched.h"
#include "collect.h"
#include "profile.h"
#include "out.h"
#include "symbols.h"

enum { HELPER_STACK_BYTES = 1 << 20, STUCK_SECONDS = 60 };

enum { ASK_DIE = 1, ASK_QUIT = 2, ASK_LIVE = 4, ASK_VERDICTS = 8, ASK_PROFILE = 16 };

/* Bits asked for and not yet served; futex of the helper. */
static _Atomic uint32_t asked;
/* The request of ASK_DIE. Written by the claimer before it sets the bit. */
static struct rt_dump_request *request;
static struct { const struct rt_dump_request *request; uintptr_t pc; int code; } quit;

static _Atomic uint64_t reader;                 /* of ASK_VERDICTS: process << 32 | descriptor */

static _Atomic uint32_t claimed;                /* 0, or the process has begun to die */
static _Atomic bool     helper_lives;
static _Atomic uint32_t live_asked;             /* 1: a dump of the going program is wanted or being written; futex of rt_dump_await_live */

void rt_dump_say(const char *text)
{
	struct rt_dump_out o = { .fd = 2, .buf = (char *)(uintptr_t)text, .len = strlen(text) };
	rt_dump_flush(&o);
}

bool rt_dump_claim(void)
{
	return atomic_exchange(&claimed, 1) == 0;
}

bool rt_dump_claimed(void)
{
	return atomic_load(&claimed) != 0;
}

/* What the program printed before it failed is wanted too, also when stdout is a pipe. Not if somebody was stopped in the middle of it. */
void rt_dump_flush_stdout(void)
{
	if (ftrylockfile(stdout) != 0)
		return;
	fflush_unlocked(stdout);
	funlockfile(stdout);
}

static _Noreturn void end(void)
{
	if (rt_traceback_mode() == RT_TRACEBACK_CRASH) {
		signal(SIGABRT, SIG_DFL);
		abort();
	}
	_exit(2);
}

/* A dump that got stuck, on a lock that a stopped thread holds, is written without names, of the culprit alone. */
static void *late(void *arg)
{
	const struct rt_dump_request *r = arg;
	rt_os_name_thread("csp-late");
	nanosleep(&(struct timespec){ .tv_sec = STUCK_SECONDS }, NULL);
	rt_dump_write("libcsprt: the dump got stuck; what is left of it:\n\n", &r->top, true, false);
	end();
	return NULL;
}

static void write_now(const struct rt_dump_request *r)
{
	rt_os_thread(late, (void *)(uintptr_t)r, HELPER_STACK_BYTES);
	/* Load and allocate while everyone can still give locks back. */
	if (rt_traceback_mode() != RT_TRACEBACK_NONE)
		rt_symbols_open();
	rt_dump_flush_stdout();
	atomic_store(&rt_world_ends, true);
	if (!r->world_stopped)
		rt_world_stop();
	struct rt_dump_set set = { 0 };
	if (rt_traceback_mode() != RT_TRACEBACK_NONE)
		rt_dump_collect(&set, &r->top, r->only_top);
	rt_dump_print(2, NULL, &set, true);
	rt_profile_print_file(&set);
	rt_dump_release(&set);
}

static void serve_quit(void)
{
	char head[96];
	if (!rt_dump_claim())
		return;
	snprintf(head, sizeof head, "SIGQUIT: quit\nPC=0x%llx m=0 sigcode=%d\n\n", (unsigned long long)quit.pc, quit.code);
	rt_dump_say(head);
	write_now(quit.request);
	end();
}

static void collect_live(struct rt_dump_set *set)
{
	rt_symbols_open();
	rt_world_stop();
	rt_dump_collect(set, NULL, false);
	rt_world_start();
}

static void serve_live(void)
{
	struct rt_dump_set set;

	if (atomic_load(&claimed) == 0) {
		collect_live(&set);
		rt_profile_print_file(&set);    /* first: who reads the last line of the dump has a complete file */
		rt_dump_print(2, NULL, &set, true);
		rt_dump_release(&set);
	}
	atomic_store(&live_asked, 0);
	rt_os_futex_wake(&live_asked, INT32_MAX);
}

void rt_dump_await_live(void)
{
	while (atomic_load(&live_asked) != 0 && atomic_load(&helper_lives))
		rt_os_futex_wait(&live_asked, 1, -1);
}

enum { READER_PATIENCE_MS = 10000 };

static bool send_all(int to, const char *text, size_t n)
{
	while (n > 0) {
		struct pollfd p = { .fd = to, .events = POLLOUT };
		ssize_t done = write(to, text, n);
		if (done >= 0) {
			text += done;
			n -= (size_t)done;
		} else if (errno == EAGAIN ? poll(&p, 1, READER_PATIENCE_MS) <= 0 : errno != EINTR) {
			return false;
		}
	}
	return true;
}

/* What was collected, and a zero byte that says that it is all: the reader keeps its pipe open itself. */
static void send_to_reader(int from, uint64_t who)
{
	char path[64], buf[4096];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)(who >> 32), (int)(uint32_t)who);
	int to = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (to < 0)
		return;
	bool alive = lseek(from, 0, SEEK_SET) == 0;
	while (alive && (n = read(from, buf, sizeof buf)) > 0)
		alive = send_all(to, buf, (size_t)n);
	if (alive)
		send_all(to, "", 1);
	close(to);
}

static void say_line(const char *line, void *arg)
{
	struct rt_dump_out o = { .fd = *(int *)arg, .buf = (char *)(uintptr_t)line, .len = strlen(line) };
	rt_dump_flush(&o);
}

/* A reader may be slow or gone: it gets what was written elsewhere. */
static void serve_verdicts(void)
{
	uint64_t who = atomic_load(&reader);
	int store = who != 0 ? memfd_create("csp-dump", MFD_CLOEXEC) : -1;

	if (atomic_load(&claimed) != 0 || (who != 0 && store < 0))
		return;
	int fd = who != 0 ? store : 2;
	struct rt_dump_set set;
	collect_live(&set);
	rt_dump_print(fd, NULL, &set, true);
	rt_dump_release(&set);
	RT_EVENT(verdicts, say_line, &fd);
	if (who != 0)
		send_to_reader(store, who);
	if (store >= 0)
		close(store);
}

static void ask(uint32_t bit)
{
	atomic_fetch_or(&asked, bit);
	rt_os_futex_wake(&asked, 1);
}

/* --- csp_goroutine_profile ------------------------------------------------------------------------------------------------ */

/* One at a time: `turn` is a lock of threads, held by who waits for the helper. Its waiters are goroutines that gave up their place. */
static struct {
	_Atomic uint32_t turn;                  /* 0 free, 1 held, 2 held and wanted */
	_Atomic uint32_t done;
	int fd, result;
} profile;

static void take_turn(void)
{
	uint32_t state = 0;

	if (atomic_compare_exchange_strong(&profile.turn, &state, 1))
		return;
	while (atomic_exchange(&profile.turn, 2) != 0)
		rt_os_futex_wait(&profile.turn, 2, -1);
}

static void give_turn(void)
{
	if (atomic_exchange(&profile.turn, 0) == 2)
		rt_os_futex_wake(&profile.turn, 1);
}

static void serve_profile(void)
{
	struct rt_dump_set set;

	collect_live(&set);
	profile.result = rt_profile_print(profile.fd, &set);
	rt_dump_release(&set);
	atomic_store(&profile.done, 1);
	rt_os_futex_wake(&profile.done, 1);
}

static void await_profile(void *arg)
{
	int *fd = arg;

	take_turn();
	profile.fd = *fd;
	atomic_store(&profile.done, 0);
	ask(ASK_PROFILE);
	while (atomic_load(&profile.done) == 0)
		rt_os_futex_wait(&profile.done, 0, -1);
	*fd = profile.result;
	give_turn();
}

int csp_goroutine_profile(int fd)
{
	rt_self();
	rt_dump_helper_start();
	if (!atomic_load(&helper_lives))
		return -EAGAIN;
	csp_block(await_profile, &fd);
	return fd;
}

static void *helper(void *unused)
{
	/* Its own work, and its crashes: nobody is left to report those. */
	sigset_t most;
	sigfillset(&most);
	sigdelset(&most, SIGSEGV);
	sigdelset(&most, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &most, NULL);
	rt_os_name_thread("csp-dump");
	rt_os_service_thread(RT_OS_DUMP);
	for (;;) {
		uint32_t bits = atomic_exchange(&asked, 0);
		if (bits == 0) {
			rt_os_futex_wait(&asked, 0, -1);
			continue;
		}
		if (bits & ASK_DIE) {
			write_now(request);
			end();
		}
		if (bits & ASK_QUIT)
			serve_quit();
		if (bits & ASK_LIVE)
			serve_live();
		if (bits & ASK_VERDICTS)
			serve_verdicts();
		if (bits & ASK_PROFILE)
			serve_profile();
	}
	return unused;
}

void rt_dump_ask_quit(const struct rt_dump_request *r, uintptr_t pc, int code)
{
	quit.request = r;
	quit.pc = pc;
	quit.code = code;
	ask(ASK_QUIT);
}

void rt_dump_ask_live(void)
{
	atomic_store(&live_asked, 1);
	ask(ASK_LIVE);
}

void rt_dump_ask_verdicts(int32_t pid, int32_t fd)
{
	atomic_store(&reader, (uint64_t)(uint32_t)pid << 32 | (uint32_t)fd);
	ask(ASK_VERDICTS);
}

static void forked(void)
{
	atomic_store(&helper_lives, false);
	atomic_store(&asked, 0);
	atomic_store(&live_asked, 0);
	atomic_store(&profile.turn, 0);
}

void rt_dump_helper_start(void)
{
	static bool told;
	if (!told) {
		told = true;
		pthread_atfork(NULL, NULL, forked);
	}
	if (!atomic_exchange(&helper_lives, true) && rt_os_thread(helper, NULL, HELPER_STACK_BYTES) != 0)
		atomic_store(&helper_lives, false);
}

_Noreturn void rt_dump_and_exit(struct rt_dump_request *r)
{
	if (rt_traceback_mode() == RT_TRACEBACK_NONE) {
		rt_dump_flush_stdout();
		end();
	}
	rt_dump_helper_start();
	if (!atomic_load(&helper_lives)) {
		rt_dump_write(NULL, &r->top, true, false);
		end();
	}
	request = r;
	ask(ASK_DIE);
	rt_rest_for_ever();
}
