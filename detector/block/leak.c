/* Leaks: goroutines that can never go on although the program does (P3), what is left when it ends (P2, L), and when to ask.
 *
 * A thread of the detector asks now and then, csp_leak_check asks on the spot, and so does the end of the process. One asks at a time
 * (check_lock, held by who reports too). An answer is about the frozen copy; a goroutine is convicted only if it is still in the
 * same wait, which a proof says it must be. */
#include "block.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../explore/explore.h"
#include "../report/lock.h"
#include "../report/loss.h"
#include "../report/record.h"
#include "../shadow/arena.h"
#include "../shadow/self.h"
#include "snapshot.h"
#include "verdict.h"

#define SETTLE_NS      INT64_C(100000000)
#define SETTLE_EXIT_NS INT64_C(1000000000)
#define STARTING_NS    INT64_C(2000000000)
#define GRACE_NS       INT64_C(250000000)      /* spent only while goroutines still run */
#define GRACE_CPU_NS   INT64_C(200000000)      /* a loaded machine may give us nothing in that time: so much must have been had, too, */
#define GRACE_MAX_NS   INT64_C(4000000000)     /* or this have passed */
#define INTERVAL_MAX   INT64_C(5000000000)
#define WATCH_STACK_BYTES (256u << 10)
#define COST_SHARE     100                /* at least that many times the cost of a check lie between two */

static struct det_lock check_lock;      /* one check at a time */
static _Atomic bool usable;

/* --- threads that never told us of themselves ------------------------------------------------------------------------------ */

static bool is_ours(int32_t tid, const int32_t *ours, int32_t n)
{
	for (int32_t i = 0; i < n; i++)
		if (ours[i] == tid)
			return true;
	return false;
}

