/* The calls on descriptors, kind by kind: what is no socket, datagrams, ends of connections, deadlines, numbers that change hands, signals,
 * a thousand descriptors at once. Run with CSPMAXPROCS 1, 2, 4. */
#include <csp.h>

#include "../lib/expect.h"
#include "../lib/goroutines.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>

static int bound(int type, struct sockaddr_in *addr)
{
	socklen_t bytes = sizeof *addr;
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	*addr = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	EXPECT(fd >= 0 && bind(fd, (struct sockaddr *)addr, bytes) == 0);
	EXPECT(getsockname(fd, (struct sockaddr *)addr, &bytes) == 0);
	return fd;
}

static void tcp_pair(int ends[2])
{
	struct sockaddr_in addr;
	int listener = bound(SOCK_STREAM, &addr);

	EXPECT(listen(listener, 8) == 0);
	ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	EXPECT_EQ(csp_connect(ends[0], (struct sockaddr *)&addr, sizeof addr), 0);
	ends[1] = csp_accept(listener, NULL, NULL);
	EXPECT(ends[1] >= 0);
	csp_close_fd(listener);
}

static void close_both(int ends[2])
{
	EXPECT_EQ(csp_close_fd(ends[0]), 0);
	EXPECT_EQ(csp_close_fd(ends[1]), 0);
}

/* The result of one read of up to 8 bytes. */
static void read_some(int fd, csp_send_chan(int) out)
{
	char buf[8];

	csp_chan_send(out, (int)csp_read(fd, buf, sizeof buf));
}

static csp_chan(int) results;

static void first_write_to_a_dead_socket_raises_no_signal(void)
{
	struct iovec iov = { "x", 1 };
	int ends[2];

	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	close(ends[1]);
	EXPECT_EQ(csp_write(ends[0], "x", 1), -EPIPE);
	csp_close_fd(ends[0]);
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	close(ends[1]);
	EXPECT_EQ(csp_writev(ends[0], &iov, 1), -EPIPE);
	csp_close_fd(ends[0]);
}

static void events_signals_and_timers_are_read(void)
{
	struct itimerspec in_2_ms = { .it_value.tv_nsec = 2000000 };
	struct signalfd_siginfo info;
	uint64_t count = 3;
	sigset_t set;
	int fd = eventfd(0, EFD_CLOEXEC);

	csp_go(read_some, fd, results);
	settle();
	EXPECT_EQ(csp_write(fd, &count, sizeof count), (ssize_t)sizeof count);
	EXPECT_EQ(csp_chan_recv(results), 8);
	csp_close_fd(fd);

	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	EXPECT(timerfd_settime(fd, 0, &in_2_ms, NULL) == 0);
	EXPECT_EQ(csp_read(fd, &count, sizeof count), (ssize_t)sizeof count);
	EXPECT_EQ(count, 1);
	csp_close_fd(fd);

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);              /* main has blocked it in every thread */
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	EXPECT_EQ(csp_set_deadline(fd, csp_now_ns() + CSP_MILLISECOND, 0), 0);
	EXPECT_EQ(csp_read(fd, &info, sizeof info), -ETIMEDOUT);
	EXPECT_EQ(csp_set_deadline(fd, 0, 0), 0);
	kill(getpid(), SIGRTMIN);
	EXPECT_EQ(csp_read(fd, &info, sizeof info), (ssize_t)sizeof info);
	EXPECT_EQ(info.ssi_signo, SIGRTMIN);
	csp_close_fd(fd);
}

static void datagrams_know_their_sender(void)
{
	struct sockaddr_in a, b, from;
	struct msghdr msg;
	struct iovec parts[2];
	unsigned bytes = sizeof from;
	char buf[16];
	int fds[2] = { bound(SOCK_DGRAM, &a), bound(SOCK_DGRAM, &b) };

	EXPECT_EQ(csp_recvfrom(fds[1], buf, sizeof buf, MSG_DONTWAIT, NULL, NULL), -EAGAIN);
	EXPECT_EQ(csp_sendto(fds[0], "hello", 5, 0, (struct sockaddr *)&b, sizeof b), 5);
	EXPECT_EQ(csp_recvfrom(fds[1], buf, sizeof buf, 0, (struct sockaddr *)&from, &bytes), 5);
	EXPECT(bytes == sizeof a && from.sin_port == a.sin_port && memcmp(buf, "hello", 5) == 0);

	parts[0] = (struct iovec){ "ab", 2 };
	parts[1] = (struct iovec){ "cde", 3 };
	msg = (struct msghdr){ .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = parts, .msg_iovlen = 2 };
	EXPECT_EQ(csp_sendmsg(fds[1], &msg, 0), 5);
	parts[0] = (struct iovec){ buf, 1 };
	parts[1] = (struct iovec){ buf + 1, 15 };
	EXPECT_EQ(csp_recvmsg(fds[0], &msg, 0), 5);
	EXPECT(memcmp(buf, "abcde", 5) == 0 && from.sin_port == b.sin_port);

	EXPECT_EQ(csp_set_deadline(fds[0], csp_now_ns() + 2 * CSP_MILLISECOND, 0), 0);
	EXPECT_EQ(csp_recvmsg(fds[0], &msg, 0), -ETIMEDOUT);
	close_both(fds);
}

