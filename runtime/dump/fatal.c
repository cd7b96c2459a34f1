/* Panics and fatal errors: the event for the observer, Go's text, the dump, status 2. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../sched/sched.h"
#include "debug.h"
#include "helper.h"
#include "unwind.h"

/* The claimer's, so static: goroutine stacks are small. */
static struct rt_dump_request request;

static _Noreturn void die(struct rt_g *g, const char *kind, const char *text, bool world_stopped, bool own_stack)
{
	/* The claimer failed again, in its observer or here: no second dump. */
	static struct rt_g *_Atomic claimer;
	if (!rt_dump_claim()) {
		if (g != NULL && atomic_load(&claimer) == g)
			_Exit(2);
		rt_rest_for_ever();
	}
	atomic_store(&claimer, g);
	request.top.g = g;
	request.top.n = rt_unwind_self(request.top.pcs, sizeof request.top.pcs / sizeof *request.top.pcs, 1);
	request.world_stopped = world_stopped;
	if (!own_stack) {
		/* Whoever noticed is the scheduler, or a thread of the observer's, and has no stack that matters. */
		request.top.g = NULL;
		request.top.n = 0;
	}
	char line[512];
	rt_dump_flush_stdout();
	snprintf(line, sizeof line, "%s%.400s\n\n", kind, text);
	rt_dump_say(line);
	rt_dump_and_exit(&request);
}

_Noreturn void rt_panic(enum rt_misuse what, void *obj, const char *text, void *pc)
{
	struct rt_g *g = rt_self_or_null();
	RT_EVENT(misuse, g != NULL ? &g->view : NULL, what, obj, text, pc);
	die(g, "panic: ", text, false, true);
}

_Noreturn void rt_fatal(int what, void *obj, const char *text, void *pc)
{
	struct rt_g *g = rt_self_or_null();
	if (what >= 0)
		RT_EVENT(misuse, g != NULL ? &g->view : NULL, (enum rt_misuse)what, obj, text, pc);
	else
		RT_EVENT(fatal, text);
	die(g, "fatal error: ", text, false, true);
}

_Noreturn void rt_fatal_asleep(const char *text)
{
	die(NULL, "fatal error: ", text, true, false);
}

_Noreturn void rt_fatal_told(const char *text)
{
	struct rt_g *g = rt_self_or_null();

	die(g, "fatal error: ", text, false, g != NULL);
}

_Noreturn void rt_refused(const char *text, int err)
{
	char line[256];

	if (!rt_dump_claim())
		rt_rest_for_ever();
	rt_dump_flush_stdout();
	snprintf(line, sizeof line, "fatal error: libcsprt: %s (%s)\n\n", text, strerrordesc_np(err));
	rt_dump_say(line);
	request.top.g = rt_self_or_null();
	request.top.n = rt_unwind_self(request.top.pcs, sizeof request.top.pcs / sizeof *request.top.pcs, 0);
	if (rt_traceback_mode() != RT_TRACEBACK_NONE)
		rt_dump_write(NULL, &request.top, true, false);
	_exit(2);
}

_Noreturn void rt_throw(const char *text)
{
	if (rt_dump_claim()) {
		rt_dump_say("fatal error: libcsprt: ");
		rt_dump_say(text);
		rt_dump_say("\n\n");
		request.top.g = rt_self_or_null();
		request.top.n = rt_unwind_self(request.top.pcs, sizeof request.top.pcs / sizeof *request.top.pcs, 0);
		rt_dump_write(NULL, &request.top, true, false);
	}
	signal(SIGABRT, SIG_DFL);
	abort();
}

/* main returns, or somebody calls exit, while another goroutine's failure is being written: that one decides the status. A dump of the going
 * program (SIGUSR2) is finished first. */
static void hold_exit(void)
{
	rt_dump_await_live();
	if (rt_dump_claimed())
		rt_rest_for_ever();
}

void rt_dump_guard_exit(void)
{
	atexit(hold_exit);
}

void rt_dump_init(void)
{
	/* A static link must not leave it out. */
	__asm__ volatile("" : : "r"(&csp_debug_table));
	rt_dump_helper_start();
	rt_dump_signals_init();
}
