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

#include "../hb/goroutines.h"
#include "../report/lock.h"
#include "../report/loss.h"
#include "../report/record.h"
#include "../shadow/arena.h"
#include "../shadow/self.h"
#include "draft.h"
#include "snapshot.h"

#define SETTLE_NS      INT64_C(100000000)
#define STARTING_NS    INT64_C(2000000000)
#define GRACE_NS       INT64_C(250000000)      /* spent only while goroutines still run; a loaded machine needs it */
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
 * (for long on a loaded machine): they are waited for. A thread that stays unknown costs every question SETTLE_NS. */
static int32_t unknown_threads(void)
{
	const struct timespec nap = { 0, 500000 };
	int64_t began_ns = det_now_ns();

	for (;;) {
		int32_t n = count_unknown_threads();
		if (n == 0)
			return 0;
		if (det_now_ns() - began_ns > (det_block_door->threads_starting() != 0 ? STARTING_NS : SETTLE_NS))
			return n;
		nanosleep(&nap, NULL);
	}
}

/* --- reports ------------------------------------------------------------------------------------------------------------------ */

static bool same_wait(const struct det_answer_g *a, struct rt_ginfo *info)
{
	return det_block_door->g_info(a->view, info) && info->id == a->gid && info->state == RT_G_WAITING && info->since_ns == a->since_ns &&
		(uint8_t)info->wait == a->wait;
}

static const char *object_of(const struct rt_ginfo *info)
{
	return info->n_waits > 1 ? "any of the channels" : info->n_waits == 1 && info->waits[0].kind == RT_OBJ_CHAN ? "the channel" :
		info->wait == RT_WAIT_WAITGROUP ? "the wait group" : info->wait == RT_WAIT_COND ? "the condition variable" :
		info->wait == RT_WAIT_SEMA ? "the semaphore" : "the lock";
}

/* Who used the other side of the channels it waits for: could have served it once. */
static void draft_candidates(const struct rt_ginfo *info)
{
	struct det_chan c;

	for (uint32_t i = 0; i < info->n_waits && i < RT_INSPECT_WAITS; i++) {
		const struct rt_wait_entry *w = &info->waits[i];
		if (w->kind != RT_OBJ_CHAN || !det_chan_get((uintptr_t)w->obj, &c))
			continue;
		const uint64_t *others = w->op == RT_OP_RECV ? c.senders : c.receivers;
		bool any = false;
		for (int k = 0; k < DET_USERS && others[k] != 0; k++) {
			any |= others[k] != info->id;
			if (others[k] != info->id)
				det_draft_edge_to_goroutine(RT_OBJ_CHAN, c.addr, others[k], w->op == RT_OP_RECV ? "could have been sent to by" : "could have been received from by", NULL);
		}
		if (!any && c.made_by != 0 && c.made_by != info->id)
			det_draft_edge_to_goroutine(RT_OBJ_CHAN, c.addr, c.made_by, w->op == RT_OP_RECV ? "could have been sent to by" : "could have been received from by", NULL);
	}
}

static void draft_owners(const struct rt_ginfo *info)
{
	struct det_hold holds[16];

	for (uint32_t i = 0; i < info->n_waits && i < RT_INSPECT_WAITS; i++) {
		uint32_t n = det_hold_list((uintptr_t)info->waits[i].obj, holds, 16);
		for (uint32_t k = 0; k < n; k++)
			det_draft_edge_to_goroutine(info->waits[i].kind, (uintptr_t)info->waits[i].obj, holds[k].gid, "held by", det_draft_ctx(holds[k].ctx));
	}
}

static void report_dead(const struct rt_ginfo *info, bool quiet)
{
	const char *cause;

	det_draft_begin(det_block_door);
	det_draft_blocked(info);
	draft_candidates(info);
	draft_owners(info);
	if (quiet)
		cause = det_draft_text("blocked in %s for ever: the program ends and nothing is left that could wake it", det_block_door->wait_text(info->wait));
	else
		cause = det_draft_text("blocked in %s for ever: nobody alive can reach %s", det_block_door->wait_text(info->wait), object_of(info));
	/* A leak elsewhere; but the main goroutine's own end is a deadlock. */
	det_draft_emit(info->id == 1 ? DET_DEADLOCK_PARTIAL : DET_LEAK, quiet ? "P2" : "P3", true, cause);
	det_block_convict(info->id, info->g, quiet ? DET_PROOF_P2 : DET_PROOF_P3);
}

