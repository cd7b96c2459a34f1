/* Expectations for behaviour tests: a program whose main runs its cases; a failed expectation says where and ends with status 1.
 * A case that must kill the program runs in a child: main calls expect_child_cases first, which in the child runs the one case named by
 * argv[1] and never returns. */
#ifndef CSP_TESTS_LIB_EXPECT_H
#define CSP_TESTS_LIB_EXPECT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXPECT(cond) \
	do { if (!(cond)) { fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #cond); _exit(1); } } while (0)
#define EXPECT_EQ(a, b) \
	do { long long a_ = (long long)(a), b_ = (long long)(b); \
		if (a_ != b_) { fprintf(stderr, "%s:%d: %s is %lld, not %lld (%s)\n", __FILE__, __LINE__, #a, a_, b_, #b); _exit(1); } } while (0)

struct expect_case {
	const char *name;
	void      (*run)(void);
	int         status;             /* of the child: exit status */
	const char *text;               /* must be in its stderr */
};

static inline void expect_child(const char *self, const struct expect_case *c)
{
	static char err[1 << 20];
	size_t n = 0;
	ssize_t got;
	int pipe_fds[2], status;
	pid_t pid;

	EXPECT(pipe(pipe_fds) == 0);
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		dup2(pipe_fds[1], STDERR_FILENO);
		execl(self, self, c->name, (char *)NULL);
		_exit(127);
	}
	close(pipe_fds[1]);
	while ((got = read(pipe_fds[0], err + n, sizeof err - 1 - n)) > 0)
		n += (size_t)got;
	err[n] = 0;
	close(pipe_fds[0]);
	EXPECT(waitpid(pid, &status, 0) == pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != c->status || strstr(err, c->text) == NULL) {
		fprintf(stderr, "%s: wait status %#x, expected exit %d and \"%s\" in:\n%s\n", c->name, (unsigned)status, c->status, c->text, err);
		_exit(1);
	}
}

/* Call before the first use of the runtime, so that fork happens in a plain process. */
static inline void expect_child_cases(int argc, char **argv, const struct expect_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (argc > 1 && strcmp(argv[1], cases[i].name) == 0) {
			cases[i].run();
			_exit(0);
		} else if (argc <= 1) {
			expect_child("/proc/self/exe", &cases[i]);
		}
}

#endif
