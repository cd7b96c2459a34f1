#include "finding/rules.h"

#include <stddef.h>

#include "detector/report/finding.h"

static const struct rule rules[] = {
	{ DET_RACE, RULE_RACE, "data race",
	  "Two goroutines touch the same bytes, at least one of them writes, and nothing orders the two accesses.",
	  "order them: a mutex around both, a channel that hands the data over, or an atomic" },
	{ DET_RACE_ATOMIC, RULE_RACE, "race of an atomic and a plain access",
	  "One goroutine uses an atomic operation, another a plain access to the same bytes, and nothing orders them.",
	  "make both accesses atomic" },
	{ DET_RACE_FREE, RULE_RACE, "race with free",
	  "A goroutine frees memory that another one touches, and nothing orders the two.",
	  "free after the last user has said that it is done (wait group, channel)" },
	{ DET_DEADLOCK, RULE_DEADLOCK, "global deadlock",
	  "All goroutines are asleep and nothing is left that could wake one.",
	  "find the operation whose partner is missing: a send, a receive, a close, a done or an unlock" },
	{ DET_DEADLOCK_PARTIAL, RULE_DEADLOCK, "deadlock of some goroutines",
	  "These goroutines wait for each other, or for what nobody else can reach; nothing can release them.",
	  "take locks in one order everywhere; leave every channel with somebody who sends, receives or closes" },
	{ DET_NIL_CHAN, RULE_DEADLOCK, "operation on a nil channel",
	  "Sending to or receiving from a NULL channel blocks for ever.", "make the channel first with csp_make_chan" },
	{ DET_EMPTY_SELECT, RULE_DEADLOCK, "select without a case that can fire",
	  "A select without cases blocks for ever.", "add a case" },
	{ DET_LOCK_ORDER, RULE_DEADLOCK, "locks taken in conflicting order",
	  "Two goroutines take the same locks in opposite order; another schedule can deadlock.", "take the locks in one order everywhere" },
	{ DET_SELF_LOCK, RULE_DEADLOCK, "goroutine locks a mutex it already holds",
	  "A mutex is not recursive: the goroutine waits for itself.", "unlock before calling what locks again" },
	{ DET_BAD_UNLOCK, RULE_MISUSE, "unlock of a mutex that is not held by this goroutine",
	  "The mutex is unlocked, or another goroutine holds it.", "pair lock and unlock, or use CSP_MUTEX_HANDOVER where hand-over is meant" },
	{ DET_LEAK, RULE_LEAK, "goroutine leak",
	  "This goroutine is blocked for ever: nobody who is still alive can reach what it waits for.",
	  "give it a way out: close the channel, a quit or context case, or room in the channel" },
	{ DET_ALIVE_AT_EXIT, RULE_LEAK, "goroutine alive at exit",
	  "The program ended before this goroutine did.", "wait for it with a wait group or a channel if it matters" },
	{ DET_BLOCKED_LONG, RULE_LEAK, "goroutine blocked for long", "This goroutine has waited longer than allowed.", "look who should have woken it" },
	{ DET_SEND_ON_CLOSED, RULE_MISUSE, "send on closed channel",
	  "A goroutine sends on a channel that was closed.", "only senders close, after their last send" },
	{ DET_DOUBLE_CLOSE, RULE_MISUSE, "close of closed channel", "The channel was closed before.", "let one goroutine own the close" },
	{ DET_CLOSE_NIL, RULE_MISUSE, "close of nil channel", "A NULL channel cannot be closed.", "make the channel first" },
	{ DET_WG_NEGATIVE, RULE_MISUSE, "negative wait group counter",
	  "done was called more often than add counted.", "call add once per goroutine before it is started" },
	{ DET_WG_REUSE, RULE_MISUSE, "wait group misuse",
	  "The wait group was added to while a wait was returning.", "add before the goroutine is started; do not reuse before wait returned" },
	{ DET_PANIC, RULE_MISUSE, "panic", "The program panicked.", "see the panic's text" },
	{ DET_STACK_OVERFLOW, RULE_CRASH, "stack overflow", "A goroutine outgrew its stack.", "start it with csp_go_opt and a larger stack_bytes, or end the recursion" },
	{ DET_TIMEOUT, RULE_TIMEOUT, "time limit reached", "The program still ran at the end of --timeout.", "see the goroutine dump" },
};

const struct rule *
rule_find(uint32_t number)
{
	static const struct rule unknown = { 0, RULE_MISUSE, "finding of an unknown rule", "A newer detector wrote this finding.", "update cspcheck" };

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].number == number)
			return &rules[i];
	return &unknown;
}

const char *
rule_kind_name(enum rule_kind k, unsigned long count)
{
	static const char *const one[RULE_KINDS] = { "race", "deadlock", "leak", "misuse", "crash", "timeout" };
	static const char *const many[RULE_KINDS] = { "races", "deadlocks", "leaks", "misuses", "crashes", "timeouts" };
	return count == 1 ? one[k] : many[k];
}

int
rule_exit_status(enum rule_kind k)
{
	switch (k) {
	case RULE_RACE: return STATUS_RACE;
	case RULE_LEAK: return STATUS_LEAK;
	case RULE_TIMEOUT: return STATUS_TIMEOUT;
	default: return STATUS_DEADLOCK;
	}
}
