/* Start-up and fork. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>
#include <unistd.h>

#include "../explore/explore.h"
#include "../hb/hbcore.h"
#include "../report/loss.h"
#include "../report/stream.h"
#include "../shadow/arena.h"
#include "../shadow/context.h"
#include "../shadow/desc.h"
#include "../shadow/map.h"
#include "heap.h"
#include "libc.h"
#include "start.h"

extern void *__libc_stack_end;

uintptr_t det_main_tcb;

static _Atomic int state;       /* 0 not begun, 1 in progress, 2 done */

bool det_shadow_init(void)
{
	det_ctx_init();
	return det_arena_init() && det_map_init() && det_desc_init();
}

static void main_thread(void)
{
	struct det_g *g = det_me();
	struct rlimit limit = { 8u << 20, 8u << 20 };

	if (!g)
		return;
	getrlimit(RLIMIT_STACK, &limit);
	if (limit.rlim_cur > (64u << 20))
		limit.rlim_cur = 64u << 20;
	det_main_tcb = (uintptr_t)__builtin_thread_pointer();
	g->stack_hi = ((uintptr_t)__libc_stack_end | 4095) + 1;
	g->stack_lo = g->stack_hi - limit.rlim_cur;
}

static bool env_is(const char *name, const char *word)
{
	const char *text = getenv(name);

	while (text && *text && *text == *word) {
		text++;
		word++;
	}
	return text && *text == *word;
}

static bool child_unchecked;

/* Once the child may write to its own stream. */
void det_fork_tell(void)
{
	if (child_unchecked)
		det_loss("child forked by a process of several goroutines or threads: unchecked until it execs", 1);
	child_unchecked = false;
	det_stream_flush();
}

/* With the runtime attached these are steps of its fork event (attach.c). */
static void before_fork(void)
{
	if (!det_door)
		det_stream_fork(0);
}

static void parent_forked(void)
{
	if (!det_door)
		det_stream_fork(1);
}

static void child_forked(void)
{
	det_after_fork();
	if (det_door)
		return;
	det_stream_fork(2);
	det_fork_tell();
}

void det_init(void)
{
	static const char refused[] = "cspcheck: the system refuses the address space the checks need (ulimit -v?): nothing is checked\n";
	int none = 0;

	if (atomic_load_explicit(&state, memory_order_acquire) != 0 || !atomic_compare_exchange_strong(&state, &none, 1))
		return;
	det_races_off = env_is("CSPCHECK_RACE", "off");
	if (det_shadow_init() && det_clock_init() && det_syncmap_init() && det_self_init()) {
		det_heap_init();
		det_libc_init();
		/* libstdc++ counts references without atomics while this is set; goroutines on one thread may not. */
		__libc_single_threaded = 0;
		atomic_store(&det_on, true);
		main_thread();
		pthread_atfork(before_fork, parent_forked, child_forked);
	} else {
		det_loss("whole run: no address space", 1);
		if (write(2, refused, sizeof(refused) - 1) < 0)
			det_loss("messages", 1);
	}
	atomic_store(&state, 2);
}

/* The child of a threaded process has copies of locks whose holders do not exist; it runs unchecked. A child of a process with one
 * goroutine and one thread goes on being checked. */
void det_after_fork(void)
{
	uint32_t alive = 0;

	if (!atomic_load(&det_on))
		return;
	for (uint32_t i = 1; i < det_rows(); i++)
		alive += !atomic_load_explicit(&det_row_at(i)->finished, memory_order_relaxed);
	/* A server of schedules has run nothing of the program: its other threads are the library's, and rest. */
	if (alive > 1 && !det_explore_keep_shared) {
		atomic_store(&det_on, false);
		child_unchecked = true;
	}
	det_arena_after_fork();
	det_shadow_after_fork();
	det_syncmap_after_fork();
}

__attribute__((constructor(101))) static void at_load(void)
{
	det_init();
}
