/* The thread that writes dumps. libdw needs more stack than a goroutine has, a signal handler may not take locks, and the thread that
 * failed may hold one: so whoever wants a dump describes it and asks. */
#ifndef CSP_RUNTIME_DUMP_HELPER_H
#define CSP_RUNTIME_DUMP_HELPER_H

#include "dump.h"

/* What a failing thread asks for. The head has been written already. */
struct rt_dump_request {
	struct rt_dump_top top;
	bool only_top;
	bool world_stopped;                     /* by the caller, who is part of the scheduler */
};

/* The thread that wins may end the program; every other that fails parks for ever. True for one caller per process. */
bool rt_dump_claim(void);
bool rt_dump_claimed(void);

/* Have the dump written and end the process with status 2 (SIGABRT under CSPTRACEBACK=crash). Callable from a signal handler. The caller
 * has claimed. */
_Noreturn void rt_dump_and_exit(struct rt_dump_request *r);

/* From the handlers; async-signal-safe. _quit: where the signal came in, and the goroutine it interrupted, if any. Once. */
void rt_dump_ask_quit(const struct rt_dump_request *r, uintptr_t pc, int code);
void rt_dump_ask_live(void);
void rt_dump_await_live(void);                  /* until what _ask_live asked for is written */
/* A dump with verdicts; to descriptor fd of process pid (`cspcheck dump`), or to stderr if pid is 0. A newer request replaces an older one. */
void rt_dump_ask_verdicts(int32_t pid, int32_t fd);

void rt_dump_helper_start(void);
void rt_dump_say(const char *text);             /* write(2) to stderr */
void rt_dump_flush_stdout(void);                /* not from a signal handler */

/* signals.c */
#define RT_DUMP_SIGNAL (SIGRTMIN + 6)   /* tools/cmd/dump.c sends it too */
void rt_dump_signals_init(void);

#endif
