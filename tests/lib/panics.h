/* For Check suites. Programs that are meant to die: run in a child, judged by exit status 2 and Go's words on stderr. The caller has not used the runtime. */
#ifndef CSP_TESTS_LIB_PANICS_H
#define CSP_TESTS_LIB_PANICS_H

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct death { void (*program)(void); const char *words; };

static inline void dies_with(void (*program)(void), const char *words)
{
	static char text[65536];
	size_t n = 0;
	ssize_t got;
	int ends[2], status;

	ck_assert_int_eq(pipe(ends), 0);
	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		dup2(ends[1], 2);
		close(ends[0]);
		close(ends[1]);
		program();
		_exit(0);
	}
	close(ends[1]);
	while ((got = read(ends[0], text + n, sizeof text - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	close(ends[0]);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 2, "status %#x, not exit 2; stderr: %s", (unsigned)status, text);
	ck_assert_msg(strncmp(text, words, strlen(words)) == 0, "stderr does not begin with \"%s\" but: %s", words, text);
}

static inline int run_suite(Suite *s)
{
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

#endif
