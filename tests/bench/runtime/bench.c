/* What the runtime's operations cost. One process does the rows named on the command line (or all), once each, and prints a line per figure:
 *
 *   NAME VALUE UNIT
 *
 * NAME is wall time per operation, NAME_cpu processor time of the whole process: on a shared machine the one to trust. $SCALE divides
 * the work; $ROW_N is the number of goroutines of `park` and `contend`. Repeating is the caller's affair (tests/bench/run).
 * What one operation is, and how many there are, is the same as in the programs this one is compared with. */
#define CSP_SHORT_NAMES
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static long scale = 1;

long bench_scaled(long n)
{
	n /= scale;
	return n < 64 ? 64 : n;
}

/* How many goroutines, for the rows that are asked so. */
static long row_n(long otherwise)
{
	const char *s = getenv("ROW_N");
	return s != NULL && atol(s) > 0 ? atol(s) : otherwise;
}

double bench_wall_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double cpu_ns(void)
{
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e9 + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e3;
}

static double rss_bytes(void)
{
	long size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (f == NULL || fscanf(f, "%ld %ld", &size, &resident) != 2)
		abort();
	fclose(f);
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

void bench_print(const char *name, double value, const char *unit)
{
	printf("%s %.3f %s\n", name, value, unit);
	fflush(stdout);
}

static double wall_begin, cpu_begin;

void bench_begin(void)
{
	cpu_begin = cpu_ns();
	wall_begin = bench_wall_ns();
}

void bench_end(const char *name, long operations)
{
	double wall = bench_wall_ns() - wall_begin, cpu = cpu_ns() - cpu_begin;
	char name_cpu[64];
	snprintf(name_cpu, sizeof name_cpu, "%s_cpu", name);
	bench_print(name, wall / (double)operations, "ns/op");
	bench_print(name_cpu, cpu / (double)operations, "ns/op");
}

void bench_check(bool right, const char *name)
{
	if (!right) {
		fprintf(stderr, "bench: %s: wrong result\n", name);
		exit(1);
	}
}

/* --- goroutines -------------------------------------------------------------------------------------------------------- */

static csp_waitgroup done;

static void yielder(long n)
{
	for (long i = 0; i < n; i++)
		csp_yield();
	csp_wg_done(&done);
}

static void bench_yield(void)
{
	long n = bench_scaled(2000000);
	csp_wg_add(&done, 2);
	bench_begin();
	go(yielder, n);
	go(yielder, n);
	csp_wg_wait(&done);
	bench_end("yield", 2 * n);
}

static void only_done(csp_waitgroup *wg)
{
	csp_wg_done(wg);
}

static void bench_spawn(void)
{
	long n = bench_scaled(1000000);
	csp_wg_add(&done, n);
	bench_begin();
	for (long i = 0; i < n; i++)
		go(only_done, &done);
	csp_wg_wait(&done);
	bench_end("spawn", n);
}

static void bench_spawnjoin(void)
{
	long n = bench_scaled(1000000);
	bench_begin();
	for (long i = 0; i < n; i++) {
		csp_wg_add(&done, 1);
		go(only_done, &done);
		csp_wg_wait(&done);
	}
	bench_end("spawnjoin", n);
}

static long tree(int depth);

static void branch(int depth, long *result, csp_waitgroup *wg)
{
	*result = tree(depth);
	csp_wg_done(wg);
}

static long tree(int depth)
{
	csp_waitgroup wg = { 0 };
	long left, right;
	if (depth == 0)
		return 1;
	csp_wg_add(&wg, 2);
	go(branch, depth - 1, &left, &wg);
	go(branch, depth - 1, &right, &wg);
	csp_wg_wait(&wg);
	return left + right;
}

static void bench_tree(void)
{
	int depth = 18;
	for (long s = scale; s > 1; s /= 2)
		depth--;
	bench_begin();
	long leaves = tree(depth);
	bench_end("tree", (2L << depth) - 2);
	bench_check(leaves == 1L << depth, "tree");
}

/* --- channels ---------------------------------------------------------------------------------------------------------- */

static void ponger(recv_chan(long) ping, send_chan(long) pong)
{
	chan_for(v, ping)
		chan_send(pong, v + 1);
	chan_close(pong);
}

static void bench_pingpong(void)
{
	long n = bench_scaled(1000000), v;
	chan(long) ping = make_chan(long), pong = make_chan(long);
	go(ponger, ping, pong);
	bench_begin();
	for (long i = 0; i < n; i++) {
		chan_send(ping, i);
		bench_check(chan_recv(pong) == i + 1, "pingpong");
	}
	bench_end("pingpong", 2 * n);
	chan_close(ping);
	bench_check(!chan_recv_ok(pong, &v), "pingpong");
	csp_chan_free(ping);
	csp_chan_free(pong);
}

static void producer(send_chan(long) c, long n, csp_waitgroup *wg)
{
	for (long i = 0; i < n; i++)
		chan_send(c, i);
	csp_wg_done(wg);
}

static void consumer(recv_chan(long) c, long *sum, csp_waitgroup *wg)
{
	long s = 0;
	chan_for(v, c)
		s += v;
	*sum = s;
	csp_wg_done(wg);
}

/* $ROW_N senders, one receiver, no buffer. */
static void bench_contend(void)
{
	long senders = row_n(4), each = bench_scaled(1000000) / senders, got = 0, sum = 0;
	csp_waitgroup sent = { 0 };
	chan(long) c = make_chan(long);

	csp_wg_add(&sent, senders);
	bench_begin();
	for (long i = 0; i < senders; i++)
		go(producer, c, each, &sent);
	for (; got < senders * each; got++)
		sum += chan_recv(c);
	csp_wg_wait(&sent);
	bench_end("contend", got);
	bench_check(sum == senders * (each * (each - 1) / 2), "contend");
	csp_chan_free(c);
}

static void many_to_many(const char *name, int producers, int consumers, long n)
{
	csp_waitgroup sent = { 0 }, received = { 0 };
	chan(long) c = make_chan(long, 128);
	long each = n / producers, sums[8] = { 0 }, sum = 0;
	csp_wg_add(&sent, producers);
	csp_wg_add(&received, consumers);
	bench_begin();
	for (int i = 0; i < consumers; i++)
		go(consumer, c, &sums[i], &received);
	for (int i = 0; i < producers; i++)
		go(producer, c, each, &sent);
	csp_wg_wait(&sent);
	chan_close(c);
	csp_wg_wait(&received);
	bench_end(name, each * producers);
	for (int i = 0; i < consumers; i++)
		sum += sums[i];
	bench_check(sum == producers * (each * (each - 1) / 2), name);
	csp_chan_free(c);
}

static void bench_spsc(void) { many_to_many("spsc128", 1, 1, bench_scaled(8000000)); }
static void bench_mpmc(void) { many_to_many("mpmc4x4", 4, 4, bench_scaled(4000000)); }

static void bench_select2(void)
{
	long n = bench_scaled(1000000) / 2, sum = 0, v = 0;
	chan(long) a = make_chan(long), b = make_chan(long);
	csp_wg_add(&done, 2);
	go(producer, a, n, &done);
	go(producer, b, n, &done);
	bench_begin();
	for (long i = 0; i < 2 * n; i++) {
		choose(CSP_ON_RECV(a, &v), CSP_ON_RECV(b, &v));
		sum += v;
	}
	bench_end("select2", 2 * n);
	bench_check(sum == n * (n - 1), "select2");
	csp_wg_wait(&done);
	csp_chan_free(a);
	csp_chan_free(b);
}

static void bench_select8(void)
{
	long n = bench_scaled(1000000) / 8, sum = 0, v = 0;
	chan(long) c[8];
	csp_wg_add(&done, 8);
	for (int i = 0; i < 8; i++) {
		c[i] = make_chan(long);
		go(producer, c[i], n, &done);
	}
	bench_begin();
	for (long i = 0; i < 8 * n; i++) {
		choose(CSP_ON_RECV(c[0], &v), CSP_ON_RECV(c[1], &v), CSP_ON_RECV(c[2], &v), CSP_ON_RECV(c[3], &v),
		       CSP_ON_RECV(c[4], &v), CSP_ON_RECV(c[5], &v), CSP_ON_RECV(c[6], &v), CSP_ON_RECV(c[7], &v));
		sum += v;
	}
	bench_end("select8", 8 * n);
	bench_check(sum == 8 * (n * (n - 1) / 2), "select8");
	csp_wg_wait(&done);
	for (int i = 0; i < 8; i++)
		csp_chan_free(c[i]);
}

static void bench_tryrecv(void)
{
	long n = bench_scaled(50000000), hits = 0, v;
	chan(long) c = make_chan(long, 1);
	bench_begin();
	for (long i = 0; i < n; i++)
		hits += csp_chan_try_recv(c, &v);
	bench_end("tryrecv", n);
	bench_check(hits == 0, "tryrecv");
	csp_chan_free(c);
}

static void bench_chanlocal(void)
{
	long n = bench_scaled(20000000), v = 0;
	chan(long) c = make_chan(long, 128);
	bench_begin();
	for (long i = 0; i < n; i++) {
		chan_send(c, i);
		v = chan_recv(c);
	}
	bench_end("chanlocal", 2 * n);
	bench_check(v == n - 1, "chanlocal");
	csp_chan_free(c);
}

/* --- locks ------------------------------------------------------------------------------------------------------------- */

static csp_mutex mutex;
static volatile long counter;

static void locker(long n, bool yield_inside)
{
	for (long i = 0; i < n; i++) {
		csp_mutex_lock(&mutex);
		counter = counter + 1;
		if (yield_inside)
			csp_yield();
		csp_mutex_unlock(&mutex);
	}
	csp_wg_done(&done);
}

static void bench_mutex1(void)
{
	long n = bench_scaled(50000000);
	counter = 0;
	bench_begin();
	for (long i = 0; i < n; i++) {
		csp_mutex_lock(&mutex);
		counter = counter + 1;
		csp_mutex_unlock(&mutex);
	}
	bench_end("mutex1", n);
	bench_check(counter == n, "mutex1");
}

static void four_lockers(const char *name, long n, bool yield_inside)
{
	counter = 0;
	csp_wg_add(&done, 4);
	bench_begin();
	for (int i = 0; i < 4; i++)
		go(locker, n, yield_inside);
	csp_wg_wait(&done);
	bench_end(name, 4 * n);
	bench_check(counter == 4 * n, name);
}

static void bench_mutex4(void) { four_lockers("mutex4", bench_scaled(8000000) / 4, false); }
static void bench_mutex4y(void) { four_lockers("mutex4y", bench_scaled(400000) / 4, true); }

/* --- many goroutines --------------------------------------------------------------------------------------------------- */

static void parked(recv_chan(char) c, csp_waitgroup *up)
{
	csp_wg_done(up);
	chan_recv(c);
	csp_wg_done(&done);
}

static void bench_park(void)
{
	long n = row_n(bench_scaled(1000000));
	chan(char) c = make_chan(char);
	csp_waitgroup up = { 0 };
	csp_wg_add(&done, n);
	csp_wg_add(&up, n);
	double before = rss_bytes();
	bench_begin();
	for (long i = 0; i < n; i++)
		go(parked, c, &up);
	csp_wg_wait(&up);
	csp_yield();
	bench_end("park_create", n);
	bench_print("park_rss", (rss_bytes() - before) / (double)n, "B/g");
	bench_begin();
	chan_close(c);
	csp_wg_wait(&done);
	bench_end("park_wake", n);
	csp_chan_free(c);
}

static uint64_t random_state = 88172645463325252u;      /* xorshift64; the peers' numbers */

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void timed_sleeper(long us, float *late)
{
	double t = bench_wall_ns();
	csp_sleep(us * CSP_MICROSECOND);
	*late = (float)((bench_wall_ns() - t) / 1e3 - (double)us);
	csp_wg_done(&done);
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

static void bench_timers(void)
{
	long n = bench_scaled(100000);
	float *late = calloc((size_t)n, sizeof *late);
	csp_wg_add(&done, n);
	bench_begin();
	for (long i = 0; i < n; i++)
		go(timed_sleeper, (long)(next_random() % 1000000), &late[i]);
	csp_wg_wait(&done);
	bench_print("timers_cpu", (cpu_ns() - cpu_begin) / (double)n, "ns/timer");
	bench_print("timers_wall", (bench_wall_ns() - wall_begin) / 1e6, "ms");
	qsort(late, (size_t)n, sizeof *late, by_value);
	bench_print("timers_late50", late[n / 2], "us");
	bench_print("timers_late99", late[n * 99 / 100], "us");
	bench_check(late[0] >= -0.1f, "timers: too early");
	free(late);
}

static void numbers(send_chan(long) c)
{
	for (long i = 2;; i++)
		chan_send(c, i);
}

static void filter(recv_chan(long) in, send_chan(long) out, long prime)
{
	for (;;) {
		long v = chan_recv(in);
		if (v % prime != 0)
			chan_send(out, v);
	}
}

/* The goroutines are left behind. */
static void bench_sieve(void)
{
	long n = 2000 / scale, prime = 0;
	chan(long) c = make_chan(long);
	bench_begin();
	go(numbers, c);
	for (long i = 0; i < n; i++) {
		prime = chan_recv(c);
		if (i == n - 1)
			break;
		chan(long) next = make_chan(long);
		go(filter, c, next, prime);
		c = next;
	}
	bench_print("sieve", (bench_wall_ns() - wall_begin) / 1e6, "ms");
	bench_print("sieve_cpu", (cpu_ns() - cpu_begin) / 1e6, "ms");
	bench_check(n != 2000 || prime == 17389, "sieve");
}

static const struct { const char *name; void (*run)(void); } rows[] = {
	{ "yield", bench_yield }, { "spawn", bench_spawn }, { "spawnjoin", bench_spawnjoin }, { "tree", bench_tree },
	{ "pingpong", bench_pingpong }, { "spsc128", bench_spsc }, { "mpmc4x4", bench_mpmc }, { "select2", bench_select2 },
	{ "select8", bench_select8 }, { "tryrecv", bench_tryrecv }, { "chanlocal", bench_chanlocal }, { "mutex1", bench_mutex1 },
	{ "mutex4", bench_mutex4 }, { "mutex4y", bench_mutex4y }, { "park", bench_park }, { "timers", bench_timers }, { "sieve", bench_sieve },
	{ "echo64", bench_echo }, { "spawn1000", bench_spawn1000 }, { "hog", bench_hog }, { "block", bench_block },
	{ "contend", bench_contend },
};

int main(int argc, char **argv)
{
	const char *s = getenv("SCALE");
	if (s != NULL && atol(s) > 0)
		scale = atol(s);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		bool wanted = argc < 2;
		for (int k = 1; k < argc; k++) {
			if (strcmp(argv[k], "-list") == 0)
				puts(rows[i].name);
			wanted |= strcmp(argv[k], rows[i].name) == 0;
		}
		if (wanted)
			rows[i].run();
	}
	return 0;
}
