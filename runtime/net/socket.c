/* csp_accept, csp_connect, csp_send, csp_recv and their kin with addresses. */
#include "edge.h"
#include "fd.h"
#include "poll.h"

#include <poll.h>
#include <sys/uio.h>

struct accept_io {
	struct rt_io     io;            /* first member */
	struct sockaddr *addr;
	socklen_t       *addr_bytes;
};

static ssize_t accept_once(int fd, const struct rt_io *io)
{
	const struct accept_io *a = (const void *)io;
	int manner = rt_fd_manner(fd), conn;

	if (manner < 0)
		return manner;
	if (manner == RT_FD_POLLED && !rt_fd_is_ready(fd, POLLIN))
		return -EAGAIN;
	conn = accept4(fd, a->addr, a->addr_bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (conn >= 0)
		return conn;
	/* The client gave up while it was queued: not the listener's failure. */
	return errno == ECONNABORTED ? -EINTR : -errno;
}

int csp_accept(int fd, struct sockaddr *addr, socklen_t *addr_bytes)
{
	struct accept_io a = { .addr = addr, .addr_bytes = addr_bytes };
	int conn = (int)rt_fd_run(fd, POLLIN, accept_once, &a.io);

	if (conn < 0)
		return conn;
	rt_fd_fresh(conn);
	rt_fd_note_socket(conn, true);
	rt_edge_accepted(conn);
	return conn;
}

/* The outcome of a connect under way; -EAGAIN: still none. */
static int connect_outcome(int fd)
{
	socklen_t bytes = sizeof(int);
	int err = 0;

	if (!rt_fd_is_ready(fd, POLLOUT))
		return -EAGAIN;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &bytes) < 0)
		return -errno;
	return -err;
}

int csp_connect(int fd, const struct sockaddr *addr, socklen_t addr_bytes)
{
	int r = rt_fd_manner(fd);

	if (r < 0)
		return r;
	rt_fd_note_socket(fd, true);
	rt_edge_connect(addr, addr_bytes);
	struct rt_fd_seen seen = rt_fd_see(fd);
	/* A Unix listener's full queue says EAGAIN, and no poll tells when there is room again. */
	while ((r = connect(fd, addr, addr_bytes) < 0 ? -errno : 0) == -EAGAIN) {
		int64_t deadline_ns = rt_fd_deadline(fd, true);

		if (deadline_ns <= rt_now_ns())
			return -ETIMEDOUT;
		csp_sleep(CSP_MILLISECOND);
	}
	if (r != -EINPROGRESS && r != -EINTR)
		return r;
	do {
		r = rt_fd_wait(fd, POLLOUT, seen, INT64_MAX);
		if (r < 0)
			return r;
		seen = rt_fd_see(fd);
		r = connect_outcome(fd);
	} while (r == -EAGAIN);
	return r;
}

static ssize_t recv_once(int fd, const struct rt_io *io)
{
	return rt_fd_recv(fd, io);
}

static ssize_t send_once(int fd, const struct rt_io *io)
{
	ssize_t n = send(fd, io->buf, io->bytes, io->flags | MSG_DONTWAIT | MSG_NOSIGNAL);

	return n < 0 ? -errno : n;
}

static ssize_t run(int fd, unsigned event, rt_attempt attempt, const struct rt_io *io)
{
	return io->flags & MSG_DONTWAIT ? attempt(fd, io) : rt_fd_run(fd, event, attempt, io);
}

ssize_t csp_recv(int fd, void *buf, size_t bytes, int flags)
{
	void *pc = __builtin_return_address(0);
	bool emptied = false;
	struct rt_io io = { .buf = buf, .bytes = bytes, .flags = flags, .emptied = bytes > 0 && (flags & ~MSG_WAITALL) == 0 ? &emptied : NULL };
	size_t done = 0;
	ssize_t n;

	/* The kernel does not wait for MSG_WAITALL together with MSG_DONTWAIT, so the loop is here. */
	do {
		n = run(fd, POLLIN, recv_once, &io);
		if (n <= 0)
			break;
		done += (size_t)n;
		io.buf = (char *)io.buf + n;
		io.bytes -= (size_t)n;
	} while ((flags & MSG_WAITALL) && !(flags & MSG_PEEK) && io.bytes != 0);
	if (n < 0 && done == 0)
		return n;
	rt_edge_read(fd);
	if (done != 0)
		RT_EVENT(mem, &rt_self()->view, buf, done < bytes ? done : bytes, true, pc);
	return (ssize_t)done;
}