static void each_of_two_readers_gets_its_byte(void)
{
	int ends[2];

	tcp_pair(ends);
	for (int round = 0; round < 50; round++) {
		csp_go(read_some, ends[0], results);
		csp_go(read_some, ends[0], results);
		if (round & 1)
			settle();
		EXPECT_EQ(csp_write(ends[1], "a", 1), 1);
		EXPECT_EQ(csp_chan_recv(results), 1);
		EXPECT_EQ(csp_write(ends[1], "b", 1), 1);
		EXPECT_EQ(csp_chan_recv(results), 1);
	}
	close_both(ends);
}

static void half_a_connection_lives_on(void)
{
	char c;
	int ends[2];

	tcp_pair(ends);
	csp_go(read_some, ends[1], results);
	settle();
	EXPECT(shutdown(ends[0], SHUT_WR) == 0);
	EXPECT_EQ(csp_chan_recv(results), 0);
	EXPECT_EQ(csp_wait_fd(ends[1], POLLIN | POLLRDHUP, 0), POLLIN | POLLRDHUP);
	EXPECT_EQ(csp_write(ends[1], "x", 1), 1);
	EXPECT_EQ(csp_read(ends[0], &c, 1), 1);
	EXPECT_EQ(csp_write(ends[0], "x", 1), -EPIPE);
	EXPECT_EQ(csp_close_fd(ends[1]), 0);
	EXPECT_EQ(csp_read(ends[0], &c, 1), 0);
	EXPECT_EQ(csp_close_fd(ends[0]), 0);
}

