/* Ends by a panic, or with an argument by SIGQUIT, while goroutines of three kinds are parked; for tests/behaviour/panicparse. */
#include <csp.h>
#include <signal.h>

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
	if (argc > 1)
		raise(SIGQUIT);
	csp_chan_close(closed);
	csp_chan_close(closed);
	return 0;
}
