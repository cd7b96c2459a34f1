/* The poller: epoll, edge-triggered.
 *
 * A record per descriptor number, made on first use and kept for ever; epoll's user data points to it, so an event that comes late, for
 * a descriptor closed meanwhile, at worst ends a wait too early. fd->lock guards a record; what is atomic is also read without it.
 *
 * No edge is lost: edges[] counts those fetched. Who tries a system call reads the count before; if the call says "not ready" he waits for another
 * count than that. Either the edge was fetched before he parks, and the count differs, or who fetches it finds him queued.
 * A read that leaves nothing behind says so (TCP_INQ) and notes the count: until it changes, the next read need not try.
 *
 * The program may close(2) and reopen a number behind our back: the kernel forgets the old registration. So one that is parked on is in doubt
 * until it has been renewed (EPOLL_CTL_MOD, which also reports present readiness; ADD when that says ENOENT): when the last running worker goes
 * to rest, whether to the poller or because another is there already, or doubt_ns after the first of the doubted was parked on: by any
 * worker that looks for events, by one at rest, and by sysmon.
 * Waiters are always contended: an event of the other direction, a deadline and a close may come at once. */
#include "poll.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../os/os.h"
#include "../sched/sched.h"

enum { READ, WRITE, EVENTS_MAX = 64, FDS_MAX = 1 << 24 };

static const int64_t doubt_ns = 10000000;

struct rt_fd {
	struct rt_lock  lock;
	uint32_t        registered_in;          /* the epoll instance (`instance`) that has it; 0: none */
	uint32_t        interest;               /* epoll's events; grows with what is waited for */
	bool            asked_rest;             /* by us */
	_Atomic bool    tells_rest;             /* TCP_INQ is on */
	_Atomic bool    ended;                  /* an end or an error was reported: reads always try */
	uint32_t        doubted_in;             /* in the list of doubted, and of which instance; 0: not */
	_Atomic uint32_t edges[2];              /* fetched so far; written under lock */
	_Atomic uint64_t drained;               /* DRAINED | edges[READ] before a read that left nothing */
	struct rt_waitq waiters[2];
	_Atomic int64_t deadline_ns[2];         /* 0: none */
	uint32_t        closings;               /* tells a wait that the number changed hands */
	struct rt_fd   *doubted_next;
};

static const uint64_t DRAINED = UINT64_C(1) << 32;

static struct rt_fd *table;                     /* reserved once, committed by touch */
static int epoll_fd = -1, wake_fd = -1;
static _Atomic uint32_t n_waiters;
static _Atomic uint32_t wake_pending;
static uint32_t instance = 1;

static struct rt_lock doubted_lock;             /* taken within fd->lock, released before any other is taken */
static struct rt_fd  *doubted;
static _Atomic int64_t doubted_since_ns;        /* when the first came into the list; 0: it is empty */

static int open_epoll(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (epoll_fd < 0 || wake_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &ev) < 0)
		return -errno;
	return 0;
}

int rt_poll_init(void)
{
	table = rt_os_reserve(FDS_MAX * sizeof *table);
	return table ? open_epoll() : -ENOMEM;
}

/* The child shares the parent's epoll instance: leave it. Waiters register anew. */
void rt_poll_after_fork(void)
{
	close(epoll_fd);
	close(wake_fd);
	atomic_store(&wake_pending, 0);
	instance++;
	doubted_lock = (struct rt_lock){ 0 };
	doubted = NULL;
	atomic_store(&doubted_since_ns, 0);
	if (open_epoll() < 0)
		rt_refused("no epoll in the child of fork", errno);
}

uint32_t rt_poll_waiters(void)
{
	return atomic_load_explicit(&n_waiters, memory_order_seq_cst);
}

void rt_poll_wake(void)
{
	uint64_t one = 1;

	if (atomic_exchange(&wake_pending, 1) != 0)
		return;
	while (write(wake_fd, &one, sizeof one) < 0 && errno != EAGAIN)
		if (errno != EINTR)
			rt_refused("cannot wake the poller: eventfd", errno);
}

/* Wake every waiter of one direction; chains the winners to *list. Event bits or -errno go to wake_code. */
static void wake_all_locked(struct rt_fd *f, int dir, intptr_t code, struct rt_g **list)
{
	struct rt_waiter *w;

	while ((w = rt_waitq_pop(&f->waiters[dir]))) {
		w->g->wake = w;
		w->g->wake_code = code;
		w->g->sched_next = *list;
		*list = w->g;
	}
}