/* Not by a worker's name: the threads that a goroutine creates there begin with it, and workers are known by their ids. */
static bool named_helper(int32_t tid)
{
	char path[64], name[17] = "";
	snprintf(path, sizeof path, "/proc/self/task/%d/comm", tid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT;         /* has just ended */
	ssize_t n = read(fd, name, sizeof name - 1);
	close(fd);
	return n > 4 && memcmp(name, "csp-", 4) == 0 && strcmp(name, "csp-worker\n") != 0;
}

static bool count_attached(const struct rt_ginfo *info, void *arg)
{
	*(int32_t *)arg += info->foreign;
	return true;
}

struct task_entry { uint64_t ino; int64_t off; unsigned short reclen; unsigned char type; char name[]; };

/* Threads of the process less workers, our helpers and attached ones. The world need not be stopped: a thread that starts now cannot
 * have been told anything that is not still in its creator's memory. -1: unknown. */
static int32_t count_unknown_threads(void)
{
	static int32_t ours[4096];
	int32_t n_ours = det_block_door->thread_ids(ours, 4096), n = 0, attached = 0;
	char buffer[4096] __attribute__((aligned(8)));
	int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long got;

	if (fd < 0)
		return -1;
	while ((got = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0)
		for (long at = 0; at < got; at += ((struct task_entry *)(buffer + at))->reclen) {
			const char *name = ((struct task_entry *)(buffer + at))->name;
			int32_t tid = 0;
			for (; *name >= '0' && *name <= '9'; name++)
				tid = tid * 10 + (*name - '0');
			n += tid != 0 && !is_ours(tid, ours, n_ours) && !named_helper(tid);
		}
	close(fd);
	if (n > 0)
		det_block_door->g_each(count_attached, &attached);
	return n > attached ? n - attached : 0;
}

/* A worker that has just been created, and a thread that has been joined but is still being taken down, are in the list for a moment
 * (for long on a loaded machine): they are waited for. A thread that stays unknown costs every question settle_ns. */
static int32_t unknown_threads(int64_t settle_ns)
{
	const struct timespec nap = { 0, 500000 };
	int64_t began_ns = det_now_ns();

	for (;;) {
		int32_t n = count_unknown_threads();
		if (n == 0)
			return 0;
		if (det_now_ns() - began_ns > (det_block_door->threads_starting() != 0 ? STARTING_NS : settle_ns))
			return n;
		nanosleep(&nap, NULL);
	}
}

/* --- when to ask ------------------------------------------------------------------------------------------------------------------- */

/* Who waits for less than two checks is not suspected of anything. */
static int64_t suspect_before_ns(void)
{
	int64_t before_ns = det_block_door->now_ns() - 2 * det_block_options.leak_interval_ns;
	return before_ns > 0 ? before_ns : 1;
}

static int64_t cpu_ns(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000 + t.tv_nsec;
}

/* For those who measure: CSPCHECK_CHECK_TIMES=1. */
static void say_times(const struct det_answer *a, int64_t told_ns)
{
	fprintf(stderr, "check: %u goroutines, %u told; pause %.2f ms, judged %.2f ms, told %.2f ms CPU; copy's CPU: gather %.2f terms %.2f roots %.2f mark %.2f ms\n",
		a->n_goroutines, a->n, (double)a->pause_ns / 1e6, (double)a->judged_ns / 1e6, (double)told_ns / 1e6, (double)a->cpu_ns[0] / 1e6,
		(double)(a->cpu_ns[1] - a->cpu_ns[0]) / 1e6, (double)(a->cpu_ns[2] - a->cpu_ns[1]) / 1e6, (double)(a->cpu_ns[3] - a->cpu_ns[2]) / 1e6);
}

/* Findings and verdicts of an answer; ends the program where a deadlock is to. Takes and gives back check_lock, which is held. */
static void tell(const struct det_answer *a)
{
	bool main_dead = false;

	if (a == NULL || det_block_dying())     /* who dies rests for ever, and all who wait for him: nobody's leak */
		return;
	int64_t began_ns = det_block_options.say_times ? cpu_ns(CLOCK_THREAD_CPUTIME_ID) : 0;
	det_verdict_convict(a, &main_dead);
	if (det_block_options.suspects)
		det_verdict_suspects(a);
	if (det_block_options.say_times)
		say_times(a, cpu_ns(CLOCK_THREAD_CPUTIME_ID) - began_ns);
	if (main_dead && det_block_options.deadlock == DET_DEADLOCK_FATAL) {
		det_unlock(&check_lock);
		det_block_die("goroutines are deadlocked: goroutine 1 can never be woken");
	}
}

/* self_sp: the caller's frames from there outwards count, and its registers lie there. */
static const struct det_answer *ask(uintptr_t self_sp, bool main_ended, bool want_all)
{
	struct det_question q = { .self = self_sp != 0 ? det_block_door->self() : NULL, .self_sp = self_sp, .main_ended = main_ended, .want_all = want_all,
		.n_unknown_threads = unknown_threads(want_all ? SETTLE_EXIT_NS : SETTLE_NS) };

	if (det_block_options.suspects)
		q.suspect_before_ns = suspect_before_ns();
	/* -1: the threads cannot be counted; somebody may be there. */
	if (q.n_unknown_threads < 0)
		q.n_unknown_threads = 1;
	return det_snapshot_ask(&q);
}

void det_block_look(bool (*visit)(const struct rt_ginfo *info, void *arg), void *arg)
{
	det_lock(&check_lock);
	det_block_door->world_stop();
	det_block_door->g_each(visit, arg);
	det_block_door->world_start();
	det_unlock(&check_lock);
}

/* Our own frames lie where those of the program lay before, and what is left of them hides leaks. So the questioner's stack begins at the first
 * of ours, which holds nothing but the registers its caller may keep something in, pushed right below the frame address. */
#if defined(__x86_64__)
#define SAVED_BYTES 40u
#else
#define SAVED_BYTES 512u
#endif
#define FROM_HERE(call) \
	do { \
		__builtin_unwind_init(); \
		(call)((uintptr_t)__builtin_frame_address(0) - SAVED_BYTES); \
		__asm__ volatile("" ::: "memory");      /* no tail call: the frame must stay */ \
	} while (0)

static bool count_leaked(struct det_bg *b, void *arg)
{
	*(int *)arg += atomic_load(&b->verdict) != DET_PROOF_NONE && !b->ended;
	return true;
}

static __attribute__((noinline)) void check_from(uintptr_t self_sp)
{
	if (!atomic_load(&usable) || det_block_dying())
		return;
	det_lock(&check_lock);
	tell(ask(self_sp, false, false));
	det_unlock(&check_lock);
}

static __attribute__((noinline)) void check_here(void) { FROM_HERE(check_from); }

int det_block_leak_check(void *pc)
{
	int n = 0;

	check_here();
	if (atomic_load(&usable) && !det_block_dying())
		det_bg_each(count_leaked, &n);
	return n;
}

struct lines { void (*say)(const char *line, void *arg); void *arg; uint32_t n; };
enum { LINES_MAX = 200 };

static const char *proof_text(enum det_proof proof)
{
	static const char *const texts[] = { "none", "P0 structural", "P1 owner knot", "P2 quiescent", "P3 unreachable" };
	return texts[proof <= DET_PROOF_P3 ? proof : 0];
}

static bool say_verdict(struct det_bg *b, void *arg)
{
	struct lines *l = arg;
	enum det_proof proof = atomic_load(&b->verdict);
	struct rt_ginfo info;
	char line[160];

	if (proof == DET_PROOF_NONE || b->ended || b->view == NULL || !det_block_door->g_info(b->view, &info) || info.id != b->gid || l->n++ >= LINES_MAX)
		return true;
	if (l->n == 1)
		l->say("\ncspcheck: goroutines that can never go on:\n", l->arg);
	snprintf(line, sizeof line, "goroutine %llu [%s]: %s\n", (unsigned long long)b->gid, det_block_door->wait_text(info.wait), proof_text(proof));
	l->say(line, l->arg);
	return true;
}

void det_block_verdicts(void (*say)(const char *line, void *arg), void *arg)
{
	struct lines l = { say, arg, 0 };
	char line[80];
	bool busy = det_thread.busy;

	det_thread.busy = true;                 /* not the program's doing */
	check_from(0);
	det_bg_each(say_verdict, &l);
	if (l.n > LINES_MAX) {
		snprintf(line, sizeof line, "and %u more\n", l.n - LINES_MAX);
		say(line, arg);
	}
	det_thread.busy = busy;
}

static bool may_finish(const struct rt_ginfo *info, void *arg)
{
	struct rt_gview *self = arg;
	return info->system || info->g == self || info->foreign || (info->state != RT_G_RUNNABLE && info->state != RT_G_RUNNING);
}

struct busy { struct rt_gview *self; bool any; };

static bool note_busy(const struct rt_ginfo *info, void *arg)
{
	struct busy *b = arg;
	b->any |= !may_finish(info, b->self);
	return !b->any;
}

static int64_t others_cpu_ns(void) { return cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns(CLOCK_THREAD_CPUTIME_ID); }

/* Those who were only just told to end may do so. Programs without any are not delayed. */
static void grace(struct rt_gview *self)
{
	int64_t began_ns = det_now_ns(), began_cpu_ns = others_cpu_ns(), passed_ns;
	struct timespec nap = { 0, 500000 };

	if (det_explore_is_on())                /* one worker, and it is busy with the exit */
		return;
	for (;;) {
		struct busy b = { self, false };
		det_block_door->world_stop();
		det_block_door->g_each(note_busy, &b);
		det_block_door->world_start();
		passed_ns = det_now_ns() - began_ns;
		if (!b.any || passed_ns >= GRACE_MAX_NS || (passed_ns >= GRACE_NS && others_cpu_ns() - began_cpu_ns >= GRACE_CPU_NS))
			return;
		nanosleep(&nap, NULL);
	}
}

static bool anybody_else(const struct rt_ginfo *info, void *arg)
{
	struct busy *b = arg;
	b->any |= info->g != b->self && !info->system;
	return !b->any;
}

static __attribute__((noinline)) void exit_from(uintptr_t self_sp)
{
	if (!atomic_load(&usable) || det_block_dying())
		return;
	struct rt_gview *self = det_block_door->self();
	struct busy b = { self, false };
	det_lock(&check_lock);
	det_block_door->world_stop();
	det_block_door->g_each(anybody_else, &b);
	det_block_door->world_start();
	if (b.any) {
		if (!det_explore_rules())
			grace(self);
		const struct det_answer *a = ask(self_sp, self != NULL && self->id == 1, true);
		tell(a);
		if (a != NULL && !det_block_dying())
			det_verdict_alive(a);
	}
	det_snapshot_finish();
	det_unlock(&check_lock);
}

void det_block_at_exit(void) { FROM_HERE(exit_from); }

void det_block_expect_leak(struct rt_gview *g)
{
	struct det_bg *b = det_block_door != NULL ? det_bg_of(g->id, true) : NULL;

	if (b != NULL)
		atomic_store(&b->expect_leak, true);
}

/* --- the watching thread ------------------------------------------------------------------------------------------------------------- */

static _Atomic uint32_t watch_state;    /* 0 not there, 1 starting, 2 waits to be wanted, 3 wanted */

static void futex_wait(_Atomic uint32_t *word, uint32_t value) { syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0); }
static void futex_wake(_Atomic uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0); }

