/* Firing and stopping (runtime/time/heap.c): under the heap's lock the firer takes a timer out and names it in `firing`; who comes too late to
 * stop it waits until it is not named any more, then frees it. BROKEN: it is named after the lock is released. */
bool locked, armed = true, firing, freed;

active proctype firer()
{
	bool mine;

	atomic { !locked -> locked = true };
	mine = armed;
	armed = false;
#ifndef BROKEN
	firing = mine;
#endif
	locked = false;
#ifdef BROKEN
	firing = mine;
#endif
	if
	:: mine -> assert(!freed); firing = false
	:: else
	fi
}

active proctype stopper()
{
	bool stopped;

	atomic { !locked -> locked = true };
	stopped = armed;
	armed = false;
	locked = false;
	if
	:: stopped
	:: else -> !firing
	fi;
	freed = true
}
