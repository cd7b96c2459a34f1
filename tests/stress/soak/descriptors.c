#include "soak.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- bytes through a pipe or a pair of sockets, in pieces, with deadlines that are missed --------------------------------- */

struct flow { int in, out; bool socket; long bytes, got; uint64_t sent_sum, got_sum; csp_waitgroup wg; };

static uint64_t mix(uint64_t sum, const unsigned char *p, long n)
{
	for (long i = 0; i < n; i++)
		sum = sum * 31 + p[i];
	return sum;
}

static void pour(struct flow *f, struct rng r)
{
	unsigned char buf[3000];

	for (long left = f->bytes; left > 0;) {
		long n = between(&r, 1, sizeof buf), done;
		if (n > left)
			n = left;
		for (long i = 0; i < n; i++)
			buf[i] = (unsigned char)rng_next(&r);
		if (pick(&r, 6) == 0)
			csp_set_deadline(f->out, 0, csp_now_ns() + pick(&r, 100) * CSP_MICROSECOND);
		done = f->socket && pick(&r, 2) ? csp_send(f->out, buf, (size_t)n, 0) : csp_write(f->out, buf, (size_t)n);
		if (done < 0) {
			CHECK_EQ(done, -ETIMEDOUT);
			done = 0;
		}
		csp_set_deadline(f->out, 0, 0);
		f->sent_sum = mix(f->sent_sum, buf, done);
		left -= done;
		soak_pause(&r);
	}
	CHECK_EQ(csp_close_fd(f->out), 0);
	csp_wg_done(&f->wg);
}

static void drain(struct flow *f, struct rng r)
{
	unsigned char buf[4000];

	for (;;) {
		if (pick(&r, 6) == 0)
			csp_set_deadline(f->in, csp_now_ns() + pick(&r, 100) * CSP_MICROSECOND, 0);
		if (pick(&r, 6) == 0)
			csp_wait_fd(f->in, POLLIN, csp_now_ns() + pick(&r, 200) * CSP_MICROSECOND);
		size_t room = (size_t)between(&r, 1, sizeof buf);
		long n = f->socket && pick(&r, 2) ? csp_recv(f->in, buf, room, 0) : csp_read(f->in, buf, room);
		csp_set_deadline(f->in, 0, 0);
		if (n == -ETIMEDOUT)
			continue;
		CHECK(n >= 0);
		if (n == 0)
			break;
		f->got += n;
		f->got_sum = mix(f->got_sum, buf, n);
		soak_pause(&r);
	}
	CHECK_EQ(csp_close_fd(f->in), 0);
	csp_wg_done(&f->wg);
}

void soak_pipes(struct rng r)
{
	enum { FLOWS = 6 };
	struct flow f[FLOWS] = { 0 };
	int n = between(&r, 1, FLOWS);

	for (int i = 0; i < n; i++) {
		int ends[2];
		f[i].socket = pick(&r, 2);
		f[i].bytes = pick(&r, 200000);
		CHECK_EQ(f[i].socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends), 0);
		f[i].in = ends[0];
		f[i].out = ends[1];
		csp_wg_add(&f[i].wg, 2);
		csp_go(pour, &f[i], fork_rng(&r));
		csp_go(drain, &f[i], fork_rng(&r));
	}
	for (int i = 0; i < n; i++) {
		csp_wg_wait(&f[i].wg);
		CHECK_EQ(f[i].got, f[i].bytes);
		CHECK(f[i].got_sum == f[i].sent_sum);
		soak_count((uint64_t)f[i].bytes / 1000);
	}
}

/* --- echo over loopback: a server that is closed while it accepts --------------------------------------------------------- */

struct server { int fd; struct sockaddr_in addr; csp_waitgroup conns, clients; csp_chan(int) ended; };

static void echo(struct server *s, int conn, struct rng r)
{
	char buf[2000];
	long n;

	while ((n = csp_read(conn, buf, sizeof buf)) > 0) {
		soak_pause(&r);
		CHECK_EQ(csp_write(conn, buf, (size_t)n), n);
	}
	CHECK_EQ(n, 0);
	CHECK_EQ(csp_close_fd(conn), 0);
	csp_wg_done(&s->conns);
}

static void serve(struct server *s, struct rng r)
{
	int conn;

	while ((conn = csp_accept(s->fd, NULL, NULL)) >= 0) {
		csp_wg_add(&s->conns, 1);
		csp_go(echo, s, conn, fork_rng(&r));
	}
	CHECK_EQ(conn, -EBADF);
	csp_wg_wait(&s->conns);
	csp_chan_close(s->ended);
}

static void client(struct server *s, struct rng r)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), times = between(&r, 0, 20);
	char out[1500], in[1500];

	CHECK(fd >= 0);
	CHECK_EQ(csp_connect(fd, (struct sockaddr *)&s->addr, sizeof s->addr), 0);
	for (int i = 0; i < times; i++) {
		long n = between(&r, 1, sizeof out);
		for (long k = 0; k < n; k++)
			out[k] = (char)rng_next(&r);
		CHECK_EQ(csp_send(fd, out, (size_t)n, 0), n);
		CHECK_EQ(csp_recv(fd, in, (size_t)n, MSG_WAITALL), n);
		CHECK(mix(0, (unsigned char *)in, n) == mix(0, (unsigned char *)out, n));
		soak_pause(&r);
	}
	/* No TIME_WAIT: a long soak would run out of ports. */
	struct { int on, seconds; } linger = { 1, 0 };
	if (pick(&r, 8) != 0)
		CHECK_EQ(shutdown(fd, SHUT_WR), 0);
	else
		linger.on = 0;
	if (linger.on && csp_read(fd, in, 1) == 0)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	CHECK_EQ(csp_close_fd(fd), 0);
	soak_count((uint64_t)times);
	csp_wg_done(&s->clients);
}

/* The listener is closed while another goroutine may be on its way into accept with its number: that number must not be given to others soon,
 * as it would be if it were the lowest. */
static int keep_apart(int fd)
{
	enum { LOW = 400, N = 500 };
	static _Atomic int turn;
	int apart = fcntl(fd, F_DUPFD_CLOEXEC, LOW + atomic_fetch_add(&turn, 1) % N);

	CHECK(apart >= LOW);
	close(fd);
	return apart;
}

void soak_echo(struct rng r)
{
	struct server s = { .addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, .ended = csp_make_chan(int) };
	socklen_t bytes = sizeof s.addr;
	int n = between(&r, 1, 4 * soak_scale);

	s.fd = keep_apart(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	CHECK(bind(s.fd, (struct sockaddr *)&s.addr, bytes) == 0 && listen(s.fd, 64) == 0);
	CHECK_EQ(getsockname(s.fd, (struct sockaddr *)&s.addr, &bytes), 0);
	csp_go(serve, &s, fork_rng(&r));
	csp_wg_add(&s.clients, n);
	for (int i = 0; i < n; i++)
		csp_go(client, &s, fork_rng(&r));
	csp_wg_wait(&s.clients);
	csp_close_fd(s.fd);
	csp_chan_recv(s.ended);
	csp_chan_unref(s.ended);
}