ssize_t csp_send(int fd, const void *buf, size_t bytes, int flags)
{
	struct rt_io io = { .buf = (void *)buf, .bytes = bytes, .flags = flags };
	size_t done = 0;

	RT_EVENT(mem, &rt_self()->view, buf, bytes, false, __builtin_return_address(0));
	rt_edge_write(fd);
	/* A stream takes all of it or fails, as a blocking send does; a datagram goes in one piece. */
	do {
		ssize_t n = run(fd, POLLOUT, send_once, &io);

		if (n < 0)
			return done != 0 ? (ssize_t)done : n;
		done += (size_t)n;
		io.buf = (char *)io.buf + n;
		io.bytes -= (size_t)n;
	} while (io.bytes != 0);
	return (ssize_t)done;
}

/* With addresses: one datagram, or as much of a stream as goes at once. */
struct msg_io {
	struct rt_io   io;              /* first member; io.flags */
	struct msghdr *msg;
};

static ssize_t recvmsg_once(int fd, const struct rt_io *io)
{
	const struct msg_io *m = (const void *)io;

	if (m->msg->msg_controllen != 0 && rt_fd_tells_rest(fd))
		rt_fd_ask_no_rest(fd);

	ssize_t n = recvmsg(fd, m->msg, io->flags | MSG_DONTWAIT);

	return n < 0 ? -errno : n;
}

static ssize_t sendmsg_once(int fd, const struct rt_io *io)
{
	const struct msg_io *m = (const void *)io;
	ssize_t n = sendmsg(fd, m->msg, io->flags | MSG_DONTWAIT | MSG_NOSIGNAL);

	return n < 0 ? -errno : n;
}

static void message_event(const struct msghdr *msg, size_t bytes, bool is_write, void *pc)
{
	for (size_t i = 0; i < msg->msg_iovlen && bytes != 0; i++) {
		size_t part = msg->msg_iov[i].iov_len < bytes ? msg->msg_iov[i].iov_len : bytes;

		if (part != 0)
			RT_EVENT(mem, &rt_self()->view, msg->msg_iov[i].iov_base, part, is_write, pc);
		bytes -= part;
	}
}

static ssize_t receive_message(int fd, struct msghdr *msg, int flags, void *pc)
{
	struct msg_io m = { .io.flags = flags, .msg = msg };
	ssize_t n = run(fd, POLLIN, recvmsg_once, &m.io);

	if (n < 0)
		return n;
	rt_edge_read(fd);
	if (rt_observer != NULL)
		message_event(msg, (size_t)n, true, pc);
	return n;
}

static ssize_t send_message(int fd, struct msghdr *msg, int flags, void *pc)
{
	struct msg_io m = { .io.flags = flags, .msg = msg };

	if (rt_observer != NULL)
		message_event(msg, SIZE_MAX, false, pc);
	rt_edge_write(fd);
	return run(fd, POLLOUT, sendmsg_once, &m.io);
}

ssize_t csp_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return receive_message(fd, msg, flags, __builtin_return_address(0));
}

ssize_t csp_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return send_message(fd, (struct msghdr *)msg, flags, __builtin_return_address(0));
}

ssize_t csp_recvfrom(int fd, void *buf, size_t bytes, int flags, struct sockaddr *from, socklen_t *from_bytes)
{
	struct iovec iov = { buf, bytes };
	struct msghdr msg = { .msg_name = from, .msg_namelen = from != NULL ? *from_bytes : 0, .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = receive_message(fd, &msg, flags, __builtin_return_address(0));

	if (n >= 0 && from != NULL)
		*from_bytes = msg.msg_namelen;
	return n;
}

ssize_t csp_sendto(int fd, const void *buf, size_t bytes, int flags, const struct sockaddr *to, socklen_t to_bytes)
{
	struct iovec iov = { (void *)buf, bytes };
	struct msghdr msg = { .msg_name = (void *)to, .msg_namelen = to_bytes, .msg_iov = &iov, .msg_iovlen = 1 };

	return send_message(fd, &msg, flags, __builtin_return_address(0));
}
