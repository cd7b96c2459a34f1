/* Stopping the world (runtime/sched/stop.c): a worker that runs user code, an idle one whom it may wake, and a stopper that stops twice in a
 * row. While the world is stopped no user code runs, and the stopper gets every lock of the runtime; afterwards all go on. Lowering
 * `stopped` goes through a store buffer, as on x86.
 *   BROKEN_AGAIN     who was let go does not look at `stop` once more after lowering `stopped`: the next stopper still counts it as resting
 *   BROKEN_ORDER     it does, but without a fence between
 *   BROKEN_CRITICAL  the signal stops a thread in a critical section, with the stopper's lock
 *   BROKEN_IDLE      who gets up does not look at RT_M_STOP
 *   BROKEN_BREATH    the stopper never lets go for a while: a thread stopped by the signal holds a lock of libc that another waits for before
 *                    it can rest */
#define W 0
#define I 1

bool stop, world, sig;
byte generation;
bool flag[2], stopped[2], lowering[2];
bool idle = true;
bool rt_lock_held, critical, libc_lock_held;
bool had_libc_lock;              /* once is enough, and keeps generation below 4 */
bool over;

inline stop_here(me)
{
	do
	::
		seen = generation;
		atomic { !lowering[me]; stopped[me] = true };
		do
		:: !stop -> break
		:: else ->
			if
			:: generation != seen -> break
			:: else -> generation != seen           /* the futex */
			fi
		od;
		seen = 0;
		lowering[me] = true;
#ifndef BROKEN_ORDER
		!lowering[me];
#endif
#ifdef BROKEN_AGAIN
		break
#else
		if
		:: !stop -> break
		:: else
		fi
#endif
	od
}

inline user_code()
{
	assert(!world)
}

active proctype worker()
{
	byte seen;

	do
	:: over -> break
	:: user_code()
	:: atomic { sig -> sig = false };               /* the handler */
#ifndef BROKEN_CRITICAL
		if
		:: critical -> goto handled
		:: else
		fi;
#endif
		if
		:: stop -> stop_here(W)
		:: else
		fi;
handled:	skip
	:: flag[W] && !critical && !libc_lock_held -> stop_here(W)      /* a scheduling point */
	:: atomic { !critical && !rt_lock_held -> critical = true; rt_lock_held = true }
	:: atomic { critical -> rt_lock_held = false; critical = false }
	:: atomic { !libc_lock_held && !critical && !had_libc_lock -> user_code(); libc_lock_held = true; had_libc_lock = true }
	:: atomic { libc_lock_held && !critical -> user_code(); libc_lock_held = false }
	:: atomic { idle && !critical -> user_code(); idle = false }    /* wakes the other */
	od
}

active proctype idler()
{
	byte seen;

	!idle || over;
	do
	:: over -> break
	:: else ->
		/* On the scheduler's stack, a critical section: it allocates. */
		atomic { !libc_lock_held || over };
#ifndef BROKEN_IDLE
		if
		:: flag[I] -> stop_here(I)
		:: else
		fi;
#endif
		if
		:: over -> break
		:: else
		fi;
		user_code()             /* a signal would do what the next round does */
	od
}

active proctype stopper()
{
	byte times = 2;
	bool rests;

	do
	:: times == 0 -> break
	:: else ->
		stop = true;
		do
		::
			flag[W] = true;
			flag[I] = true;
			rests = idle || stopped[I];
			if
			:: rests && stopped[W] -> break
			:: !rests && (idle || stopped[I])               /* look again */
			:: !stopped[W] && !sig -> sig = true            /* again, if it came at a bad time */
#ifndef BROKEN_BREATH
			:: stopped[W] && libc_lock_held ->
				/* The breath, long enough for who was let go to get on. */
				stop = false;
				generation = generation + 1;
				!stopped[W] && !stopped[I] && !libc_lock_held;
				stop = true
#endif
			fi
		od;
		world = true;
		atomic { !rt_lock_held -> rt_lock_held = true };
		rt_lock_held = false;
		world = false;
		flag[W] = false;
		flag[I] = false;
		stop = false;
		generation = generation + 1;
		times--
	od;
	over = true
}

active proctype buffers()
{
end:	do
	:: atomic { lowering[W] -> stopped[W] = false; lowering[W] = false }
	:: atomic { lowering[I] -> stopped[I] = false; lowering[I] = false }
	od
}
