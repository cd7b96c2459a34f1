/* The goroutine dump in Go's text, and the ways a program ends badly. rt_panic, rt_fatal and rt_throw are declared in g.h. */
#ifndef CSP_RUNTIME_DUMP_DUMP_H
#define CSP_RUNTIME_DUMP_DUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../g.h"

#define RT_DUMP_FRAMES_MAX 100          /* as Go: then "...additional frames elided..." */

/* $CSPTRACEBACK, Go's words. single: only the goroutine that failed. system: frames and goroutines of the runtime too. crash: system,
 * then SIGABRT instead of exit status 2. */
enum rt_traceback { RT_TRACEBACK_NONE, RT_TRACEBACK_SINGLE, RT_TRACEBACK_ALL, RT_TRACEBACK_SYSTEM, RT_TRACEBACK_CRASH };
enum rt_traceback rt_traceback_mode(void);

/* The stack that caused the dump, captured by its owner before anything else is touched; n == 0: none. */
struct rt_dump_top {
	struct rt_g *g;
	size_t       n;
	bool         exact0;                     /* pcs[0] is an instruction, not a return address */
	void        *pcs[RT_DUMP_FRAMES_MAX + 28];
};

/* Write `head` and, unless the mode is none, the goroutines to stderr: top's first, the others sorted by id. Callable once at a time,
 * with the world stopped or going; not on a goroutine's stack (libdw is hungry). `symbols` false: hexadecimal frames, no allocation
 * through malloc (the last resort of a dump that got stuck). */
void rt_dump_write(const char *head, const struct rt_dump_top *top, bool only_top, bool symbols);

/* The same in two steps (collect.h). The world need only stand during the first, rt_dump_collect. */
struct rt_dump_set;
void rt_dump_print(int fd, const char *head, struct rt_dump_set *set, bool symbols);

/* The frames of one collected goroutine, innermost first; with `raw` those of the library, too. Good until the next call. frames[i].at is the
 * index of the frame's pc, or RT_DUMP_AT_ENTRY for the function it was started for, where nothing else is known. */
#define RT_DUMP_AT_ENTRY UINT32_MAX
struct rt_frame;
struct rt_dump_block;
size_t rt_dump_frames(const struct rt_dump_block *b, bool raw, bool symbols, const struct rt_frame **frames);

/* --- fatal.c ---------------------------------------------------------------------------------------------------------- */

/* Called once while the runtime initialises, before the first goroutine is started: helper thread, SIGQUIT, SIGUSR2 (if $CSPDEBUG has
 * sigusr2=1), RT_DUMP_SIGNAL, SIGSEGV and SIGBUS. Threads that run goroutines have a signal stack (rt_os_signal_stack), else an overflow is a crash. */
void rt_dump_init(void);

/* After the observer, so that its own work at exit comes later: exit waits for ever while a failure is being written. */
void rt_dump_guard_exit(void);

/* Fatal errors whose event the caller has told already, or that have none. _asleep: by the scheduler, with nothing running and its
 * event `deadlock` told; all goroutines are shown as they are. _told: asked for by the observer (door->fatal). */
_Noreturn void rt_fatal_asleep(const char *text);
_Noreturn void rt_fatal_told(const char *text);

#endif