static void deliver(struct rt_fd *f, uint32_t events, struct rt_g **list)
{
	rt_lock(&f->lock);
	for (int dir = READ; dir <= WRITE; dir++) {
		uint32_t mask = (dir == READ ? EPOLLIN | EPOLLRDHUP : EPOLLOUT) | EPOLLERR | EPOLLHUP;
		if (!(events & mask))
			continue;
		intptr_t revents = (dir == READ ? POLLIN : POLLOUT) | (events & EPOLLERR ? POLLERR : 0) | (events & EPOLLHUP ? POLLHUP : 0);
		atomic_fetch_add_explicit(&f->edges[dir], 1, memory_order_release);
		wake_all_locked(f, dir, revents, list);
	}
	if (events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP))
		f->ended = true;
	rt_unlock(&f->lock);
}

static struct rt_fd *record(int fd)
{
	return fd >= 0 && fd < FDS_MAX ? &table[fd] : NULL;
}

/* Another file than was known of: what was seen of its predecessor says nothing. */
static void forget_locked(struct rt_fd *f)
{
	f->registered_in = f->interest = 0;
	f->asked_rest = false;
	f->tells_rest = false;
	f->ended = false;
	for (int dir = READ; dir <= WRITE; dir++)
		atomic_fetch_add_explicit(&f->edges[dir], 1, memory_order_release);
}

/* Unless the program has asked already. */
static void ask_rest_locked(struct rt_fd *f, int fd)
{
	int is_on = 0;
	socklen_t bytes = sizeof is_on;

	f->asked_rest = getsockopt(fd, IPPROTO_TCP, TCP_INQ, &is_on, &bytes) == 0 && !is_on &&
	                setsockopt(fd, IPPROTO_TCP, TCP_INQ, &(int){ 1 }, sizeof(int)) == 0;
	f->tells_rest = is_on || f->asked_rest;
}

static int renew_locked(struct rt_fd *f, int fd)
{
	struct epoll_event ev = { .events = f->interest | EPOLLRDHUP | EPOLLET, .data.ptr = f };
	bool was_registered = f->registered_in == instance;

	if (epoll_ctl(epoll_fd, was_registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev) < 0) {
		int op = errno == ENOENT ? EPOLL_CTL_ADD : errno == EEXIST ? EPOLL_CTL_MOD : 0;
		uint32_t interest = f->interest;

		if (was_registered)
			forget_locked(f);
		if (op == 0 || epoll_ctl(epoll_fd, op, fd, &ev) < 0)
			return -errno;
		f->interest = interest;
		was_registered = false;
	}
	f->registered_in = instance;
	if (!was_registered)
		ask_rest_locked(f, fd);
	return 0;
}

static void doubt_locked(struct rt_fd *f)
{
	if (f->doubted_in == instance)
		return;
	f->doubted_in = instance;
	rt_lock(&doubted_lock);
	if (!doubted)
		atomic_store_explicit(&doubted_since_ns, rt_now_ns(), memory_order_relaxed);
	f->doubted_next = doubted;
	doubted = f;
	rt_unlock(&doubted_lock);
}

/* Renews all that are in doubt. Those that cannot be waited for any more are told by their next attempt why. */
static struct rt_g *renew_doubted(void)
{
	struct rt_g *list = NULL;

	rt_lock(&doubted_lock);
	struct rt_fd *next = doubted;
	doubted = NULL;
	atomic_store_explicit(&doubted_since_ns, 0, memory_order_relaxed);
	rt_unlock(&doubted_lock);
	for (struct rt_fd *f; (f = next); ) {
		rt_lock(&f->lock);
		next = f->doubted_next;
		f->doubted_in = 0;
		if ((f->waiters[READ].first || f->waiters[WRITE].first) && renew_locked(f, (int)(f - table)) < 0)
			for (int dir = READ; dir <= WRITE; dir++)
				wake_all_locked(f, dir, POLLIN | POLLOUT, &list);
		rt_unlock(&f->lock);
	}
	return list;
}

int64_t rt_poll_doubt_ns(void)
{
	int64_t since_ns = atomic_load_explicit(&doubted_since_ns, memory_order_relaxed), left_ns;

	if (since_ns == 0)
		return -1;
	left_ns = since_ns + doubt_ns - rt_now_ns();
	return left_ns > 0 ? left_ns : 0;
}

struct rt_g *rt_poll_settle(bool at_once)
{
	int64_t left_ns = rt_poll_doubt_ns();

	return left_ns == 0 || (left_ns > 0 && at_once) ? renew_doubted() : NULL;
}

struct rt_g *rt_poll(int64_t timeout_ns)
{
	struct epoll_event events[EVENTS_MAX];
	bool may_block = timeout_ns != 0;
	struct rt_g *list = rt_poll_settle(may_block && atomic_load_explicit(&rt_sched.n_running, memory_order_relaxed) == 0);
	int64_t doubt_left_ns = rt_poll_doubt_ns();

	if (list)
		timeout_ns = 0;
	else if (may_block && doubt_left_ns >= 0 && (timeout_ns < 0 || timeout_ns > doubt_left_ns))
		timeout_ns = doubt_left_ns;
	int timeout_ms = timeout_ns < 0 ? -1 : 0;
	uint64_t count;
	int n;

