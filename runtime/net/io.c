/* csp_read, csp_write and their vector twins. */
#include "edge.h"
#include "fd.h"

#include <limits.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

static ssize_t result(ssize_t n)
{
	return n < 0 ? -errno : n;
}

static ssize_t on_socket(int fd, const struct rt_io *io, short event)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)io->iov, .msg_iovlen = (size_t)io->n_iov };

	if (event == POLLIN)
		return io->iov != NULL ? result(recvmsg(fd, &msg, MSG_DONTWAIT)) : rt_fd_recv(fd, io);
	return result(io->iov != NULL ? sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) : send(fd, io->buf, io->bytes, MSG_DONTWAIT | MSG_NOSIGNAL));
}

static ssize_t on_file(int fd, const struct rt_io *io, short event)
{
	if (event == POLLIN)
		return result(io->iov != NULL ? readv(fd, io->iov, io->n_iov) : read(fd, io->buf, io->bytes));
	return result(io->iov != NULL ? writev(fd, io->iov, io->n_iov) : write(fd, io->buf, io->bytes));
}

/* "Ready for output" means room for PIPE_BUF bytes. */
static ssize_t write_piece(int fd, const struct rt_io *io)
{
	const struct iovec *first = io->iov;
	struct rt_io piece = { .buf = io->buf, .bytes = io->bytes };

	if (first != NULL) {
		while (first->iov_len == 0 && first < io->iov + io->n_iov - 1)
			first++;
		piece.buf = first->iov_base;
		piece.bytes = first->iov_len;
	}
	if (piece.bytes > PIPE_BUF)
		piece.bytes = PIPE_BUF;
	return on_file(fd, &piece, POLLOUT);
}

static ssize_t attempt(int fd, const struct rt_io *io, short event)
{
	bool hinted = rt_fd_maybe_socket(fd);
	int manner;

	if (hinted) {
		ssize_t n = on_socket(fd, io, event);

		if (n != -ENOTSOCK)
			return n;
		rt_fd_note_socket(fd, false);
	}
	manner = rt_fd_manner(fd);
	if (manner < 0)
		return manner;
	/* The first call on a socket: write(2) would raise SIGPIPE. */
	if (!hinted && rt_fd_maybe_socket(fd))
		return on_socket(fd, io, event);
	if (manner == RT_FD_POLLED) {
		if (!rt_fd_is_ready(fd, event))
			return -EAGAIN;
		if (event == POLLOUT)
			return write_piece(fd, io);
	}
	return on_file(fd, io, event);
}

static ssize_t read_once(int fd, const struct rt_io *io)
{
	return attempt(fd, io, POLLIN);
}

static ssize_t write_once(int fd, const struct rt_io *io)
{
	return attempt(fd, io, POLLOUT);
}

ssize_t csp_read(int fd, void *buf, size_t bytes)
{
	void *pc = __builtin_return_address(0);
	bool emptied = false;
	struct rt_io io = { .buf = buf, .bytes = bytes, .emptied = bytes > 0 ? &emptied : NULL };
	ssize_t n = rt_fd_run(fd, POLLIN, read_once, &io);

	if (n >= 0)
		rt_edge_read(fd);
	if (n > 0)
		RT_EVENT(mem, &rt_self()->view, buf, (size_t)n, true, pc);
	return n;
}

/* All of buf, unless an error comes first; then what was written, if anything. */
static ssize_t write_all(int fd, const void *buf, size_t bytes)
{
	struct rt_io io = { .buf = (void *)buf, .bytes = bytes };
	size_t done = 0;

	do {
		ssize_t n = rt_fd_run(fd, POLLOUT, write_once, &io);

		if (n < 0)
			return done != 0 ? (ssize_t)done : n;
		done += (size_t)n;
		io.buf = (char *)io.buf + n;
		io.bytes -= (size_t)n;
	} while (io.bytes != 0);
	return (ssize_t)done;
}

ssize_t csp_write(int fd, const void *buf, size_t bytes)
{
	RT_EVENT(mem, &rt_self()->view, buf, bytes, false, __builtin_return_address(0));
	rt_edge_write(fd);
	return write_all(fd, buf, bytes);
}

static void vector_event(const struct iovec *iov, int n, size_t bytes, bool is_write, void *pc)
{
	for (int i = 0; i < n && bytes != 0; i++) {
		size_t part = iov[i].iov_len < bytes ? iov[i].iov_len : bytes;

		if (part != 0)
			RT_EVENT(mem, &rt_self()->view, iov[i].iov_base, part, is_write, pc);
		bytes -= part;
	}
}

ssize_t csp_readv(int fd, const struct iovec *iov, int n)
{
	void *pc = __builtin_return_address(0);
	struct rt_io io = { .iov = iov, .n_iov = n };
	ssize_t got;

	if (n < 1 || n > IOV_MAX)
		return -EINVAL;
	got = rt_fd_run(fd, POLLIN, read_once, &io);
	if (got >= 0)
		rt_edge_read(fd);
	if (got > 0 && rt_observer != NULL)
		vector_event(iov, n, (size_t)got, true, pc);
	return got;
}

ssize_t csp_writev(int fd, const struct iovec *iov, int n)
{
	size_t done = 0, into = 0;      /* bytes written; of them in iov[i] */
	int i = 0;

	if (n < 1 || n > IOV_MAX)
		return -EINVAL;
	if (rt_observer != NULL)
		vector_event(iov, n, SIZE_MAX, false, __builtin_return_address(0));
	rt_edge_write(fd);
	while (i < n) {
		struct rt_io io = { .iov = iov + i, .n_iov = n - i };
		ssize_t part;

		/* The rest of a half-written piece goes by itself, so the caller's vector need not be copied. */
		if (into != 0)
			part = write_all(fd, (char *)iov[i].iov_base + into, iov[i].iov_len - into);
		else
			part = rt_fd_run(fd, POLLOUT, write_once, &io);
		if (part < 0)
			return done != 0 ? (ssize_t)done : part;
		done += (size_t)part;
		for (into += (size_t)part; i < n && into >= iov[i].iov_len; i++)
			into -= iov[i].iov_len;
	}
	return (ssize_t)done;
}
