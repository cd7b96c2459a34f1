/* csp_once (runtime/sync/once.c): who comes while the function runs queues under the bucket's lock, if the state is still less than DONE; who has
 * run it says DONE first and takes that lock afterwards if somebody is announced. Nobody returns before the end of the function, it runs
 * once, and nobody sleeps for ever.
 *   BROKEN_LOCK   the waiter announces itself before it takes the bucket's lock, and queues in any case
 *   BROKEN_DONE   who has run it looks for waiters, then says DONE */
mtype = { FRESH, RUNNING, AWAITED, DONE };
mtype state = FRESH;
bool locked, finished;
byte runs, queued, woken;

active [3] proctype caller()
{
	mtype seen;

	if
	:: atomic { state == FRESH -> state = RUNNING };
		runs++;
		finished = true;
#ifdef BROKEN_DONE
		seen = state;
		if
		:: seen == AWAITED ->
			atomic { !locked -> locked = true };
			woken = woken + queued;
			queued = 0;
			locked = false
		:: else
		fi;
		state = DONE
#else
		atomic { seen = state; state = DONE };
		if
		:: seen == AWAITED ->
			atomic { !locked -> locked = true };
			woken = woken + queued;
			queued = 0;
			locked = false
		:: else
		fi
#endif
	:: state == DONE
	:: atomic { state != FRESH && state != DONE };
#ifdef BROKEN_LOCK
		atomic {
			if
			:: state == RUNNING -> state = AWAITED
			:: else
			fi
		};
		atomic { !locked -> locked = true };
		queued++;
		locked = false;
		atomic { woken > 0 -> woken-- }
#else
		atomic { !locked -> locked = true };
		atomic {
			seen = state;
			if
			:: seen == RUNNING -> state = AWAITED
			:: else
			fi
		};
		if
		:: seen == DONE -> locked = false
		:: else ->
			queued++;
			locked = false;                 /* on the other side of the switch */
			atomic { woken > 0 -> woken-- }
		fi
#endif
	fi;
	assert(finished && runs == 1)
}
