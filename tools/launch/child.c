/* Signals: a terminal sends ^C to the whole foreground group, so the child has it already (si_code SI_KERNEL) and must not get it
 * twice; one sent to cspcheck alone is passed on. In both cases cspcheck stays to store what was found. A second one kills. */
#include "launch/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DUMP_GRACE_NS 3000000000

int64_t
child_now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void
watched_signals(sigset_t *set)
{
	static const int signals[] = { SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigemptyset(set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(set, signals[i]);
}

static void
become(const char *path, char *const *argv, int report_fd, pid_t parent, bool timed, const sigset_t *mask)
{
	if (timed) /* a background job of a shell ignores it, and would not dump */
		signal(SIGQUIT, SIG_DFL);
	/* A checked program does not outlive its checker. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(126);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execv(path, argv);
	int error = errno;
	ssize_t n = write(report_fd, &error, sizeof(error));
	(void)n;
	_exit(126);
}

int
child_start(struct child *c, const char *path, char *const *argv, int64_t timeout_ns)
{
	sigset_t watched, old;
	int report[2], error = 0;
	pid_t parent = getpid();

	memset(c, 0, sizeof(*c));
	c->signal_fd = -1;
	watched_signals(&watched);
	if (pipe2(report, O_CLOEXEC) < 0)
		return errno;
	sigprocmask(SIG_BLOCK, &watched, &old);
	c->signal_fd = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
	c->started_ns = child_now_ns();
	c->timeout_ns = timeout_ns;
	c->pid = fork();
	if (c->pid == 0)
		become(path, argv, report[1], parent, timeout_ns > 0, &old);
	if (c->pid < 0)
		error = errno;
	close(report[1]);
	if (c->pid > 0 && read(report[0], &error, sizeof(error)) == sizeof(error))
		waitpid(c->pid, NULL, 0);
	close(report[0]);
	return error;
}

static void
on_signal(struct child *c, const struct signalfd_siginfo *si)
{
	bool child_has_it = si->ssi_code == SI_KERNEL;

	if (si->ssi_signo == SIGCHLD)
		return;
	if (si->ssi_signo == SIGQUIT) {
		if (!child_has_it)
			kill(c->pid, SIGQUIT);
		return;
	}
	if (c->interrupts++ > 0)
		kill(c->pid, SIGKILL);
	else if (!child_has_it)
		kill(c->pid, (int)si->ssi_signo);
}

/* SIGQUIT first: the program prints where its goroutines are, and exits. */
static void
enforce_timeout(struct child *c)
{
	int64_t now = child_now_ns();

	if (c->timeout_ns == 0 || now - c->started_ns < c->timeout_ns)
		return;
	if (!c->timed_out) {
		c->timed_out = true;
		c->quit_at_ns = now;
		kill(c->pid, SIGQUIT);
	} else if (now - c->quit_at_ns > DUMP_GRACE_NS) {
		kill(c->pid, SIGKILL);
	}
}

bool
child_wait(struct child *c, int wait_ms)
{
	struct pollfd p = { .fd = c->signal_fd, .events = POLLIN };
	struct signalfd_siginfo si;

	if (c->ended)
		return false;
	enforce_timeout(c);
	poll(&p, 1, wait_ms);
	while (read(c->signal_fd, &si, sizeof(si)) == sizeof(si))
		on_signal(c, &si);
	if (waitpid(c->pid, &c->status, WNOHANG) == c->pid)
		c->ended = true;
	return !c->ended;
}

int
child_exit_status(const struct child *c)
{
	return WIFSIGNALED(c->status) ? 128 + WTERMSIG(c->status) : WEXITSTATUS(c->status);
}
