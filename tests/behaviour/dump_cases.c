/* Programs that end badly, one per argument. tests/behaviour/dump_run reads what they leave. */
#include <csp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static csp_chan(int) work;
static csp_mutex lock;

__attribute__((noinline)) static void receiver(csp_chan(int) c)
{
	int v = csp_chan_recv(c);
	printf("%d\n", v);
}

static void deadlock(void)
{
	csp_go(receiver, work);
	csp_go(receiver, work);
	printf("printed before\n");
	csp_mutex_lock(&lock);
	csp_mutex_lock(&lock);
}

__attribute__((noinline)) static void send_late(csp_chan(int) c)
{
	csp_chan_send(c, 1);
}

static void closed(void)
{
	csp_chan_close(work);
	send_late(work);
}

static void closed_elsewhere(void)
{
	csp_chan_close(work);
	csp_go(send_late, work);
	csp_go(receiver, (csp_chan(int))NULL);
	csp_sleep(5 * CSP_SECOND);
}

/* A running goroutine, a parked one and a sleeper; ready says when to send the signal. */
static volatile int spin = 1;
__attribute__((noinline)) static void spinner(void)
{
	while (spin)
		;
}

/* Blocks its thread behind the library's back. */
__attribute__((noinline)) static void caller(int fd)
{
	char byte;
	if (read(fd, &byte, 1) < 0)
		exit(9);
}

static void quit(void)
{
	int ends[2];
	if (pipe(ends) != 0)
		exit(9);
	csp_go(receiver, work);
	csp_go(spinner);
	csp_go(caller, ends[0]);
	csp_go(csp_sleep, 60 * CSP_SECOND);
	csp_sleep(50 * CSP_MILLISECOND);
	printf("ready\n");
	fflush(stdout);
	csp_sleep(20 * CSP_SECOND);
}

static void live(void)
{
	csp_go(receiver, work);
	csp_sleep(20 * CSP_MILLISECOND);
	raise(SIGUSR2);
	printf("went on\n");           /* and ends, but not before the dump is out */
	exit(7);
}

__attribute__((noinline)) static int deeper(int n)
{
	volatile char page[1000];
	page[0] = (char)n;
	int below = deeper(n + 1);
	return below + page[0];
}

static void overflow(void)
{
	csp_go(deeper, 0);
	csp_sleep(5 * CSP_SECOND);
}

static void overflow_main(void)
{
	exit(deeper(0) & 1);
}

/* Stacks that have been deep, are shallow, small, or were another's before. */
enum { DUG_BYTES = 30000 };

__attribute__((noinline)) static void dig(void)
{
	volatile char hole[DUG_BYTES];

	for (size_t i = 0; i < sizeof hole; i += 64)
		hole[i] = 1;
}

static void rest(const char *name)
{
	csp_set_name(name);
	csp_chan_recv(work);
}

static void dig_and_rest(const char *name)
{
	dig();
	rest(name);
}

static void depth(void)
{
	csp_go(dig);
	csp_yield();                    /* one worker: it has ended, and the next gets its stack */
	csp_go(rest, "heir");
	csp_go(rest, "shallow");
	csp_go(dig_and_rest, "deep");
	csp_go_opt(&(csp_go_options){ .stack_bytes = 16384 }, rest, "small");
	csp_mutex_lock(&lock);
	csp_mutex_lock(&lock);
}

static void nil(void)
{
	csp_go(receiver, (csp_chan(int))NULL);
	csp_select();
}

static void many(void)
{
	for (int i = 0; i < 1000; i++)
		csp_go(receiver, work);
	csp_mutex_lock(&lock);
	csp_mutex_lock(&lock);
}

static inline __attribute__((always_inline)) void innermost(csp_chan(int) c)
{
	csp_chan_send(c, 1);
}

static inline __attribute__((always_inline)) void middle(csp_chan(int) c)
{
	innermost(c);
}

__attribute__((noinline)) static void outermost(csp_chan(int) c)
{
	middle(c);
	printf("not reached\n");
}

static void inlined(void)
{
	csp_go(outermost, work);
	csp_chan_recv((csp_chan(int))NULL);
}

static int compare(const void *a, const void *b)
{
	csp_chan_recv(work);
	return *(const int *)a - *(const int *)b;
}

static void through_libc(void)
{
	int v[] = { 3, 1, 2 };
	qsort(v, 3, sizeof *v, compare);
}

static void segv(void)
{
	volatile uintptr_t nowhere = 16;
	*(volatile int *)nowhere = 1;
}

static void goexit(void)
{
	csp_exit_goroutine();
}

int main(int argc, char **argv)
{
	static const struct { const char *name; void (*run)(void); } cases[] = {
		{ "deadlock", deadlock }, { "closed", closed }, { "closed_elsewhere", closed_elsewhere }, { "quit", quit }, { "live", live },
		{ "overflow", overflow }, { "overflow_main", overflow_main }, { "depth", depth }, { "nil", nil }, { "many", many }, { "inlined", inlined },
		{ "through_libc", through_libc }, { "segv", segv }, { "goexit", goexit },
	};
	work = csp_make_chan(int);
	for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof *cases; i++)
		if (strcmp(argv[1], cases[i].name) == 0)
			cases[i].run();
	return 0;
}