	if (timeout_ns > 0) {
		struct timespec ts = { timeout_ns / 1000000000, timeout_ns % 1000000000 };
		n = epoll_pwait2(epoll_fd, events, EVENTS_MAX, &ts, NULL);
		if (n < 0 && (errno == ENOSYS || errno == EPERM)) {
			timeout_ms = timeout_ns > INT64_C(1000000) * INT32_MAX ? INT32_MAX : (int)((timeout_ns + 999999) / 1000000);
			n = epoll_wait(epoll_fd, events, EVENTS_MAX, timeout_ms);
		}
	} else {
		n = epoll_wait(epoll_fd, events, EVENTS_MAX, timeout_ms);
	}
	RT_PROBE(netpoll, timeout_ns, n);
	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr) {
			deliver(events[i].data.ptr, events[i].events, &list);
		} else if (may_block) {                 /* the wake-up is for who blocks */
			if (read(wake_fd, &count, sizeof count) == sizeof count)
				atomic_store(&wake_pending, 0);
		}
	}
	return list;
}

static int64_t earlier(int64_t a_ns, int64_t b_ns)
{
	return b_ns != 0 && b_ns < a_ns ? b_ns : a_ns;
}

/* What a wait would return without parking; 0: park. */
static int ready_now_locked(struct rt_fd *f, unsigned events, struct rt_fd_seen seen, int64_t deadline_ns)
{
	int revents = 0;

	if ((events & POLLIN) && atomic_load_explicit(&f->edges[READ], memory_order_relaxed) != seen.edges[READ])
		revents |= POLLIN;
	if ((events & POLLOUT) && atomic_load_explicit(&f->edges[WRITE], memory_order_relaxed) != seen.edges[WRITE])
		revents |= POLLOUT;
	if (!revents && deadline_ns != INT64_MAX && deadline_ns <= rt_now_ns())
		return -ETIMEDOUT;
	return revents;
}

static void queue_locked(struct rt_fd *f, struct rt_g *g, struct rt_waiter *w, int fd, int dir)
{
	w->g = g;
	w->obj = (void *)(intptr_t)fd;
	w->kind = RT_OBJ_FD;
	w->op = dir == READ ? RT_OP_READ_FD : RT_OP_WRITE_FD;
	w->contended = true;
	rt_waitq_push(&f->waiters[dir], w);
}

static int park_locked(struct rt_fd *f, struct rt_g *g, int fd, unsigned events, int64_t deadline_ns)
{
	struct rt_waiter w[2] = { 0 }, *set = NULL;
	struct rt_timer timer;

	for (int dir = WRITE; dir >= READ; dir--)
		if (events & (dir == READ ? POLLIN : POLLOUT)) {
			w[dir].next_in_set = set;
			set = &w[dir];
		}
	rt_wait_begin(g, RT_WAIT_IO, set);
	for (int dir = READ; dir <= WRITE; dir++)
		if (events & (dir == READ ? POLLIN : POLLOUT))
			queue_locked(f, g, &w[dir], fd, dir);
	if (deadline_ns != INT64_MAX)
		rt_deadline_arm(&timer, g, deadline_ns);
	atomic_fetch_add(&n_waiters, 1);
	RT_PROBE(fd_wait, fd, events, g->view.id);
	rt_park(rt_commit_unlock, &f->lock);
	atomic_fetch_sub(&n_waiters, 1);
	if (deadline_ns != INT64_MAX)
		rt_deadline_cancel(&timer);
	rt_lock(&f->lock);
	for (int dir = READ; dir <= WRITE; dir++)
		rt_waitq_remove(&f->waiters[dir], &w[dir]);
	return g->wake ? (int)g->wake_code : -ETIMEDOUT;
}

struct rt_fd_seen rt_fd_see(int fd)
{
	struct rt_fd *f = record(fd);
	struct rt_fd_seen seen = { { 0, 0 } };

	if (f && rt_ready_to_run())
		for (int dir = READ; dir <= WRITE; dir++)
			seen.edges[dir] = atomic_load_explicit(&f->edges[dir], memory_order_acquire);
	return seen;
}

bool rt_fd_tells_rest(int fd)
{
	struct rt_fd *f = record(fd);

	return f && rt_ready_to_run() && atomic_load_explicit(&f->tells_rest, memory_order_relaxed);
}

void rt_fd_ask_no_rest(int fd)
{
	struct rt_fd *f = record(fd);

	if (!f || !rt_ready_to_run())
		return;
	rt_lock(&f->lock);
	if (f->asked_rest) {
		setsockopt(fd, IPPROTO_TCP, TCP_INQ, &(int){ 0 }, sizeof(int));
		f->asked_rest = false;
		f->tells_rest = false;
	}
	rt_unlock(&f->lock);
}

