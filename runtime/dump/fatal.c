#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dump.h"

static _Atomic int dying;

static void say(const char *a, const char *b)
{
	char   line[512];
	int    n = snprintf(line, sizeof line, "%s%s\n\n", a, b);
	size_t left = n < 0 ? 0 : (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
	ssize_t done = write(2, line, left);
	(void)done;
}

static _Noreturn void die(const char *kind, const char *text)
{
	if (atomic_exchange(&dying, 1) != 0)
		for (;;)
			pause();
	say(kind, text);
	if (ftrylockfile(stdout) == 0)
		fflush_unlocked(stdout);
	_exit(2);
}

_Noreturn void rt_panic(enum rt_misuse what, void *obj, const char *text, void *pc)
{
	struct rt_g *g = rt_self_or_null();
	RT_EVENT(misuse, g != NULL ? &g->view : NULL, what, obj, text, pc);
	die("panic: ", text);
}

_Noreturn void rt_fatal(int what, void *obj, const char *text, void *pc)
{
	struct rt_g *g = rt_self_or_null();
	if (what >= 0)
		RT_EVENT(misuse, g != NULL ? &g->view : NULL, (enum rt_misuse)what, obj, text, pc);
	else
		RT_EVENT(fatal, text);
	die("fatal error: ", text);
}

_Noreturn void rt_throw(const char *text)
{
	say("fatal error: libcsprt: ", text);
	abort();
}
