/* Private to the calls on descriptors: one attempt at a system call without blocking, and the wait between attempts. */
#ifndef CSP_RUNTIME_NET_FD_H
#define CSP_RUNTIME_NET_FD_H

#include "../csp.h"
#include "../g.h"

/* How to call without blocking the thread. */
enum rt_fd_manner {
	RT_FD_NONBLOCK,         /* O_NONBLOCK is set (perhaps by us): just call */
	RT_FD_DIRECT,           /* regular files, directories, block devices: never "not ready" */
	RT_FD_POLLED,           /* its description is shared with other processes (terminals, fds 0 to 2), which O_NONBLOCK would break:
	                         * call only when poll(2) says ready, and never for more than PIPE_BUF bytes of output */
};

/* Returns the manner, or -errno. Sets O_NONBLOCK where that is ours to do. */
int  rt_fd_manner(int fd);
bool rt_fd_is_ready(int fd, short events);

/* "fd was a socket when last looked at": a hint that saves rt_fd_manner; recv and send correct it. */
bool rt_fd_maybe_socket(int fd);
void rt_fd_note_socket(int fd, bool is_socket);

/* What one attempt needs. */
struct rt_io {
	void               *buf;
	size_t              bytes;
	const struct iovec *iov;
	int                 n_iov, flags;
	bool               *emptied;            /* a plain read of bytes > 0: set by an attempt that knows it left nothing. Otherwise NULL */
};
typedef ssize_t (*rt_attempt)(int fd, const struct rt_io *io);  /* >= 0 or -errno; -EAGAIN: wait */

/* recv, for attempts. */
ssize_t rt_fd_recv(int fd, const struct rt_io *io);

/* Attempt until it is not -EAGAIN; the deadline of fd and csp_close_fd end it. May park. */
ssize_t rt_fd_run(int fd, unsigned event, rt_attempt attempt, const struct rt_io *io);

#endif