struct suspects { int64_t older_than_ns; uint32_t n; uint64_t hash; };

static bool suspect(const struct rt_ginfo *info, void *arg)
{
	struct suspects *s = arg;

	if (info->state != RT_G_WAITING || info->system || info->foreign || info->has_deadline || info->wait == RT_WAIT_SLEEP || info->wait == RT_WAIT_IO ||
	    info->wait == RT_WAIT_BLOCK || info->since_ns == 0 || info->since_ns > s->older_than_ns || det_block_convicted(info->id))
		return true;
	s->n++;
	s->hash += (info->id * UINT64_C(0x9e3779b97f4a7c15)) ^ (uint64_t)info->since_ns;
	return true;
}

/* One round; returns what it cost. *hash: the suspects last looked at. */
static int64_t watch_once(uint64_t *hash, bool *changed)
{
	int64_t began_ns = det_now_ns();
	struct suspects s = { .older_than_ns = det_block_door->now_ns() - det_block_options.leak_interval_ns };

	det_lock(&check_lock);
	if (!det_block_dying()) {
		det_block_door->world_stop();
		det_block_door->g_each(suspect, &s);
		det_block_door->world_start();
		*changed = s.hash != *hash;
		*hash = s.hash;
		if (s.n != 0)
			tell(ask(0, false, false));
	}
	det_unlock(&check_lock);
	return det_now_ns() - began_ns;
}