static void hang_ups_and_resets_wake(void)
{
	struct linger at_once = { 1, 0 };
	int ends[2];

	EXPECT(pipe2(ends, O_CLOEXEC) == 0);
	csp_go(read_some, ends[0], results);
	settle();
	EXPECT_EQ(csp_close_fd(ends[1]), 0);
	EXPECT_EQ(csp_chan_recv(results), 0);
	EXPECT_EQ(csp_wait_fd(ends[0], POLLIN, 0), POLLHUP);
	EXPECT_EQ(csp_close_fd(ends[0]), 0);

	tcp_pair(ends);
	csp_go(read_some, ends[0], results);
	settle();
	EXPECT(setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
	EXPECT_EQ(csp_close_fd(ends[1]), 0);
	EXPECT_EQ(csp_chan_recv(results), -ECONNRESET);
	EXPECT_EQ(csp_close_fd(ends[0]), 0);
}

static void deadlines_move_under_the_wait(void)
{
	int64_t start_ns = csp_now_ns();
	int ends[2];
	char c;

	EXPECT(pipe2(ends, O_CLOEXEC) == 0);
	EXPECT_EQ(csp_write(ends[1], "x", 1), 1);
	EXPECT_EQ(csp_set_deadline(ends[0], 1, 0), 0);                  /* long past: ends also what could go on */
	EXPECT_EQ(csp_read(ends[0], &c, 1), -ETIMEDOUT);
	EXPECT_EQ(csp_set_deadline(ends[0], 0, 0), 0);
	EXPECT_EQ(csp_read(ends[0], &c, 1), 1);

	/* Put off while waiting: the first one must not end the read. */
	EXPECT_EQ(csp_set_deadline(ends[0], start_ns + 3 * CSP_SECOND, 0), 0);
	csp_go(read_some, ends[0], results);
	settle();
	EXPECT_EQ(csp_set_deadline(ends[0], start_ns + 6 * CSP_SECOND, 0), 0);
	EXPECT_EQ(csp_write(ends[1], "y", 1), 1);
	EXPECT_EQ(csp_chan_recv(results), 1);

	/* Brought forward while waiting, into the past. */
	csp_go(read_some, ends[0], results);
	settle();
	EXPECT_EQ(csp_set_deadline(ends[0], 1, 0), 0);
	EXPECT_EQ(csp_chan_recv(results), -ETIMEDOUT);
	EXPECT(csp_now_ns() - start_ns < 3 * CSP_SECOND);
	close_both(ends);

	EXPECT_EQ(csp_set_deadline(-1, 0, 0), -EBADF);
	EXPECT_EQ(csp_wait_fd(0, POLLPRI, 0), -EINVAL);
}

static void a_short_deadline_put_off_does_not_fire(void)
{
	int ends[2];

	EXPECT(pipe2(ends, O_CLOEXEC) == 0);
	EXPECT_EQ(csp_set_deadline(ends[0], csp_now_ns() + 200 * CSP_MILLISECOND, 0), 0);
	csp_go(read_some, ends[0], results);
	settle();
	int64_t late_ns = csp_now_ns() + 300 * CSP_MILLISECOND;
	EXPECT_EQ(csp_set_deadline(ends[0], late_ns, 0), 0);
	EXPECT_EQ(csp_chan_recv(results), -ETIMEDOUT);
	EXPECT(csp_now_ns() >= late_ns);
	close_both(ends);
}

static void a_number_that_changed_hands_is_new(void)
{
	int old[2], new[2];
	char c;

	/* Closed and reused through the runtime: the deadline went with the old file. */
	EXPECT(pipe2(old, O_CLOEXEC) == 0);
	EXPECT_EQ(csp_set_deadline(old[0], 1, 1), 0);
	EXPECT_EQ(csp_read(old[0], &c, 1), -ETIMEDOUT);
	close_both(old);
	EXPECT(pipe2(new, O_CLOEXEC) == 0);
	EXPECT(new[0] == old[0] && new[1] == old[1]);
	csp_go(read_some, new[0], results);
	settle();
	EXPECT_EQ(csp_write(new[1], "xy", 2), 2);
	EXPECT_EQ(csp_chan_recv(results), 2);

	/* Behind its back, and from a pipe to a socket and to a file. */
	close(new[0]);
	close(new[1]);
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, new) == 0);
	EXPECT(new[0] == old[0]);
	csp_go(read_some, new[0], results);
	settle();
	EXPECT_EQ(csp_write(new[1], "abc", 3), 3);
	EXPECT_EQ(csp_chan_recv(results), 3);
	close(new[0]);
	close(new[1]);
	new[0] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	EXPECT(new[0] == old[0]);
	EXPECT_EQ(csp_read(new[0], &c, 1), 1);
	EXPECT_EQ(c, '\177');
	EXPECT_EQ(csp_close_fd(new[0]), 0);
	EXPECT_EQ(csp_read(new[0], &c, 1), -EBADF);
	EXPECT_EQ(csp_close_fd(new[0]), -EBADF);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void pour(int fd, int n)
{
	for (int i = 0; i < n; i++)
		EXPECT_EQ(csp_write(fd, &i, sizeof i), (ssize_t)sizeof i);
}

/* A signal every 200 us, without SA_RESTART, into whatever thread and system call. */
static void signals_interrupt_nothing(void)
{
	struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = on_alarm };
	int ends[2], got = 0;
	char buf[64];
	ssize_t n;

	EXPECT(sigaction(SIGALRM, &sa, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
	tcp_pair(ends);
	csp_go(pour, ends[1], 20000);
	while (got < 20000 * (int)sizeof(int)) {
		n = csp_read(ends[0], buf, sizeof buf);
		EXPECT(n > 0);
		got += (int)n;
	}
	EXPECT_EQ(csp_set_deadline(ends[0], csp_now_ns() + 5 * CSP_MILLISECOND, 0), 0);
	EXPECT_EQ(csp_read(ends[0], buf, 1), -ETIMEDOUT);
	EXPECT(setitimer(ITIMER_REAL, &never, NULL) == 0);
	close_both(ends);
}

static void connecting_takes_no_longer_than_allowed(void)
{
	struct sockaddr_un path = { .sun_family = AF_UNIX };
	struct sockaddr_in addr, all = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_BROADCAST) };
	int listener = bound(SOCK_STREAM, &addr), queue[8], fd, n = 0;

	/* Nobody accepts; when the queue is full, the kernel drops what knocks. */
	EXPECT(listen(listener, 0) == 0);
	do {
		queue[n] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		EXPECT_EQ(csp_set_deadline(queue[n], 0, csp_now_ns() + 30 * CSP_MILLISECOND), 0);
	} while ((fd = csp_connect(queue[n++], (struct sockaddr *)&addr, sizeof addr)) == 0 && n < 8);
	EXPECT_EQ(fd, -ETIMEDOUT);
	EXPECT_EQ(csp_set_deadline(listener, 1, 0), 0);
	EXPECT_EQ(csp_accept(listener, NULL, NULL), -ETIMEDOUT);
	while (n > 0)
		csp_close_fd(queue[--n]);
	csp_close_fd(listener);

	/* The same for Unix sockets, whose full queue says EAGAIN. */
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(path.sun_path + 1, sizeof path.sun_path - 1, "csp-net-calls-%d", (int)getpid());
	EXPECT(bind(listener, (struct sockaddr *)&path, sizeof path) == 0 && listen(listener, 0) == 0);
	do {
		queue[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		EXPECT_EQ(csp_set_deadline(queue[n], 0, csp_now_ns() + 10 * CSP_MILLISECOND), 0);
	} while ((fd = csp_connect(queue[n++], (struct sockaddr *)&path, sizeof path)) == 0 && n < 8);
	EXPECT_EQ(fd, -ETIMEDOUT);
	while (n > 0)
		csp_close_fd(queue[--n]);
	csp_close_fd(listener);

	/* Off this machine, where no connection can be: whatever the network says, it is an error and soon. */
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	EXPECT_EQ(csp_set_deadline(fd, 0, csp_now_ns() + 30 * CSP_MILLISECOND), 0);
	EXPECT(csp_connect(fd, (struct sockaddr *)&all, sizeof all) < 0);
	csp_close_fd(fd);
}

