/* The lock word of csp_mutex (runtime/sync/lockword.c, mutex.h) with unlocking by a plain store (runtime/os/quick.c): goroutines lock and unlock; each
 * waiter may find at any waking that it has waited for too long. One holds the lock at a time, nobody sleeps beside a free lock,
 * and in the end nothing is left in the word but the mark. The table of waiters is one step here: semtable.pml has its inside.
 * The plain store lies in a store buffer; between look and store a thread is in a restartable sequence, which the barrier restarts.
 *   BROKEN_BARRIER   who marks the word does not wait for the barrier
 *   BROKEN_MARK      who comes to wait does not mark the word
 *   BROKEN_UNMARK    the mark goes though somebody waits
 *   BROKEN_WOKEN     who was woken leaves WOKEN behind, so that unlock wakes nobody else
 *   BROKEN_STARVING  newcomers take a lock that is being handed over
 *   BROKEN_LAST      the last waiter leaves the lock in starvation */
#define N          3
#define LOCKED     1
#define WOKEN      2
#define STARVING   4
#define CONTENDED  8
#define WAITER     16

byte word;
bool clearing[N];                       /* a store of 0 to LOCKED is on its way */
bool in_window[N], restarted[N];
byte permits, n_queued, queue[N];       /* the semaphore: queue[0] is woken first */
bool parked[N], granted[N];
byte holders, n_done;

/* Everything locked drains the own buffer first. */
#define DRAINED  !clearing[_pid]

inline swap(from, to)           /* sets swapped; from is what was found if it failed */
{
	atomic {
		DRAINED;
		if
		:: word == from -> word = to; swapped = true
		:: else -> from = word; swapped = false
		fi
	}
}

inline load()                   /* the own store is seen at once */
{
	atomic {
		old = word;
		if
		:: clearing[_pid] -> old = old & ~LOCKED
		:: else
		fi
	}
}

inline barrier()
{
	d_step {
		i = 0;
		do
		:: i < N ->
			if
			:: clearing[i] -> word = word & ~LOCKED; clearing[i] = false
			:: else
			fi;
			restarted[i] = in_window[i];
			i++
		:: else -> break
		od;
		i = 0
	}
}

inline sem_acquire(lifo)
{
	do
	::
		atomic {
			DRAINED;
			if
			:: permits > 0 -> permits--; break
			:: else ->
				if
				:: lifo ->
					i = n_queued;
					do
					:: i > 0 -> queue[i] = queue[i - 1]; i--
					:: else -> break
					od;
					queue[0] = _pid
				:: else -> queue[n_queued] = _pid
				fi;
				n_queued++;
				parked[_pid] = true
			fi
		};
		!parked[_pid];
		atomic {
			if
			:: granted[_pid] -> granted[_pid] = false; break
			:: !granted[_pid] && permits > 0 -> permits--; break
			:: else
			fi
		}
	od
}

inline sem_release(grant)
{
	d_step {
		permits++;
		if
		:: n_queued > 0 ->
			parked[queue[0]] = false;
			if
			:: grant -> granted[queue[0]] = true; permits--
			:: else
			fi;
			n_queued--;
			i = 0;
			do
			:: i < n_queued -> queue[i] = queue[i + 1]; i++
			:: else -> queue[i] = 0; i = 0; break
			od
		:: else
		fi
	}
}

