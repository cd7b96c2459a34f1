#include "build/argv.h"

#include <errno.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

extern char **environ;

static void
take(struct argv *a, char *s)
{
	if (a->n + 2 > a->room) {
		a->room = a->room ? 2 * a->room : 16;
		a->v = realloc(a->v, a->room * sizeof(*a->v));
	}
	if (!s || !a->v) {
		perror("cspcheck");
		exit(EX_OSERR);
	}
	a->v[a->n++] = s;
	a->v[a->n] = NULL;
}

void
argv_add(struct argv *a, const char *s)
{
	take(a, strdup(s));
}

void
argv_addf(struct argv *a, const char *format, ...)
{
	char *s = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&s, format, ap) < 0)
		s = NULL;
	va_end(ap);
	take(a, s);
}

void
argv_add_words(struct argv *a, const char *text)
{
	char *word = malloc(strlen(text) + 1);

	if (!word)
		take(a, NULL);
	for (const char *p = text; *p;) {
		size_t n = 0;
		char quote = 0;
		p += strspn(p, " \t\r\n");
		if (!*p)
			break;
		for (; *p && (quote || !strchr(" \t\r\n", *p)); p++) {
			if (*p == '\\' && quote != '\'' && p[1])
				word[n++] = *++p;
			else if (quote ? *p == quote : *p == '"' || *p == '\'')
				quote = quote ? 0 : *p;
			else
				word[n++] = *p;
		}
		word[n] = '\0';
		argv_add(a, word);
	}
	free(word);
}

void
argv_finish(struct argv *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->v[i]);
	free(a->v);
	memset(a, 0, sizeof(*a));
}

int
argv_run(const struct argv *a)
{
	pid_t pid;
	int status, error = posix_spawnp(&pid, a->v[0], NULL, NULL, a->v, environ);

	if (error) {
		errno = error;
		return -1;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
