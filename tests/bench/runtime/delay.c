/* The rows that look at the clock of others: sockets, goroutines started together, and what one that computes or blocks does to the rest. */
#define CSP_SHORT_NAMES
#include "bench.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 64, MESSAGE = 64, PROBES = 4, BATCH = 1000 };

static csp_waitgroup done;

static bool read_all(int fd, char *to)
{
	for (ssize_t n = 0, k; n < MESSAGE; n += k)
		if ((k = csp_read(fd, to + n, (size_t)(MESSAGE - n))) <= 0)
			return false;
	return true;
}

static void serve(int fd)
{
	char message[MESSAGE];

	while (read_all(fd, message) && csp_write(fd, message, MESSAGE) == MESSAGE)
		;
	csp_close_fd(fd);
}

static void accept_all(int listener)
{
	int fd;

	while ((fd = (int)csp_accept(listener, NULL, NULL)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
		go(serve, fd);
	}
}

static void client(int fd, long rounds)
{
	char message[MESSAGE] = { 0 };

	for (long i = 0; i < rounds; i++)
		bench_check(csp_write(fd, message, MESSAGE) == MESSAGE && read_all(fd, message), "echo64");
	csp_wg_done(&done);
}

void bench_echo(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), fds[CONNECTIONS];
	socklen_t bytes = sizeof at;
	long rounds = bench_scaled(200000) / CONNECTIONS;

	bench_check(bind(listener, (void *)&at, bytes) == 0 && listen(listener, 128) == 0 && getsockname(listener, (void *)&at, &bytes) == 0, "echo64");
	go(accept_all, listener);
	for (int i = 0; i < CONNECTIONS; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		bench_check(csp_connect(fds[i], (void *)&at, bytes) == 0, "echo64");
		setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	}
	csp_wg_add(&done, CONNECTIONS);
	bench_begin();
	for (int i = 0; i < CONNECTIONS; i++)
		go(client, fds[i], rounds);
	csp_wg_wait(&done);
	bench_end("echo64", CONNECTIONS * rounds);
	for (int i = 0; i < CONNECTIONS; i++)
		csp_close_fd(fds[i]);
	csp_close_fd(listener);
}

static void only_done(csp_waitgroup *wg)
{
	csp_wg_done(wg);
}

void bench_spawn1000(void)
{
	long batches = bench_scaled(1000000) / BATCH + 1;

	bench_begin();
	for (long b = 0; b < batches; b++) {
		csp_wg_add(&done, BATCH);
		for (int i = 0; i < BATCH; i++)
			go(only_done, &done);
		csp_wg_wait(&done);
	}
	bench_end("spawn1000", batches * BATCH);
}

/* --- one goroutine keeps its worker for a second ---------------------------------------------------------------------------- */

static double hog_until_ns;

static void spin(int unused)
{
	while (bench_wall_ns() < hog_until_ns)
		;
	csp_wg_done(&done);
}

static void block(int unused)
{
	sleep(1);
	csp_wg_done(&done);
}

struct probe { long n; double *late_us; };

/* Wakes every millisecond: how late? */
static void probe(struct probe *p)
{
	while (bench_wall_ns() < hog_until_ns) {
		double due = bench_wall_ns() + 1e6;
		csp_sleep(CSP_MILLISECOND);
		if (p->n < 2000)
			p->late_us[p->n++] = (bench_wall_ns() - due) / 1e3;
	}
	csp_wg_done(&done);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void delays(void (*hog)(int), const char *p50, const char *p99)
{
	static double late[PROBES * 2000];
	struct probe probes[PROBES];
	long n = 0;

	csp_wg_add(&done, PROBES + 1);
	hog_until_ns = bench_wall_ns() + 1e9;
	for (int i = 0; i < PROBES; i++) {
		probes[i] = (struct probe){ 0, calloc(2000, sizeof(double)) };
		go(probe, &probes[i]);
	}
	csp_sleep(5 * CSP_MILLISECOND);
	go(hog, 0);
	csp_wg_wait(&done);
	for (int i = 0; i < PROBES; i++) {
		for (long k = 0; k < probes[i].n; k++)
			late[n++] = probes[i].late_us[k];
		free(probes[i].late_us);
	}
	bench_check(n > 0, p50);
	qsort(late, (size_t)n, sizeof *late, by_size);
	bench_print(p50, late[n / 2], "us");
	bench_print(p99, late[n * 99 / 100], "us");
}

void bench_hog(void) { delays(spin, "spin_late50", "spin_late99"); }
void bench_block(void) { delays(block, "block_late50", "block_late99"); }