void rt_fd_drained(int fd, struct rt_fd_seen seen)
{
	struct rt_fd *f = record(fd);

	if (f && rt_ready_to_run())
		atomic_store_explicit(&f->drained, DRAINED | seen.edges[READ], memory_order_relaxed);
}

bool rt_fd_is_drained(int fd, struct rt_fd_seen seen)
{
	struct rt_fd *f = record(fd);

	return f && rt_ready_to_run() && atomic_load_explicit(&f->drained, memory_order_relaxed) == (DRAINED | seen.edges[READ]) &&
	       !atomic_load_explicit(&f->ended, memory_order_relaxed);
}

int rt_fd_wait(int fd, unsigned events, struct rt_fd_seen seen, int64_t deadline_ns)
{
	struct rt_g *g = rt_self();
	struct rt_fd *f = record(fd);
	int result;

	if (!f)
		return -EBADF;
	events &= POLLIN | POLLOUT;
	uint32_t interest = (events & POLLIN ? EPOLLIN : 0) | (events & POLLOUT ? EPOLLOUT : 0);
	rt_lock(&f->lock);
	uint32_t closings = f->closings;
	bool is_known = f->registered_in == instance && (f->interest & interest) == interest;
	if (!is_known) {
		f->interest |= interest;
		int err = renew_locked(f, fd);
		if (err) {
			f->interest = 0;
			rt_unlock(&f->lock);
			return err == -EPERM ? (int)events : err;
		}
	}
	do {
		int64_t until_ns = deadline_ns;
		if (events & POLLIN)
			until_ns = earlier(until_ns, f->deadline_ns[READ]);
		if (events & POLLOUT)
			until_ns = earlier(until_ns, f->deadline_ns[WRITE]);
		result = ready_now_locked(f, events, seen, until_ns);
		if (result == 0) {
			if (is_known)
				doubt_locked(f);
			result = park_locked(f, g, fd, events, until_ns);
		}
		if (f->closings != closings)
			result = -EBADF;
	} while (result == -EAGAIN);            /* the deadlines changed */
	rt_unlock(&f->lock);
	return result;
}

static void wake_everybody(struct rt_fd *f, intptr_t code)
{
	struct rt_g *list = NULL;

	wake_all_locked(f, READ, code, &list);
	wake_all_locked(f, WRITE, code, &list);
	rt_unlock(&f->lock);
	rt_ready_list(list);
}

void rt_fd_closing(int fd)
{
	struct rt_fd *f = record(fd);

	if (!f || !rt_ready_to_run())
		return;
	rt_lock(&f->lock);
	if (f->registered_in == instance)
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	forget_locked(f);
	f->deadline_ns[READ] = f->deadline_ns[WRITE] = 0;
	f->closings++;
	wake_everybody(f, -EBADF);
}

/* Who came to wait between rt_fd_closing and close(2) has registered a descriptor that closed without a word from the kernel. He is woken as by
 * readiness, so that his next attempt tells him; so is, for nothing, who has got the number since. */
void rt_fd_closed(int fd)
{
	struct rt_fd *f = record(fd);

	if (!f || !rt_ready_to_run())
		return;
	rt_lock(&f->lock);
	wake_everybody(f, POLLIN | POLLOUT);
}

void rt_fd_fresh(int fd)
{
	struct rt_fd *f = record(fd);

	if (!f || !rt_ready_to_run())
		return;
	rt_lock(&f->lock);
	forget_locked(f);
	f->deadline_ns[READ] = f->deadline_ns[WRITE] = 0;
	rt_unlock(&f->lock);
}

int rt_fd_set_deadline(int fd, int64_t read_ns, int64_t write_ns)
{
	struct rt_fd *f = record(fd);

	rt_self();
	if (!f || fcntl(fd, F_GETFD) < 0)
		return -EBADF;
	rt_lock(&f->lock);
	f->deadline_ns[READ] = read_ns == INT64_MAX ? 0 : read_ns;
	f->deadline_ns[WRITE] = write_ns == INT64_MAX ? 0 : write_ns;
	wake_everybody(f, -EAGAIN);
	return 0;
}

int64_t rt_fd_deadline(int fd, bool write)
{
	struct rt_fd *f = record(fd);
	int64_t deadline_ns;

	if (!f || !rt_ready_to_run())
		return INT64_MAX;
	deadline_ns = atomic_load_explicit(&f->deadline_ns[write], memory_order_relaxed);
	return deadline_ns ? deadline_ns : INT64_MAX;
}

void rt_poll_range(uintptr_t *lo, uintptr_t *hi)
{
	*lo = (uintptr_t)table;
	*hi = table ? (uintptr_t)(table + FDS_MAX) : 0;
}
