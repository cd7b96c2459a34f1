/* The word of csp_waitgroup (runtime/sync/waitgroup.c): two goroutines that end, two that wait; the last waiter to return uses the group again, as
 * a program may, and its last waiter frees it. Who waits returns after the counter has been zero; a correct program is never told of
 * misuse; the group is not touched when it is gone. No store buffers: the word is changed by locked instructions, and the one plain
 * store, of zero, is followed by one before anybody can be woken by it.
 *   BROKEN_RESET   the word is set to zero after the waiters were let go
 *   BROKEN_JOIN    a waiter counts itself without comparing: the counter may have come to zero meanwhile
 *   BROKEN_TOUCH   who let the waiters go looks at the word again */
byte counter = 2, waiters, permits;     /* counter and waiters are one word */
byte n_returned;
bool gone;

#define ALIVE assert(!gone)

inline add_minus_one()
{
	atomic { ALIVE; counter--; c = counter; w = waiters };
	if
	:: c > 0 || w == 0 -> skip
	:: else ->
		atomic { ALIVE; assert(counter == c && waiters == w) };         /* else: "Add called concurrently with Wait" */
#ifndef BROKEN_RESET
		atomic { ALIVE; counter = 0; waiters = 0 };
#endif
		do
		:: w > 0 -> atomic { ALIVE; permits++ }; w--
		:: else -> break
		od;
#ifdef BROKEN_RESET
		atomic { ALIVE; counter = 0; waiters = 0 };
#endif
#ifdef BROKEN_TOUCH
		ALIVE
#endif
	fi
}

inline wait()
{
	atomic { ALIVE; c = counter; w = waiters };
	do
	:: c == 0 -> break
	:: else ->
#ifdef BROKEN_JOIN
		atomic { ALIVE; waiters++ };
		goto joined;
#endif
		if
		:: atomic { counter == c && waiters == w -> ALIVE; waiters++ };
			goto joined
		:: atomic { counter != c || waiters != w -> ALIVE; c = counter; w = waiters }
		fi
	od;
	goto returned;
joined:
	atomic { permits > 0 -> ALIVE; permits-- };
	atomic { ALIVE; assert(counter == 0 && waiters == 0) };                 /* else: "reused before previous Wait has returned" */
returned: skip
}

active [2] proctype ending()
{
	byte c, w;

	add_minus_one()
}

proctype another()
{
	byte c, w;

	add_minus_one()
}

proctype once_more()
{
	byte c, w;

	wait();
	gone = true
}

active [2] proctype waiting()
{
	byte c, w, n;

	wait();
	atomic { n_returned++; n = n_returned };
	if
	:: n == 2 ->
		atomic { ALIVE; assert(counter == 0); counter++ };
		run another();
		run once_more()
	:: else
	fi
}
