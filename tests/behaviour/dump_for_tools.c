/* Ends by a panic while goroutines of three kinds are parked; for tests/behaviour/panicparse and pprof.
 *   dump_for_tools [quit | live | profile]    SIGQUIT; SIGUSR2, then the end; csp_goroutine_profile on stdout, then the end */
#include <csp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { RECEIVERS = 5, LOCKERS = 2 };

static csp_mutex held;
static csp_waitgroup up;

static void receiver(csp_recv_chan(int) c, int id)
{
	csp_wg_done(&up);
	csp_chan_recv(c);
}

static void locker(csp_mutex *m)
{
	csp_wg_done(&up);
	csp_mutex_lock(m);
}

int main(int argc, char **argv)
{
	csp_chan(int) nobody = csp_make_chan(int), closed = csp_make_chan(int);

	csp_mutex_lock(&held);
	csp_wg_add(&up, RECEIVERS + LOCKERS);
	for (int i = 0; i < RECEIVERS; i++)
		csp_go(receiver, nobody, i);
	for (int i = 0; i < LOCKERS; i++)
		csp_go(locker, &held);
	csp_wg_wait(&up);
	for (int i = 0; i < 100; i++)           /* one worker: all have parked */
		csp_yield();
	const char *end = argc > 1 ? argv[1] : "";
	if (strcmp(end, "quit") == 0)
		raise(SIGQUIT);
	if (strcmp(end, "profile") == 0)
		return csp_goroutine_profile(STDOUT_FILENO) != 0 || csp_goroutine_profile(-1) != -EBADF;
	if (strcmp(end, "live") == 0) {
		raise(SIGUSR2);
		csp_wait_fd(STDIN_FILENO, POLLIN, 0);   /* until the test has seen the dump */
		return 0;
	}
	csp_chan_close(closed);
	csp_chan_close(closed);
	return 0;
}
