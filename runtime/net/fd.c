#include "fd.h"
#include "edge.h"
#include "poll.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define HINTS 65536

static uint8_t socket_hint[HINTS];

bool rt_fd_maybe_socket(int fd)
{
	return fd >= 0 && fd < HINTS && __atomic_load_n(&socket_hint[fd], __ATOMIC_RELAXED);
}

void rt_fd_note_socket(int fd, bool is_socket)
{
	if (fd >= 0 && fd < HINTS)
		__atomic_store_n(&socket_hint[fd], is_socket, __ATOMIC_RELAXED);
}

int rt_fd_manner(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
		return RT_FD_DIRECT;
	rt_fd_note_socket(fd, S_ISSOCK(st.st_mode));
	if (flags & O_NONBLOCK)
		return RT_FD_NONBLOCK;
	if (fd <= STDERR_FILENO || S_ISCHR(st.st_mode))
		return RT_FD_POLLED;
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return RT_FD_NONBLOCK;
}

bool rt_fd_is_ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) != 0;
}

ssize_t rt_fd_recv(int fd, const struct rt_io *io)
{
	union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } control;
	struct iovec iov = { io->buf, io->bytes };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	ssize_t n;

	if (io->emptied != NULL)
		*io->emptied = false;
	if (io->emptied == NULL || !rt_fd_tells_rest(fd))
		n = recv(fd, io->buf, io->bytes, io->flags | MSG_DONTWAIT);
	else if ((n = recvmsg(fd, &msg, io->flags | MSG_DONTWAIT)) > 0) {
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

		*io->emptied = c != NULL && c->cmsg_level == IPPROTO_TCP && c->cmsg_type == TCP_CM_INQ && *(int *)CMSG_DATA(c) == 0;
	}
	return n < 0 ? -errno : n;
}

static bool is_past(int64_t deadline_ns)
{
	return deadline_ns != INT64_MAX && deadline_ns <= rt_now_ns();
}

ssize_t rt_fd_run(int fd, unsigned event, rt_attempt attempt, const struct rt_io *io)
{
	ssize_t n;

	RT_POINT(RT_AT_IO, (void *)(intptr_t)fd);
	/* As in Go: a deadline that has passed ends the call even if data is there, or a busy peer could outrun it for ever. */
	if (is_past(rt_fd_deadline(fd, event == POLLOUT)))
		return -ETIMEDOUT;
	for (;;) {
		struct rt_fd_seen seen = rt_fd_see(fd);
		int r;

		n = io->emptied != NULL && rt_fd_is_drained(fd, seen) ? -EAGAIN : attempt(fd, io);
		if (n == -EINTR)
			continue;
		if (n != -EAGAIN) {
			if (io->emptied != NULL && *io->emptied)
				rt_fd_drained(fd, seen);
			return n;
		}
		r = rt_fd_wait(fd, event, seen, INT64_MAX);
		if (r < 0)
			return r;
	}
}

int csp_wait_fd(int fd, int events, int64_t deadline_ns)
{
	/* Edges of the others (POLLPRI, POLLRDHUP alone) are not followed. */
	if (!(events & (POLLIN | POLLOUT)))
		return -EINVAL;
	for (;;) {
		struct rt_fd_seen seen = rt_fd_see(fd);
		struct pollfd p = { .fd = fd, .events = (short)events };
		int r;

		if (poll(&p, 1, 0) > 0)
			return p.revents & POLLNVAL ? -EBADF : p.revents;
		r = rt_fd_wait(fd, (unsigned)events, seen, deadline_ns == 0 ? INT64_MAX : deadline_ns);
		if (r < 0)
			return r;
	}
}

int csp_close_fd(int fd)
{
	if (fcntl(fd, F_GETFD) < 0)
		return -errno;
	rt_edge_write(fd);              /* the peer's end of file comes after it */
	rt_fd_closing(fd);
	rt_fd_note_socket(fd, false);
	/* Linux has closed fd also when it says EINTR. */
	int err = close(fd) < 0 && errno != EINTR ? errno : 0;
	rt_fd_closed(fd);
	return -err;
}

int csp_set_deadline(int fd, int64_t read_ns, int64_t write_ns)
{
	if (fcntl(fd, F_GETFD) < 0)
		return -errno;
	return rt_fd_set_deadline(fd, read_ns == 0 ? INT64_MAX : read_ns, write_ns == 0 ? INT64_MAX : write_ns);
}
