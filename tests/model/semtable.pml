/* Acquire and release of a semaphore (runtime/sync/semtable.c): a waiter counts itself, then looks for a permit once more; who releases adds the
 * permit, then looks for waiters. BROKEN: the waiter looks first. */
byte permits, waiters;
bool locked, parked, woken;

active proctype acquire()
{
	atomic { !locked -> locked = true };
#ifdef BROKEN
	if
	:: atomic { permits > 0 -> permits-- }; locked = false; goto got
	:: permits == 0
	fi;
	waiters++;
#else
	waiters++;
	if
	:: atomic { permits > 0 -> permits--; waiters-- }; locked = false; goto got
	:: permits == 0
	fi;
#endif
	parked = true;
	locked = false;
	woken;                  /* a dead end is a lost wake-up */
got:	skip
}

active proctype release()
{
	permits++;
	if
	:: waiters == 0 -> skip
	:: else ->
		atomic { !locked -> locked = true };
		if
		:: parked -> parked = false; waiters--; locked = false; woken = true
		:: else -> locked = false
		fi
	fi
}