static void *watch(void *arg)
{
	uint64_t hash = 0;
	int64_t interval_ns = det_block_options.leak_interval_ns, pause_ns = interval_ns;

	det_thread.busy = true;                 /* not the program's doing, whatever this thread calls */
	prctl(PR_SET_NAME, "csp-leaks");
	atomic_store(&watch_state, 2);
	futex_wake(&watch_state);
	while (atomic_load(&watch_state) != 3)
		futex_wait(&watch_state, 2);
	for (;;) {
		bool changed = false;
		struct timespec nap = { pause_ns / 1000000000, pause_ns % 1000000000 };
		nanosleep(&nap, NULL);
		int64_t cost_ns = watch_once(&hash, &changed);
		/* The same suspects again: they may yet be let go of, so look again, but ever more rarely. */
		interval_ns = changed ? det_block_options.leak_interval_ns : interval_ns * 2 < INTERVAL_MAX ? interval_ns * 2 : INTERVAL_MAX;
		pause_ns = interval_ns > cost_ns * COST_SHARE ? interval_ns : cost_ns * COST_SHARE;
	}
	return arg;
}

static void start_thread(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, before;
	uint32_t none = 0;

	if (!atomic_compare_exchange_strong(&watch_state, &none, 1))
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* In our own memory, which no scan looks into: its dead frames hold what was seen of every goroutine. */
	void *stack = det_reserve(WATCH_STACK_BYTES);
	if (stack != NULL)
		pthread_attr_setstack(&attr, stack, WATCH_STACK_BYTES);
	bool busy = det_thread.busy;
	det_thread.busy = true;
	int e = pthread_create(&thread, &attr, watch, NULL);
	det_thread.busy = busy;
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (e != 0) {
		atomic_store(&watch_state, 0);
		det_loss("leak check: no thread to watch", 1);
		return;
	}
	while (atomic_load(&watch_state) == 1)  /* until its name tells that it is no thread of the program */
		futex_wait(&watch_state, 1);
}

void det_block_leak_attach(void)
{
	if (!det_block_options.leak || det_block_door == NULL || !det_snapshot_init())
		return;
	atomic_store(&usable, true);
	if (det_block_options.leak_interval_ns > 0)
		start_thread();
}

void det_block_go(void)
{
	uint32_t waits = 2;

	if (atomic_load_explicit(&watch_state, memory_order_relaxed) == 2 && atomic_compare_exchange_strong(&watch_state, &waits, 3))
		futex_wake(&watch_state);
}

void det_block_leak_fork(int phase)
{
	if (phase == 0) {
		det_lock(&check_lock);
	} else if (phase == 1) {
		det_unlock(&check_lock);
	} else {
		det_lock_reset(&check_lock);
		atomic_store(&watch_state, 0);  /* threads do not survive fork; the child is looked at when it ends */
		det_snapshot_after_fork();
	}
}
