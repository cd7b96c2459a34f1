/* fork_storm FORKS: forks while other goroutines and foreign threads keep every lock of the runtime busy. Each child uses the runtime anew and
 * must end within 10 s. (What other threads had under way at the fork is gone in the child, so it does not touch the parent's objects.) */
#include <csp.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BUSY = 12, THREADS = 2, CHILD_SECONDS = 10 };

static csp_mutex mutex;
static csp_sema sema = { 1, 0 };
static bool over;                       /* atomic */

static void nothing(void *arg) { }

static void keep_busy(int kind)
{
	csp_waitgroup wg = { 0 };

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		switch (kind % 4) {
		case 0:
			csp_sleep(20 * CSP_MICROSECOND);
			break;
		case 1:
			csp_sema_acquire(&sema);
			csp_yield();
			csp_sema_release(&sema);
			break;
		case 2:
			for (int i = 0; i < 40; i++)
				csp_wg_go(&wg, nothing, NULL);
			csp_wg_wait(&wg);
			break;
		default:
			csp_mutex_lock(&mutex);
			csp_chan_unref(csp_after(10 * CSP_MICROSECOND));
			csp_mutex_unlock(&mutex);
			csp_sleep(20 * CSP_MICROSECOND);
		}
	}
}

static void *attach_once(void *arg)
{
	csp_id();
	return NULL;
}

/* Threads that come and go in the runtime's list of them. */
static void *attach_often(void *arg)
{
	pthread_t t;

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED))
		if (pthread_create(&t, NULL, attach_once, NULL) == 0)
			pthread_join(t, NULL);
	return NULL;
}

static void send(csp_chan(int) ch, int v)
{
	csp_sleep(100 * CSP_MICROSECOND);
	csp_chan_send(ch, v);
}

static void *send_from_thread(void *ch)
{
	csp_chan_send((csp_chan(int))ch, 1000);
	return NULL;
}

static int use_runtime(void)
{
	csp_chan(int) ch = csp_make_chan(int);
	csp_sema free_places = { 2, 0 };
	pthread_t t;
	int sum = 0;

	for (int i = 0; i < 20; i++)
		csp_go(send, ch, i);
	if (pthread_create(&t, NULL, send_from_thread, ch) != 0)
		return 1;
	for (int i = 0; i < 21; i++) {
		csp_sema_acquire(&free_places);
		sum += csp_chan_recv(ch);
		csp_sema_release(&free_places);
	}
	pthread_join(t, NULL);
	return sum == 1190 ? 0 : 1;
}

static void wait_for(void *arg)
{
	waitpid(((pid_t *)arg)[0], &((int *)arg)[1], 0);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	int forks = argc > 1 ? atoi(argv[1]) : 40, failed = 0;
	pthread_t t[THREADS];

	for (int i = 0; i < BUSY; i++)
		csp_go(keep_busy, i);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, attach_often, NULL);
	for (int i = 0; i < forks; i++) {
		int child[2] = { 0, -1 };

		csp_sleep(50 * CSP_MICROSECOND * (i % 7));
		child[0] = fork();
		if (child[0] == 0) {
			alarm(CHILD_SECONDS);
			__atomic_store_n(&over, true, __ATOMIC_RELAXED);
			_exit(use_runtime());
		}
		csp_block(wait_for, child);
		if (child[1] != 0) {
			printf("fork %d: status %x\n", i, (unsigned)child[1]);
			failed++;
		}
	}
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	printf("%d forks, %d failed\n", forks, failed);
	return failed != 0;
}
