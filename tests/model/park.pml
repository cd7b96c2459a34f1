/* Park and ready (runtime/sched/park.c): the object's lock is released on the other side of the switch, when the registers are saved. BROKEN: g
 * releases it on its own stack, and runs on two threads at once. */
bool locked, queued, saved;
byte on_stack = 1;

active proctype parking()
{
	atomic { !locked -> locked = true }
	queued = true;
#ifdef BROKEN
	locked = false;
#endif
	saved = true;
	on_stack--;             /* the other side */
#ifndef BROKEN
	locked = false;
#endif
}

active proctype waker()
{
	bool mine;

	do
	:: atomic { !locked -> locked = true };
		mine = queued;
		queued = false;
		locked = false;
		if
		:: mine -> break
		:: else
		fi
	od;
	on_stack++;             /* resumed on the waker's thread */
	assert(saved && on_stack == 1)
}
