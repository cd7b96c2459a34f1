/* SIGQUIT, SIGUSR2 and RT_DUMP_SIGNAL ask the helper for a dump. SIGSEGV and SIGBUS tell a stack overflow from every other crash, which stays one: the
 * former action gets it, or the process dies by the signal. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "../sched/stack.h"
#include "../sched/stop.h"
#include "helper.h"
#include "settings.h"
#include "unwind.h"

static struct sigaction former_segv, former_bus;
static struct rt_dump_request overflow, quit;   /* the first one's; signal stacks are small too */

static uintptr_t context_pc(const ucontext_t *uc)
{
#if defined(__x86_64__)
	return (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
#else
	return (uintptr_t)uc->uc_mcontext.pc;
#endif
}

static uintptr_t context_sp(const ucontext_t *uc)
{
#if defined(__x86_64__)
	return (uintptr_t)uc->uc_mcontext.gregs[REG_RSP];
#else
	return (uintptr_t)uc->uc_mcontext.sp;
#endif
}

static void on_ask(int sig, siginfo_t *si, void *uc)
{
	static _Atomic int asked;
	int saved = errno;
	if (sig == SIGUSR2) {
		rt_dump_ask_live();
	} else if (atomic_exchange(&asked, 1) == 0) {
		/* This thread stays here, else an interrupted pause() ends main before the dump is out; unless it holds a lock of ours,
		 * which the stopping of the world would wait for. */
		bool rest = rt_locks_held == 0;
		quit.top.g = rest ? rt_self_or_null() : NULL;
		quit.top.exact0 = true;
		if (quit.top.g != NULL)
			quit.top.n = rt_unwind_context(uc, quit.top.pcs, sizeof quit.top.pcs / sizeof *quit.top.pcs);
		rt_dump_ask_quit(&quit, context_pc(uc), si->si_code);
		if (rest)
			rt_rest_for_ever();
	}
	errno = saved;
}

/* From `cspcheck dump`: its descriptor. From kill(1): stderr. */
static void on_ask_verdicts(int sig, siginfo_t *si, void *uc)
{
	if (si->si_code == SI_QUEUE)
		rt_dump_ask_verdicts(si->si_pid, si->si_value.sival_int);
	else
		rt_dump_ask_verdicts(0, 0);
}

/* Goroutine whose stack ends where addr is, or NULL. */
static struct rt_g *overflown(uintptr_t addr, uintptr_t sp)
{
	enum { NEAR = 64 * 1024, GAP = 1 << 20 };
	struct rt_g *g = NULL;
	if (rt_stack_guard_hit(addr, &g))
		return g;
	/* A thread's stack (goroutine 1, foreign): no guard of ours. The kernel refuses to grow it near its limit, so sp tells. */
	g = rt_self_or_null();
	if (g == NULL || (g->view.id != 1 && !g->foreign) || g->view.stack_lo == 0)
		return NULL;
	bool beside = addr < sp ? sp - addr < NEAR : addr - sp < NEAR;
	return beside && addr >= g->view.stack_lo - GAP && addr < g->view.stack_lo + NEAR ? g : NULL;
}

static _Noreturn void report(struct rt_g *g, uintptr_t addr, const ucontext_t *uc)
{
	char head[128];
	RT_EVENT(misuse, &g->view, RT_MISUSE_STACK_OVERFLOW, (void *)addr, "stack overflow", (void *)context_pc(uc));
	if (!rt_dump_claim())
		rt_rest_for_ever();
	snprintf(head, sizeof head, "runtime: goroutine stack exceeds %zu-byte limit\nfatal error: stack overflow\n\n",
		(size_t)(g->view.stack_hi - g->view.stack_lo));
	rt_dump_say(head);
	overflow.top.g = g;
	overflow.top.exact0 = true;
	overflow.top.n = rt_unwind_context(uc, overflow.top.pcs, sizeof overflow.top.pcs / sizeof *overflow.top.pcs);
	rt_dump_and_exit(&overflow);
}

static void on_fault(int sig, siginfo_t *si, void *context)
{
	const struct sigaction *former = sig == SIGSEGV ? &former_segv : &former_bus;
	if (si->si_code > 0) {
		struct rt_g *g = overflown((uintptr_t)si->si_addr, context_sp(context));
		if (g != NULL)
			report(g, (uintptr_t)si->si_addr, context);
	}
	if (former->sa_flags & SA_SIGINFO) {
		former->sa_sigaction(sig, si, context);
	} else if (former->sa_handler == SIG_DFL || former->sa_handler == SIG_IGN) {
		/* The instruction faults again and ends the process by the signal; one that was sent is sent once more. */
		signal(sig, SIG_DFL);
		if (si->si_code <= 0)
			syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), sig);
	} else {
		former->sa_handler(sig);
	}
}

static void install(int sig, void (*handler)(int, siginfo_t *, void *), bool only_if_default, struct sigaction *former)
{
	struct sigaction now, act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };
	if (sigaction(sig, NULL, &now) != 0)
		return;
	if (only_if_default && ((now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL))
		return;
	sigemptyset(&act.sa_mask);
	/* Not the whole: the rest of the mask is stack residue, and a stray pointer into main's stack hides leaks from the leak check. */
	if (former != NULL)
		*former = (struct sigaction){ .sa_sigaction = now.sa_sigaction, .sa_flags = now.sa_flags };
	sigaction(sig, &act, NULL);
}

void rt_dump_signals_init(void)
{
	install(SIGSEGV, on_fault, false, &former_segv);
	install(SIGBUS, on_fault, false, &former_bus);
	install(SIGQUIT, on_ask, true, NULL);
	install(RT_DUMP_SIGNAL, on_ask_verdicts, true, NULL);
	char value[8];
	if (rt_dump_setting("sigusr2=", value, sizeof value) && strcmp(value, "1") == 0)
		install(SIGUSR2, on_ask, true, NULL);
}
