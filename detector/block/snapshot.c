#include "snapshot.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../report/loss.h"
#include "../report/record.h"
#include "../shadow/arena.h"
#include "../shadow/self.h"

#define ANSWER_BYTES (UINT64_C(64) << 20)
#define PATIENCE_NS  INT64_C(20000000000)

static struct det_answer *answer;       /* shared with the child */
static pid_t leaving;                   /* a child that has answered and not been waited for; 0: none */

static bool map_answer(void)
{
	answer = mmap(NULL, ANSWER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (answer == MAP_FAILED)
		answer = NULL;
	return answer != NULL && det_reserved_add((uintptr_t)answer, ANSWER_BYTES);
}

bool det_snapshot_init(void) { return map_answer() && det_reach_init(); }

void det_snapshot_after_fork(void)
{
	leaving = 0;
	if (answer != NULL)
		map_answer();
}

/* exit signal 0: the program's own wait() never sees this child, and no SIGCHLD comes. Untraced: a debugger that follows the program's threads
 * would take the copy for one of them, and its faults for the program's. */
static pid_t bare_clone(void)
{
	return (pid_t)syscall(SYS_clone, (long)CLONE_UNTRACED, NULL, NULL, NULL, NULL);
}

static _Noreturn void child(const struct det_question *q)
{
	det_thread.busy = true;         /* nothing here is the program's doing */
	det_table_after_fork();
	det_reach_solve(q, answer, (uint32_t)((ANSWER_BYTES - sizeof *answer) / sizeof answer->g[0]));
	atomic_store_explicit(&answer->done, 1, memory_order_release);
	syscall(SYS_futex, &answer->done, FUTEX_WAKE, 1, NULL, NULL, 0);
	for (;;)
		syscall(SYS_exit_group, 0);
}

/* The child says when it is done; taking down its copy of all memory takes it longer, and nobody waits for that. */
static void bury(bool now)
{
	while (leaving != 0) {
		pid_t got = waitpid(leaving, NULL, __WALL | (now ? 0 : WNOHANG));
		if (got == leaving || (got < 0 && errno != EINTR))
			leaving = 0;
		else if (!now)
			return;
	}
}

static bool is_done(void) { return atomic_load_explicit(&answer->done, memory_order_acquire) == 1; }

static bool wait_for(pid_t pid)
{
	const struct timespec look = { 0, 20000000 };
	int64_t until_ns = det_now_ns() + PATIENCE_NS;

	leaving = pid;
	while (!is_done()) {
		syscall(SYS_futex, &answer->done, FUTEX_WAIT, 0, &look, NULL, 0);
		if (!is_done())
			bury(false);
		if (leaving == 0)               /* died */
			return is_done();
		if (det_now_ns() > until_ns) {
			kill(pid, SIGKILL);
			bury(true);
			return false;
		}
	}
	return true;
}

const struct det_answer *det_snapshot_ask(const struct det_question *q)
{
	sigset_t all, before;

	if (answer == NULL)
		return NULL;
	bury(true);
	atomic_store(&answer->done, 0);
	answer->given_up = NULL;
	answer->n = answer->n_steps = 0;
	sigfillset(&all);
	det_reach_prepare();
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int64_t began_ns = det_now_ns();
	det_block_door->world_stop();
	pid_t pid = bare_clone();
	if (pid == 0)
		child(q);
	det_block_door->world_start();
	int64_t going_ns = det_now_ns();
	bool in_time = pid > 0 && wait_for(pid);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	answer->pause_ns = going_ns - began_ns;
	answer->judged_ns = det_now_ns() - began_ns;
	if (!in_time) {
		det_loss(pid < 0 ? "leak check: no snapshot" : "leak check: the snapshot gave no answer", 1);
		return NULL;
	}
	if (answer->given_up != NULL) {
		det_loss(answer->given_up, 1);
		return NULL;
	}
	return answer;
}

void det_snapshot_finish(void) { bury(true); }