static int convict(const struct det_answer *a)
{
	struct rt_ginfo info;
	int n = 0;
	bool main_dead = false;

	for (uint32_t i = 0; i < a->n; i++) {
		const struct det_answer_g *g = &a->g[i];
		if (g->fate != DET_FATE_DEAD || g->skip || (a->unknown_threads && !a->quiet))
			continue;
		if (!same_wait(g, &info)) {
			det_loss("leak check: a goroutine thought dead has moved", 1);
			continue;
		}
		report_dead(&info, a->quiet);
		main_dead |= g->gid == 1;
		n++;
	}
	if (main_dead && det_block_options.deadlock == DET_DEADLOCK_FATAL) {
		det_unlock(&check_lock);
		det_block_die("goroutines are deadlocked: goroutine 1 can never be woken");
	}
	return n;
}

/* What is alive at the end: a note for each creation site. */
static void report_alive(const struct det_answer_g *g)
{
	struct rt_ginfo info;
	const char *cause = "has not finished when the program ended";
	bool parked = same_wait(g, &info);

	if (!parked && (!det_block_door->g_info(g->view, &info) || info.id != g->gid))
		return;                         /* has finished meanwhile */
	det_draft_begin(det_block_door);
	if (parked && info.wait != RT_WAIT_NONE) {
		det_draft_blocked(&info);
		for (uint32_t i = 0; i < info.n_waits && i < RT_INSPECT_WAITS; i++)
			if (info.waits[i].kind == RT_OBJ_FD)
				cause = det_draft_text("still waits for descriptor %d to become %s when the program ended", (int)(intptr_t)info.waits[i].obj,
					info.waits[i].op == RT_OP_WRITE_FD ? "writable" : "readable");
	} else {
		const char *state = info.state == RT_G_RUNNABLE ? "runnable" : info.state == RT_G_SYSCALL ? "syscall" : "running";
		det_draft_part("alive", state, g->gid, NULL);
		det_draft_goroutine(g->gid, state, -1);
	}
	det_draft_emit(DET_ALIVE_AT_EXIT, "L", false, cause);
}

/* --- when to ask ------------------------------------------------------------------------------------------------------------------- */

static const struct det_answer *ask(struct rt_gview *self, bool main_ended)
{
	struct det_question q = { .self = self, .main_ended = main_ended, .self_sp = (uintptr_t)__builtin_frame_address(0),
		.n_unknown_threads = unknown_threads() };

	/* -1: the threads cannot be counted; somebody may be there. */
	if (q.n_unknown_threads < 0)
		q.n_unknown_threads = 1;
	__builtin_unwind_init();                /* registers of our callers lie in this frame now, above self_sp or in it */
	q.self_sp -= 512;
	return det_snapshot_ask(&q);
}

static bool count_leaked(struct det_bg *b, void *arg)
{
	*(int *)arg += atomic_load(&b->verdict) != DET_PROOF_NONE && !b->ended;
	return true;
}

int det_block_leak_check(void *pc)
{
	int n = 0;

	if (!atomic_load(&usable) || det_block_dying())
		return 0;
	det_lock(&check_lock);
	const struct det_answer *a = ask(det_block_door->self(), false);
	if (a != NULL)
		convict(a);
	det_unlock(&check_lock);
	det_bg_each(count_leaked, &n);
	return n;
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

/* Those who were only just told to end may do so. Programs without any are not delayed. */
static void grace(struct rt_gview *self)
{
	int64_t until_ns = det_now_ns() + GRACE_NS;
	struct timespec nap = { 0, 500000 };

	for (;;) {
		struct busy b = { self, false };
		det_block_door->world_stop();
		det_block_door->g_each(note_busy, &b);
		det_block_door->world_start();
		if (!b.any || det_now_ns() >= until_ns)
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

void det_block_at_exit(void)
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
		grace(self);
		const struct det_answer *a = ask(self, self != NULL && self->id == 1);
		if (a != NULL) {
			convict(a);
			for (uint32_t i = 0; i < a->n; i++)
				if (!a->g[i].skip && (a->g[i].fate != DET_FATE_DEAD || (a->unknown_threads && !a->quiet)))
					report_alive(&a->g[i]);
		}
	}
	det_unlock(&check_lock);
}

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
		if (s.n != 0) {
			const struct det_answer *a = ask(NULL, false);
			if (a != NULL)
				convict(a);
		}
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
