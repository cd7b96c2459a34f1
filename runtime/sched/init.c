/* The first use: the observer, goroutine 1, the first worker. */
#define RT_OBSERVER_WRITER
#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "../dump/dump.h"
#include "../event/event_libtsan.h"
#include "../event/event_none.h"
#include "../net/poll.h"
#include "../os/os.h"
#include "../os/quick.h"
#include "fiber.h"
#include "sched.h"
#include "stop.h"

enum { SCHED_STACK_BYTES = 256 << 10, GUARD_BYTES = 16 << 10, MAXPROCS_MAX = 1024 };

const struct rt_observer *rt_observer;
struct rt_g rt_main_g;
static _Atomic uint32_t phase;          /* 0 not, 1 being, 2 initialised */
extern struct rt_door rt_the_door;

bool rt_ready_to_run(void)
{
	return atomic_load_explicit(&phase, memory_order_acquire) == 2;
}

static int wanted_procs(void)
{
	const char *text = getenv("CSPMAXPROCS");
	long n = text ? strtol(text, NULL, 10) : 0;

	if (n < 1)
		n = rt_os_cpus();
	return n > MAXPROCS_MAX ? MAXPROCS_MAX : (int)n;
}

/* The detector is a library of its own, or preloaded; with the runtime linked statically only the dynamic symbol table knows it. */
static void attach_observer(void)
{
	rt_attach_fn attach = (rt_attach_fn)dlsym(RTLD_DEFAULT, "cspcheck_attach");

	if (attach) {
		const struct rt_observer *observer = attach(&rt_the_door);
		if (observer && observer->abi == RT_EVENT_ABI)
			rt_observer = observer;
	}
	if (!rt_observer)
		rt_observer = rt_libtsan_observer();
	if (!rt_observer && rt_policy)
		rt_observer = &rt_event_none;
}

/* The calling thread is the process's first: it becomes goroutine 1 on its own stack and, with a scheduler's stack, a worker. */
static void adopt_main_thread(void)
{
	struct rt_m *m = rt_m_new();
	char *stack = rt_os_reserve(SCHED_STACK_BYTES);
	struct rt_g *g = &rt_main_g;

	if (!m || !stack)
		rt_refused("init: out of memory", ENOMEM);
	rt_os_guard(stack, GUARD_BYTES);
	m->tid = rt_os_tid();
	m->errno_at = &errno;
	m->stack_lo = (uintptr_t)stack + GUARD_BYTES;
	m->stack_hi = (uintptr_t)stack + SCHED_STACK_BYTES;
	m->sched_sp = rt_arch_prepare(stack + SCHED_STACK_BYTES, rt_worker_context, NULL);
	atomic_store(&rt_sched.n_workers, 1);
	atomic_store(&rt_sched.n_running, 1);
	g->view.id = 1;
	g->main_stack = true;
	g->path = RT_PATH_MAIN;
	g->m = m;
	rt_os_thread_stack(&g->view.stack_lo, &g->view.stack_hi);
	atomic_store(&g->state, RT_G_RUNNING);
	m->g = g;
	rt_m_tls = m;
	atomic_store(&m->n_started, 1);
	RT_EVENT(g_go, NULL, &g->view, NULL);
	RT_EVENT(g_switch, &g->view);
}

void rt_init(void)
{
	uint32_t zero = 0;

	if (!atomic_compare_exchange_strong(&phase, &zero, 1)) {
		while (atomic_load_explicit(&phase, memory_order_acquire) != 2)
			sched_yield();
		return;
	}
	atomic_store(&rt_sched.maxprocs, wanted_procs());
	rt_fiber_init();
	rt_stop_init();
	rt_os_signal_stack();
	int err = rt_poll_init();
	if (err < 0)
		rt_refused("init: no poller", -err);
	rt_dump_init();
	attach_observer();
	if (rt_observer == NULL)
		rt_quick_init();
	if (rt_os_is_main_thread())
		adopt_main_thread();
	rt_fork_init();
	rt_dump_guard_exit();
	atomic_store_explicit(&phase, 2, memory_order_release);
	if (rt_policy == NULL)
		rt_sysmon_start();
}

/* Checked programs have a goroutine 1 from their first instruction on, even if they never start another. */
__attribute__((constructor)) static void init_if_checked(void)
{
	if (!getenv("CSPCHECK_SPOOL"))
		return;
	rt_init();
	if (rt_observer != NULL && rt_observer->started != NULL)
		rt_observer->started();
}
