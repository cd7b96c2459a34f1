/* Descriptors: TCP echo with 64 clients, pipes, deadlines, close, what is not a socket. Run with CSPMAXPROCS 1, 2, 4. */
#include <csp.h>

#include "../lib/expect.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>

enum { CLIENTS = 64, MESSAGES = 20, MESSAGE_BYTES = 512 };

static int listen_on_loopback(struct sockaddr_in *addr)
{
	socklen_t bytes = sizeof *addr;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*addr = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	EXPECT(fd >= 0 && bind(fd, (struct sockaddr *)addr, bytes) == 0 && listen(fd, 128) == 0);
	EXPECT(getsockname(fd, (struct sockaddr *)addr, &bytes) == 0);
	return fd;
}

static void echo(int conn, csp_waitgroup *wg)
{
	char buf[300];
	ssize_t n;

	while ((n = csp_read(conn, buf, sizeof buf)) > 0)
		EXPECT_EQ(csp_write(conn, buf, (size_t)n), n);
	EXPECT_EQ(n, 0);
	EXPECT_EQ(csp_close_fd(conn), 0);
	csp_wg_done(wg);
}

static void serve(int listener, csp_waitgroup *wg, csp_chan(int) done)
{
	int conn, n = 0;

	while ((conn = csp_accept(listener, NULL, NULL)) >= 0) {
		csp_wg_add(wg, 1);
		csp_go(echo, conn, wg);
		n++;
	}
	EXPECT_EQ(conn, -EBADF);
	csp_chan_send(done, n);
}

