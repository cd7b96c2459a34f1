/* See serve.h. A child that passes its time limit is asked for a dump (SIGQUIT) and killed DUMP_GRACE_MS later. */
#include "serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../report/record.h"
#include "explore.h"
#include "strategy.h"

enum { DUMP_GRACE_MS = 3000 };

static bool read_all(int fd, void *p, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t n = read(fd, (char *)p + done, bytes - done);
		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		done += n > 0 ? (size_t)n : 0;
	}
	return true;
}

static bool send_result(int fd, const struct det_serve_result *r)
{
	ssize_t n;

	do
		n = write(fd, r, sizeof *r);
	while (n < 0 && errno == EINTR);
	return n == sizeof *r;
}

/* False: still running after that time. */
static bool wait_ms(int pidfd, int64_t ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, ms < 0 ? -1 : ms > INT32_MAX ? INT32_MAX : (int)ms) != 0;
}

static void wait_for(pid_t pid, const struct det_serve_order *o, struct det_serve_result *r)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int64_t began_ns = det_now_ns();

	if (pidfd >= 0 && o->timeout_ns > 0 && !wait_ms(pidfd, (o->timeout_ns + 999999) / 1000000)) {
		r->timed_out = 1;
		kill(pid, SIGQUIT);
		if (!wait_ms(pidfd, DUMP_GRACE_MS))
			kill(pid, SIGKILL);
	}
	while (waitpid(pid, &r->status, 0) < 0 && errno == EINTR)
		;
	r->run_ns = det_now_ns() - began_ns;
	if (pidfd >= 0)
		close(pidfd);
}

void det_explore_serve(void)
{
	const char *text = getenv("CSPCHECK_SERVE");
	struct det_serve_result ready = { .status = DET_SERVE_READY };
	struct det_serve_order o;
	int fd = text != NULL ? atoi(text) : -1;

	if (fd <= 0 || !det_explore_is_on())
		return;
	unsetenv("CSPCHECK_SERVE");
	if (!send_result(fd, &ready))
		_exit(0);
	for (;;) {
		if (!read_all(fd, &o, sizeof o))
			_exit(0);
		o.strategy[sizeof o.strategy - 1] = 0;
		struct det_serve_result r = { 0 };
		fflush(NULL);
		pid_t server = getpid();
		det_explore_keep_shared = true;
		r.pid = fork();
		det_explore_keep_shared = false;
		if (r.pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != server)
				_exit(0);
			close(fd);
			det_explore_begin(o.strategy, o.seed, o.index, o.max_steps);
			return;
		}
		if (r.pid < 0)
			r.status = -errno;
		else
			wait_for(r.pid, &o, &r);
		if (!send_result(fd, &r))
			_exit(0);
	}
}
