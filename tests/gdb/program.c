/* Goroutines in known states, then a breakpoint (or an abort, for a core). */
#include <csp.h>
#include <stdlib.h>
#include <string.h>

static csp_chan(int) empty, full, done;
static csp_mutex mutex;
static volatile unsigned long reader, writer, waiter;         /* their numbers depend on who started them where */

static void deeper(int depth)
{
	int value = 0;

	if (depth > 0) {
		deeper(depth - 1);
		__asm__ volatile("" : : : "memory");    /* no tail call */
		return;
	}
	csp_chan_recv_ok(empty, &value);
	__asm__ volatile("" : : "r"(&value) : "memory");
}

static void receiver(void)
{
	csp_set_name("reader");
	reader = csp_id();
	deeper(3);
	csp_chan_send(done, 1);
}

static void sender(void)
{
	writer = csp_id();
	csp_chan_send(full, 7);
	csp_chan_send(done, 1);
}

static void locker(void)
{
	waiter = csp_id();
	csp_mutex_lock(&mutex);
	csp_mutex_unlock(&mutex);
	csp_chan_send(done, 1);
}

__attribute__((noinline)) void all_parked(void)
{
	__asm__ volatile("" : : : "memory");
}

__attribute__((noinline)) void went_on(void)
{
	__asm__ volatile("" : : : "memory");
}

int main(int argc, char **argv)
{
	empty = csp_make_chan(int);
	full = csp_make_chan(int, 2);
	done = csp_make_chan(int);
	csp_chan_send(full, 1);
	csp_chan_send(full, 2);
	csp_mutex_lock(&mutex);
	csp_go(receiver);
	csp_go(sender);
	csp_go(locker);
	while (!reader || !writer || !waiter)
		csp_yield();
	/* With one worker, who has told its number has also run until it parked. */
	for (int i = 0; i < 100; i++)
		csp_yield();
	all_parked();
	if (argc > 1 && strcmp(argv[1], "abort") == 0)
		abort();
	/* Each of them wakes in the middle of its stack and returns through every frame that was looked at. */
	csp_mutex_unlock(&mutex);
	csp_chan_recv(full);
	csp_chan_send(empty, 1);
	for (int i = 0; i < 3; i++)
		csp_chan_recv(done);
	went_on();
	return 0;
}