static void client(int id, struct sockaddr_in addr, csp_waitgroup *wg)
{
	char out[MESSAGE_BYTES], in[MESSAGE_BYTES];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	EXPECT(fd >= 0);
	EXPECT_EQ(csp_connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
	for (int i = 0; i < MESSAGES; i++) {
		memset(out, id * 31 + i, sizeof out);
		EXPECT_EQ(csp_send(fd, out, sizeof out, 0), (ssize_t)sizeof out);
		EXPECT_EQ(csp_recv(fd, in, sizeof in, MSG_WAITALL), (ssize_t)sizeof in);
		EXPECT(memcmp(in, out, sizeof in) == 0);
	}
	EXPECT_EQ(csp_close_fd(fd), 0);
	csp_wg_done(wg);
}

static void echo_server_serves_64_clients(void)
{
	struct sockaddr_in addr;
	int listener = listen_on_loopback(&addr);
	csp_waitgroup clients = { 0 }, conns = { 0 };
	csp_chan(int) done = csp_make_chan(int);

	csp_go(serve, listener, &conns, done);
	csp_wg_add(&clients, CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		csp_go(client, i, addr, &clients);
	csp_wg_wait(&clients);
	EXPECT_EQ(csp_close_fd(listener), 0);
	EXPECT_EQ(csp_chan_recv(done), CLIENTS);
	csp_wg_wait(&conns);
	csp_chan_free(done);
}

static void refused_connection_is_an_error(void)
{
	struct sockaddr_in addr;
	int listener = listen_on_loopback(&addr), fd = socket(AF_INET, SOCK_STREAM, 0);

	EXPECT_EQ(csp_close_fd(listener), 0);
	EXPECT_EQ(csp_connect(fd, (struct sockaddr *)&addr, sizeof addr), -ECONNREFUSED);
	EXPECT_EQ(csp_close_fd(fd), 0);
	EXPECT_EQ(csp_close_fd(fd), -EBADF);
}

static void pump(int fd, size_t bytes, csp_chan(int) done)
{
	char *data = malloc(bytes);

	for (size_t i = 0; i < bytes; i++)
		data[i] = (char)(i * 7);
	EXPECT_EQ(csp_write(fd, data, bytes), (ssize_t)bytes);
	EXPECT_EQ(csp_close_fd(fd), 0);
	free(data);
	csp_chan_send(done, 1);
}

static void pipes_pass_more_than_they_hold(void)
{
	enum { BYTES = 1 << 20 };
	csp_chan(int) done = csp_make_chan(int);
	size_t got = 0;
	char buf[10000];
	int fds[2];
	ssize_t n;

	EXPECT(pipe(fds) == 0);
	csp_go(pump, fds[1], (size_t)BYTES, done);
	while ((n = csp_read(fds[0], buf, sizeof buf)) > 0)
		for (ssize_t i = 0; i < n; i++, got++)
			EXPECT_EQ(buf[i], (char)(got * 7));
	EXPECT_EQ(n, 0);
	EXPECT_EQ(got, BYTES);
	csp_chan_recv(done);
	EXPECT_EQ(csp_close_fd(fds[0]), 0);
	csp_chan_free(done);
}

static void write_vector(int fd, csp_chan(int) done)
{
	static char a[100000], b[1], c[200000];
	struct iovec iov[4] = { { a, sizeof a }, { NULL, 0 }, { b, sizeof b }, { c, sizeof c } };

	memset(a, 'a', sizeof a);
	memset(b, 'b', sizeof b);
	memset(c, 'c', sizeof c);
	EXPECT_EQ(csp_writev(fd, iov, 4), (ssize_t)(sizeof a + sizeof b + sizeof c));
	EXPECT_EQ(csp_close_fd(fd), 0);
	csp_chan_send(done, 1);
}

static void vectors_arrive_in_order(void)
{
	csp_chan(int) done = csp_make_chan(int);
	char x[7000], y[13];
	struct iovec iov[2] = { { x, sizeof x }, { y, sizeof y } };
	size_t got = 0;
	int fds[2];
	ssize_t n;

	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	csp_go(write_vector, fds[1], done);
	while ((n = csp_readv(fds[0], iov, 2)) > 0)
		for (ssize_t i = 0; i < n; i++, got++)
			EXPECT_EQ(i < (ssize_t)sizeof x ? x[i] : y[i - (ssize_t)sizeof x],
				got < 100000 ? 'a' : got == 100000 ? 'b' : 'c');
	EXPECT_EQ(n, 0);
	EXPECT_EQ(got, 300001);
	csp_chan_recv(done);
	csp_close_fd(fds[0]);
	csp_chan_free(done);
}

static void deadline_ends_a_read(void)
{
	int64_t start_ns = csp_now_ns();
	int fds[2];
	char c;

	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	EXPECT_EQ(csp_set_deadline(fds[0], start_ns + 20 * CSP_MILLISECOND, 0), 0);
	EXPECT_EQ(csp_read(fds[0], &c, 1), -ETIMEDOUT);
	EXPECT(csp_now_ns() - start_ns >= 20 * CSP_MILLISECOND);
	EXPECT_EQ(csp_read(fds[0], &c, 1), -ETIMEDOUT);
	EXPECT_EQ(csp_write(fds[1], "x", 1), 1);
	EXPECT_EQ(csp_read(fds[0], &c, 1), -ETIMEDOUT);
	EXPECT_EQ(csp_set_deadline(fds[0], 0, 0), 0);
	EXPECT_EQ(csp_read(fds[0], &c, 1), 1);
	EXPECT_EQ(csp_wait_fd(fds[0], POLLIN, csp_now_ns() + 5 * CSP_MILLISECOND), -ETIMEDOUT);
	EXPECT_EQ(csp_wait_fd(fds[0], POLLIN | POLLOUT, 0), POLLOUT);
	EXPECT_EQ(csp_write(fds[1], "y", 1), 1);
	EXPECT_EQ(csp_wait_fd(fds[0], POLLIN, 0), POLLIN);
	csp_close_fd(fds[0]);
	EXPECT_EQ(csp_write(fds[1], "z", 1), -EPIPE);
	csp_close_fd(fds[1]);
}

static void read_until_closed(int fd, csp_chan(int) started, csp_chan(int) done)
{
	char c;

	csp_chan_send(started, 1);
	csp_chan_send(done, (int)csp_read(fd, &c, 1));
}

static void close_wakes_readers(void)
{
	csp_chan(int) started = csp_make_chan(int), done = csp_make_chan(int, 8);
	int fds[2];

	EXPECT(pipe(fds) == 0);
	for (int i = 0; i < 8; i++)
		csp_go(read_until_closed, fds[0], started, done);
	for (int i = 0; i < 8; i++)
		csp_chan_recv(started);
	csp_sleep(5 * CSP_MILLISECOND);         /* they wait by now; if not, they find fd closed, with the same result */
	EXPECT_EQ(csp_close_fd(fds[0]), 0);
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(csp_chan_recv(done), -EBADF);
	csp_close_fd(fds[1]);
	csp_chan_free(started);
	csp_chan_free(done);
}

static void other_files_are_simply_read(void)
{
	int fd = open("/proc/self/exe", O_RDONLY), null = open("/dev/null", O_RDWR), flags;
	char magic[4];

	EXPECT_EQ(csp_read(fd, magic, 4), 4);
	EXPECT(memcmp(magic, "\177ELF", 4) == 0);
	EXPECT_EQ(csp_close_fd(fd), 0);
	EXPECT_EQ(csp_write(null, magic, 4), 4);
	EXPECT_EQ(csp_read(null, magic, 4), 0);
	flags = fcntl(null, F_GETFL);
	EXPECT(!(flags & O_NONBLOCK));
	EXPECT_EQ(csp_close_fd(null), 0);
	EXPECT_EQ(csp_read(-1, magic, 4), -EBADF);
	EXPECT_EQ(csp_write(100000, magic, 4), -EBADF);
}

static void nonblocking_calls_do_not_park(void)
{
	int fds[2];
	char c;

	EXPECT(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) == 0);
	EXPECT_EQ(csp_recv(fds[0], &c, 1, MSG_DONTWAIT), -EAGAIN);
	EXPECT_EQ(csp_send(fds[1], "d", 1, 0), 1);
	EXPECT_EQ(csp_recv(fds[0], &c, 1, MSG_DONTWAIT), 1);
	EXPECT_EQ(c, 'd');
	csp_close_fd(fds[0]);
	csp_close_fd(fds[1]);
}

int main(void)
{
	echo_server_serves_64_clients();
	refused_connection_is_an_error();
	pipes_pass_more_than_they_hold();
	vectors_arrive_in_order();
	deadline_ends_a_read();
	close_wakes_readers();
	other_files_are_simply_read();
	nonblocking_calls_do_not_park();
	return 0;
}
