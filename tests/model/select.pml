/* Select (runtime/chan/select.c): goroutine 0 receives from whichever of two channels comes first, with a deadline the first time; 1 sends on either of
 * them, in a select of its own; 2 sends on channel 0 only. The locks of both channels, in order of address; waiters in both queues, of whom the
 * waker that wins `fired` makes one ready; the commit releases the locks on the other side of the switch, reading their list on the
 * goroutine's stack (`alive`); and who was woken takes the locks again, but for that of the channel that woke it, to leave the other
 * queue. Every value sent is received once, nobody is made ready twice or before his registers are saved, all ends.
 *   BROKEN_FIRED     wakers do not compete for `fired`
 *   BROKEN_LOCKS     each locks in the order of his cases
 *   BROKEN_QUEUES    who was woken leaves his waiter in the other queue
 *   BROKEN_PASS3     who was woken leaves without taking the other lock, so without waiting for the commit
 *   BROKEN_COMMIT    the commit reads the list once more after the last release
 *   BROKEN_DEADLINE  the deadline is armed before the switch */
#define BY_DEADLINE 2

bool locked[2];
bool receives[2];               /* 0 is in the channel's queue of receivers */
bool sends_one[2], sends_two;   /* 1 and 2 in the queues of senders */
bool fired[2];                  /* of 0 and 1; 2 is waited for by one waker only */
byte woken_by[3];
bool ready[3], parked[3], saved[3], alive[3];
bool noted, armed, firing;      /* 0's deadline */
byte n_sent, n_received;

inline lock(which) { atomic { !locked[which] -> locked[which] = true } }
inline unlock(which) { locked[which] = false }

inline lock_both(me)
{
#ifdef BROKEN_LOCKS
	if
	:: me == 1 -> lock(1); lock(0)
	:: else -> lock(0); lock(1)
	fi
#else
	lock(0);
	lock(1)
#endif
}

inline make_ready(who) { atomic { assert(!ready[who] && saved[who]); ready[who] = true } }

#ifdef BROKEN_FIRED
#define WINS(g) true
#define LOSES(g) false
#else
#define WINS(g) (!fired[g])
#define LOSES(g) fired[g]
#endif

/* The other side of the switch, one for each goroutine. */
proctype commit(byte g)
{
end:	do
	:: parked[g] ->
		atomic { parked[g] = false; saved[g] = true };
		if
		:: g == 0 && noted -> atomic { noted = false; armed = true }
		:: else
		fi;
		assert(alive[g]);
		unlock(0);
		if
		:: g != 2 -> assert(alive[g]); unlock(1)
		:: else
		fi;
#ifdef BROKEN_COMMIT
		assert(alive[g])
#endif
	od
}

inline park(who)
{
	parked[who] = true;
	atomic { ready[who] && saved[who] -> ready[who] = false; saved[who] = false }
}

proctype receiver()             /* 0 */
{
	byte c, peer, rounds = 2;
	bool with_deadline = true;

	do
	:: n_received == 2 -> break
	:: else ->
		lock_both(0);
		peer = 0;
		/* pass 1: any that can proceed */
		if
		:: sends_two -> sends_two = false; peer = 2; c = 0
		:: atomic { sends_one[0] && WINS(1) -> fired[1] = true; sends_one[0] = false }; peer = 1; c = 0
		:: atomic { sends_one[1] && WINS(1) -> fired[1] = true; sends_one[1] = false }; peer = 1; c = 1
		:: else
		fi;
		if
		:: peer > 0 ->
			n_received++;
			woken_by[peer] = c;
			unlock(0);
			unlock(1);
			make_ready(peer)
		:: else ->
			/* pass 2 */
			atomic { fired[0] = false; woken_by[0] = BY_DEADLINE; alive[0] = true; receives[0] = true; receives[1] = true };
			if
			:: with_deadline ->
#ifdef BROKEN_DEADLINE
				armed = true
#else
				noted = true
#endif
			:: else
			fi;
			park(0);
			if
			:: with_deadline ->
				if
				:: atomic { armed -> armed = false }
				:: !armed -> !firing
				fi;
				with_deadline = false
			:: else
			fi;
			/* pass 3 */
			c = woken_by[0];
#ifndef BROKEN_PASS3
			if
			:: c != 0 -> lock(0)
			:: else
			fi;
			if
			:: c != 1 -> lock(1)
			:: else
			fi;
#endif
#ifndef BROKEN_QUEUES
			d_step {
				if
				:: c != 0 -> receives[0] = false
				:: else
				fi;
				if
				:: c != 1 -> receives[1] = false
				:: else
				fi
			};
#endif
#ifndef BROKEN_PASS3
			if
			:: c != 0 -> unlock(0)
			:: else
			fi;
			if
			:: c != 1 -> unlock(1)
			:: else
			fi;
#endif
			alive[0] = false
		fi;
		c = 0;
		peer = 0
	od
}

inline hand_over(on)             /* to the receiver; n_received counts values that arrived */
{
	atomic { fired[0] = true; receives[on] = false; woken_by[0] = on; assert(alive[0]); n_received++ }
}

proctype select_sender()        /* 1 */
{
	byte c;
	bool done;

	lock_both(1);
	if
	:: atomic { receives[0] && WINS(0) -> hand_over(0) }; done = true
	:: atomic { receives[1] && WINS(0) -> hand_over(1) }; done = true
	:: else
	fi;
	if
	:: done -> unlock(0); unlock(1); make_ready(0)
	:: else ->
		atomic { fired[1] = false; woken_by[1] = BY_DEADLINE; alive[1] = true; sends_one[0] = true; sends_one[1] = true };
		park(1);
		c = woken_by[1];
#ifndef BROKEN_PASS3
		lock(1 - c);
#endif
#ifndef BROKEN_QUEUES
		sends_one[1 - c] = false;
#endif
#ifndef BROKEN_PASS3
		unlock(1 - c);
#endif
		alive[1] = false
	fi;
	n_sent++
}

proctype sender()               /* 2 */
{
	lock(0);
	if
	:: atomic { receives[0] && WINS(0) -> hand_over(0) };
		unlock(0);
		make_ready(0)
	:: else ->
		alive[2] = true;
		sends_two = true;
		park(2);
		alive[2] = false
	fi;
	n_sent++
}

proctype deadline()
{
end:	atomic { armed -> armed = false; firing = true };
	if
	:: atomic { WINS(0) -> fired[0] = true };
		firing = false;
		make_ready(0)
	:: LOSES(0) -> firing = false
	fi
}

init
{
	atomic { run commit(0); run commit(1); run commit(2); run deadline(); run receiver(); run select_sender(); run sender() };
	n_sent == 2 && n_received == 2;
	assert(!sends_two && !sends_one[0] && !sends_one[1])
}
