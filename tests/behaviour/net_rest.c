/* A read that has left nothing behind lets the next one wait without trying. What must wake it all the same: data, the peer's end, a reset, and
 * another file under the same number, closed and opened without the library's knowledge; while others run and while nobody does. */
#include <csp.h>

#include "../lib/expect.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

static int listener;
static struct sockaddr_in addr = { .sin_family = AF_INET };
static _Atomic bool busy;
static csp_waitgroup spinners;

static void spin(void)
{
	while (busy)
		csp_yield();
	csp_wg_done(&spinners);
}

static void set_busy(bool now)
{
	busy = now;
	if (now) {
		csp_wg_add(&spinners, 1);
		csp_go(spin);
	} else {
		csp_wg_wait(&spinners);
	}
}

static void write_later(int fd, const char *byte)
{
	csp_sleep(2 * CSP_MILLISECOND);
	EXPECT_EQ(csp_write(fd, byte, 1), 1);
}

/* A connection; the near end has waited for one message, and its last read has left nothing. */
static void connected(int *near, int *far)
{
	char c;

	*far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	EXPECT(*far >= 0 && connect(*far, (struct sockaddr *)&addr, sizeof addr) == 0);
	*near = csp_accept(listener, NULL, NULL);
	EXPECT(*near >= 0);
	csp_go(write_later, *far, "x");
	EXPECT_EQ(csp_read(*near, &c, 1), 1);
}

static void end_later(int fd, bool reset)
{
	csp_sleep(2 * CSP_MILLISECOND);
	if (reset)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
	EXPECT_EQ(csp_close_fd(fd), 0);
}

static void data_wakes(void)
{
	int near, far;
	char c;

	connected(&near, &far);
	csp_go(write_later, far, "y");
	EXPECT_EQ(csp_read(near, &c, 1), 1);
	EXPECT_EQ(c, 'y');
	EXPECT_EQ(csp_write(far, "zz", 2), 2);          /* half of it read: the other half needs no news */
	EXPECT_EQ(csp_read(near, &c, 1), 1);
	EXPECT_EQ(csp_read(near, &c, 1), 1);
	csp_close_fd(near);
	csp_close_fd(far);
}

static void end_wakes(bool before, bool reset)
{
	int near, far;
	char c;

	connected(&near, &far);
	if (before) {
		EXPECT_EQ(csp_write(far, "y", 1), 1);
		end_later(far, reset);
		csp_sleep(CSP_MILLISECOND);             /* the poller has heard of it */
		ssize_t n = csp_read(near, &c, 1);
		EXPECT(reset ? n == -ECONNRESET || n == 1 : n == 1);
	} else {
		csp_go(end_later, far, reset);
	}
	ssize_t n = csp_read(near, &c, 1);
	EXPECT(n == 0 || (reset && n == -ECONNRESET));
	csp_close_fd(near);
}

static void other_file_under_the_number(bool pipe_instead)
{
	int near, far, pair[2];
	char c;

	connected(&near, &far);
	EXPECT_EQ(close(near), 0);                      /* behind the library's back */
	if (pipe_instead) {
		EXPECT_EQ(pipe(pair), 0);
	} else {
		pair[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		EXPECT(pair[1] >= 0 && connect(pair[1], (struct sockaddr *)&addr, sizeof addr) == 0);
		pair[0] = accept(listener, NULL, NULL);
	}
	EXPECT(pair[0] >= 0);
	if (pair[0] != near) {
		if (pair[1] == near)
			EXPECT((pair[1] = dup(near)) >= 0);
		EXPECT_EQ(dup2(pair[0], near), near);
		EXPECT_EQ(close(pair[0]), 0);
	}
	EXPECT_EQ(write(pair[1], "y", 1), 1);           /* before the read, so no edge is to come */
	EXPECT_EQ(csp_read(near, &c, 1), 1);
	EXPECT_EQ(c, 'y');
	csp_go(write_later, pair[1], "z");
	EXPECT_EQ(csp_read(near, &c, 1), 1);
	EXPECT_EQ(c, 'z');
	EXPECT_EQ(csp_close_fd(near), 0);
	EXPECT_EQ(csp_close_fd(pair[1]), 0);
	EXPECT_EQ(csp_close_fd(far), 0);
}

/* What the library has asked the kernel for is not the program's to see. */
static void no_message_of_ours(void)
{
	int near, far;
	char c, control[64];
	struct iovec iov = { &c, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };

	connected(&near, &far);
	csp_go(write_later, far, "y");
	EXPECT_EQ(csp_recvmsg(near, &msg, 0), 1);
	EXPECT_EQ(msg.msg_controllen, 0);
	csp_go(write_later, far, "z");
	EXPECT_EQ(csp_read(near, &c, 1), 1);
	EXPECT_EQ(c, 'z');
	csp_close_fd(near);
	csp_close_fd(far);
}

int main(void)
{
	socklen_t bytes = sizeof addr;

	alarm(60);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	EXPECT(listener >= 0 && bind(listener, (struct sockaddr *)&addr, bytes) == 0 && listen(listener, 16) == 0);
	EXPECT_EQ(getsockname(listener, (struct sockaddr *)&addr, &bytes), 0);
	for (int round = 0; round < 2; round++) {
		set_busy(round == 1);
		data_wakes();
		no_message_of_ours();
		for (int i = 0; i < 4; i++)
			end_wakes(i & 1, i & 2);
		other_file_under_the_number(false);
		other_file_under_the_number(true);
		if (busy)
			set_busy(false);
	}
	csp_close_fd(listener);
	return 0;
}
