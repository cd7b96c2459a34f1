#include "snapshot.h"

#include <errno.h>
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
	if (answer != NULL)
		map_answer();
}

/* exit signal 0: the program's own wait() never sees this child, and no SIGCHLD comes. */
static pid_t bare_clone(void)
{
	return (pid_t)syscall(SYS_clone, 0L, NULL, NULL, NULL, NULL);
}

static _Noreturn void child(const struct det_question *q)
{
	det_thread.busy = true;         /* nothing here is the program's doing */
	det_table_after_fork();
	det_reach_solve(q, answer, (uint32_t)((ANSWER_BYTES - sizeof *answer) / sizeof answer->g[0]));
	atomic_store_explicit(&answer->done, 1, memory_order_release);
	for (;;)
		syscall(SYS_exit_group, 0);
}

static bool wait_for(pid_t pid)
{
	int64_t until_ns = det_now_ns() + PATIENCE_NS;
	struct timespec nap = { 0, 50000 };

	for (;;) {
		pid_t got = waitpid(pid, NULL, __WALL | WNOHANG);
		if (got == pid || (got < 0 && errno != EINTR))
			return true;
		if (det_now_ns() > until_ns)
			break;
		nanosleep(&nap, NULL);
		if (nap.tv_nsec < 5000000)
			nap.tv_nsec += nap.tv_nsec / 4;
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		continue;
	return false;
}

const struct det_answer *det_snapshot_ask(const struct det_question *q)
{
	sigset_t all, before;

	if (answer == NULL)
		return NULL;
	answer->done = 0;
	answer->given_up = NULL;
	answer->n = 0;
	sigfillset(&all);
	det_reach_prepare();
	pthread_sigmask(SIG_SETMASK, &all, &before);
	det_block_door->world_stop();
	pid_t pid = bare_clone();
	if (pid == 0)
		child(q);
	det_block_door->world_start();
	bool in_time = pid > 0 && wait_for(pid);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!in_time || atomic_load_explicit(&answer->done, memory_order_acquire) != 1) {
		det_loss(pid < 0 ? "leak check: no snapshot" : "leak check: the snapshot gave no answer", 1);
		return NULL;
	}
	if (answer->given_up != NULL) {
		det_loss(answer->given_up, 1);
		return NULL;
	}
	return answer;
}