inline lock()
{
	/* rt_lockword_try */
	load();
	d_step { old = old & ~LOCKED; next = old | LOCKED };
	if
#ifdef BROKEN_STARVING
	:: true ->
#else
	:: !(old & STARVING) ->
#endif
		swap(old, next);
		if
		:: swapped -> goto locked
		:: else
		fi
	:: else
	fi;
	load();
	do
	::
		next = old;
		if
		:: (old & (LOCKED | STARVING)) == LOCKED && !awoke && !(old & WOKEN) && old >= WAITER ->    /* spins once */
			next = old | WOKEN;
			swap(old, next);
			awoke = swapped;
			load();
			goto again
		:: true
		fi;
#ifndef BROKEN_MARK
		if
		:: (old & LOCKED) && !(old & CONTENDED) ->
			next = old | CONTENDED;
			swap(old, next);
			if
			:: swapped ->
#ifndef BROKEN_BARRIER
				if
				:: barrier()
				:: !(word & LOCKED)     /* refused: the unlock is waited for */
				fi;
#endif
				load()
			:: else
			fi;
			goto again
		:: else
		fi;
#endif
		atomic {
			if
			:: !(old & STARVING) -> next = next | LOCKED
#ifdef BROKEN_STARVING
			:: old & STARVING && !(old & LOCKED) -> next = next | LOCKED
			:: old & STARVING && old & LOCKED
#else
			:: else
#endif
			fi;
			if
			:: old & LOCKED -> next = next + WAITER
#ifndef BROKEN_STARVING
			:: old & STARVING && !(old & LOCKED) -> next = next + WAITER
#endif
			:: else
			fi;
			if
			:: starving && old & LOCKED -> next = next | STARVING
			:: else
			fi;
#ifndef BROKEN_WOKEN
			if
			:: awoke -> next = next & ~WOKEN
			:: else
			fi
#endif
		};
		swap(old, next);
		if
		:: !swapped -> goto again
		:: swapped && next & LOCKED && !(old & LOCKED) -> break
		:: else
		fi;
		sem_acquire(waited);
		waited = true;
		if
		:: starving = true
		:: skip
		fi;
		load();
		if
		:: old & STARVING ->
			atomic {
				DRAINED;
				if
#ifdef BROKEN_LAST
				:: !starving
#else
				:: !starving || word / WAITER == 1
#endif
					-> word = word + LOCKED - WAITER - STARVING
				:: else -> word = word + LOCKED - WAITER
				fi
			};
			break
		:: else -> awoke = true
		fi;
again:		next = 0
	od;
locked:	skip;
	d_step { waited = false; starving = false; awoke = false; swapped = false; old = 0; next = 0 }
}

inline unlock()
{
	/* rt_quick_unlock */
	do
	:: atomic { word == LOCKED -> in_window[_pid] = true };
		if
		:: atomic { !restarted[_pid] -> in_window[_pid] = false; clearing[_pid] = true }; goto unlocked
		:: atomic { restarted[_pid] -> in_window[_pid] = false; restarted[_pid] = false }
		fi
	:: else -> break
	od;
	load();
	/* rt_lockword_unlock_marked: now and then the mark goes with the lock */
	if
#ifdef BROKEN_UNMARK
	:: old & CONTENDED -> next = old & ~(LOCKED | CONTENDED); swap(old, next)
#else
	:: old == (LOCKED | CONTENDED) -> swap(old, 0)
#endif
	:: !(old & STARVING) && (old < WAITER || old & WOKEN) -> next = old & ~LOCKED; swap(old, next)
	:: else
	fi;
	if
	:: swapped -> goto unlocked
	:: else
	fi;
	atomic { DRAINED; word = word - LOCKED; old = word };
	if
	:: old < WAITER -> goto unlocked
	:: old >= WAITER && old & STARVING -> sem_release(true); goto unlocked
	:: else
	fi;
	do
	:: old >= WAITER && !(old & (LOCKED | WOKEN | STARVING)) ->
		next = (old - WAITER) | WOKEN;
		swap(old, next);
		if
		:: swapped -> sem_release(false); break
		:: else
		fi
	:: else -> break
	od;
unlocked:	skip;
	d_step { swapped = false; old = 0; next = 0 }
}

active [N] proctype goroutine()
{
	byte old, next, i, times = 1;
	bool swapped, waited, starving, awoke;

	if
	:: _pid == 0 -> times = 2
	:: else
	fi;
	do
	:: times > 0 ->
		lock();
		d_step { holders++; assert(holders == 1) };
		holders--;
		unlock();
		times--
	:: else -> break
	od;
	n_done++
}

active proctype monitor()
{
	n_done == N && !clearing[0] && !clearing[1] && !clearing[2];
	assert((word & ~CONTENDED) == 0 && permits == 0 && n_queued == 0)
}

active proctype buffers()
{
	byte i;

end:	do
	:: atomic { clearing[0] -> clearing[0] = false; word = word & ~LOCKED }
	:: atomic { clearing[1] -> clearing[1] = false; word = word & ~LOCKED }
	:: atomic { clearing[2] -> clearing[2] = false; word = word & ~LOCKED }
	od
}
