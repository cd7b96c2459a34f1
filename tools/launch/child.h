/* The checked process: start it, pass signals on, stop it in time, learn how it ended. One per cspcheck. */
#ifndef CSP_TOOLS_LAUNCH_CHILD_H
#define CSP_TOOLS_LAUNCH_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct child {
	pid_t   pid;
	int     signal_fd;
	int64_t started_ns, timeout_ns, quit_at_ns;    /* monotonic; timeout 0: none */
	int     interrupts;                             /* SIGINT, SIGTERM, SIGHUP seen so far */
	bool    ended, timed_out;
	int     status;                                 /* as from waitpid, once ended */
};

/* Start argv[0] with the environment as it is. Returns 0, or an errno value if it could not be executed. */
int child_start(struct child *c, const char *path, char *const *argv, int64_t timeout_ns);

/* Wait at most wait_ms for something to happen; forwards signals and enforces the time limit. False once the child has ended. */
bool child_wait(struct child *c, int wait_ms);

/* For the exit status of a shell: its own, or 128+N. */
int child_exit_status(const struct child *c);

int64_t child_now_ns(void);

#endif
