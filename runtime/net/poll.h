/* Waiting for descriptors as a parked goroutine. Edge-triggered epoll; a worker out of work polls, the idle worker that owns the
 * poller blocks in epoll_wait until the next timer.
 *
 * Use: make fd non-blocking; rt_fd_see; try the system call; on EAGAIN call rt_fd_wait with what was seen, and begin again. A wait may end early. */
#ifndef CSP_RUNTIME_NET_POLL_H
#define CSP_RUNTIME_NET_POLL_H

#include "../g.h"

/* What was known of fd before an attempt. */
struct rt_fd_seen { uint32_t edges[2]; };
struct rt_fd_seen rt_fd_see(int fd);
/* Reads: recvmsg on fd tells what it leaves (TCP_INQ); nothing was left by a read that began when `seen` was; nothing has come since `seen`. */
bool rt_fd_tells_rest(int fd);
void rt_fd_ask_no_rest(int fd);         /* the program looks at control messages itself */
void rt_fd_drained(int fd, struct rt_fd_seen seen);
bool rt_fd_is_drained(int fd, struct rt_fd_seen seen);

/* Park until fd is ready for one of `events` (POLLIN, POLLOUT), the deadline (absolute csp_now_ns; INT64_MAX: none) passes, or fd is
 * closed through rt_fd_closing. Registers fd on first use.
 * Returns revents > 0 | -ETIMEDOUT | -EBADF (closed, also by rt_fd_closing) | other -errno. A kind of file that epoll refuses
 * (regular files) is always ready. */
int  rt_fd_wait(int fd, unsigned events, struct rt_fd_seen seen, int64_t deadline_ns);
/* Before close(2): takes fd off the poller and wakes its waiters with -EBADF. */
void rt_fd_closing(int fd);
void rt_fd_closed(int fd);              /* after it: wakes those who came to wait in between */
/* A descriptor number that was just obtained from the kernel: forget what was known of its predecessor (deadlines, readiness). */
void rt_fd_fresh(int fd);
/* Deadlines that apply to every present and later wait on fd; INT64_MAX: none; past: waits end at once with -ETIMEDOUT. */
int  rt_fd_set_deadline(int fd, int64_t read_ns, int64_t write_ns);
int64_t rt_fd_deadline(int fd, bool write);

/* --- for sched --- */
int  rt_poll_init(void);
/* Collect goroutines made ready (chained by sched_next, fired and dequeued). timeout_ns 0: do not block; -1: for ever. */
struct rt_g *rt_poll(int64_t timeout_ns);
/* Renew the registrations in doubt if it is time, or at once. Returns as rt_poll. */
struct rt_g *rt_poll_settle(bool at_once);
int64_t rt_poll_doubt_ns(void);         /* until it is time; -1: nothing is in doubt */
void rt_poll_wake(void);                /* end a blocking rt_poll; any thread */
uint32_t rt_poll_waiters(void);         /* goroutines waiting for descriptors */
void rt_poll_after_fork(void);          /* in the child: a poller of its own */
void rt_poll_range(uintptr_t *lo, uintptr_t *hi);       /* its table */

#endif
