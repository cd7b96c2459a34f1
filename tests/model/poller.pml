/* The owner of the poller (runtime/sched/worker.c, rest and block_in_poller; time/heap.c, rt_timer_start; net/poll.c, rt_poll_wake). Who arms an earlier
 * timer, and who takes the owner off the list of idle workers, leave their word, fence, and look for the owner; the owner becomes it,
 * fences, and looks at those words, then blocks until the earliest timer it has seen or the eventfd. wake_pending saves the write of those
 * who come when one is on its way. Plain stores go through buffers, as on x86.
 * The owner may not block for ever when a timer was armed or it was woken.
 *   BROKEN_ARM      no fence between arming and looking for the owner
 *   BROKEN_WAKE     none between waking and looking for the owner
 *   BROKEN_OWN      the owner does not fence before it looks
 *   BROKEN_PENDING  the owner clears wake_pending before it reads the eventfd
 *   BROKEN_LOOK     the owner blocks again without looking at what it was told about */
bool owner, next, next_buffered, wake, wake_buffered, owner_buffered;   /* next: an earlier timer is armed */
bool idle = true;
bool pending, event;            /* wake_pending; the eventfd is readable */
byte n_done;

inline poll_wake()
{
	bool was;

	atomic { was = pending; pending = true };
	if
	:: !was -> event = true
	:: else
	fi
}

active [2] proctype armer()
{
	next_buffered = true;
#ifndef BROKEN_ARM
	!next_buffered;
#endif
	if
	:: owner -> poll_wake()
	:: else                 /* nobody blocks; sysmon looks for an owner who does */
	fi;
	n_done++
}

active proctype waker()
{
	if
	:: skip
	:: goto done
	fi;
	idle = false;           /* under the lock of the list */
	wake_buffered = true;
#ifndef BROKEN_WAKE
	!wake_buffered;
#endif
	if
	:: owner -> poll_wake()
	:: else                 /* the futex: a compare of `wake` by the kernel */
	fi;
done:	n_done++
}

active proctype worker()
{
	bool read;

	do
	:: !idle -> break
	:: else ->
#ifdef BROKEN_OWN
		owner_buffered = true;
#else
		owner = true;
#endif
#ifdef BROKEN_LOOK
		if
		:: read -> goto block
		:: else
		fi;
#endif
		if
		:: wake -> goto leave
		:: else
		fi;
		if
		:: next -> next = false; goto leave
		:: else
		fi;
block:
		if
		:: event                        /* blocks; a dead end is a lost wake-up */
		:: n_done == 3 && !event && !next && !wake && idle && !next_buffered && !wake_buffered -> break  /* for ever, rightly */
		fi;
#ifdef BROKEN_PENDING
		pending = false;
		event = false;
#else
		event = false;
		pending = false;
#endif
		read = true;
leave:
		owner_buffered = false;
		owner = false;
		atomic { wake = false }
	od
}

active proctype buffers()
{
end:	do
	:: atomic { next_buffered -> next = true; next_buffered = false }
	:: atomic { wake_buffered -> wake = true; wake_buffered = false }
	:: atomic { owner_buffered -> owner = true; owner_buffered = false }
	od
}