static void a_reader_and_a_writer_share_a_socket(void)
{
	static char big[1 << 20];
	int ends[2], got = 0;
	ssize_t n;

	tcp_pair(ends);
	csp_go(read_some, ends[0], results);                    /* waits for input while the same end is written to */
	csp_go(pour, ends[0], (int)(sizeof big / sizeof(int)));
	while (got < (int)sizeof big) {
		n = csp_recv(ends[1], big, sizeof big, 0);
		EXPECT(n > 0);
		got += (int)n;
	}
	EXPECT_EQ(csp_write(ends[1], "end", 3), 3);
	EXPECT_EQ(csp_chan_recv(results), 3);
	close_both(ends);
}

static void a_thousand_descriptors_wait_at_once(void)
{
	enum { PAIRS = 500 };
	static int fds[PAIRS][2];
	struct rlimit limit;

	EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	if (limit.rlim_cur < 2 * PAIRS + 64) {
		limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	for (int i = 0; i < PAIRS; i++) {
		EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds[i]) == 0);
		csp_go(read_some, fds[i][0], results);
		csp_go(read_some, fds[i][1], results);
	}
	settle();
	for (int i = 0; i < PAIRS; i++) {
		EXPECT_EQ(csp_write(fds[i][i & 1], "a", 1), 1);
		EXPECT_EQ(csp_write(fds[i][!(i & 1)], "b", 1), 1);
	}
	for (int i = 0; i < 2 * PAIRS; i++)
		EXPECT_EQ(csp_chan_recv(results), 1);
	for (int i = 0; i < PAIRS; i++)
		close_both(fds[i]);
}

static void block_in_read(int fd, csp_send_chan(int) out)
{
	char c;

	csp_chan_send(out, (int)read(fd, &c, 1));
}

static void ping(csp_chan(int) c, int n)
{
	for (int i = 0; i < n; i++)
		csp_chan_send(c, i);
}

/* Four plain read(2) block four threads; nobody else waits for them. */
static void plain_system_calls_block_nobody_else(void)
{
	csp_chan(int) c = csp_make_chan(int);
	int ends[2];

	EXPECT(pipe2(ends, O_CLOEXEC) == 0);
	for (int i = 0; i < 4; i++)
		csp_go(block_in_read, ends[0], results);
	settle();
	csp_go(ping, c, 1000);
	for (int i = 0; i < 1000; i++)
		EXPECT_EQ(csp_chan_recv(c), i);
	EXPECT_EQ(write(ends[1], "abcd", 4), 4);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(csp_chan_recv(results), 1);
	csp_chan_free(c);
	close_both(ends);
}

int main(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	results = csp_make_chan(int);
	first_write_to_a_dead_socket_raises_no_signal();
	events_signals_and_timers_are_read();
	datagrams_know_their_sender();
	each_of_two_readers_gets_its_byte();
	half_a_connection_lives_on();
	hang_ups_and_resets_wake();
	deadlines_move_under_the_wait();
	a_short_deadline_put_off_does_not_fire();
	a_number_that_changed_hands_is_new();
	signals_interrupt_nothing();
	connecting_takes_no_longer_than_allowed();
	a_reader_and_a_writer_share_a_socket();
	a_thousand_descriptors_wait_at_once();
	plain_system_calls_block_nobody_else();
	csp_chan_free(results);
	return 0;
}
