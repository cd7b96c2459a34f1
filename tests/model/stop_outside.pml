/* Stopping the world, continued: who turns timers and events into ready goroutines is no running worker (the owner of the poller counts as idle,
 * sysmon is none), and a worker may start a thread while the stopper looks (runtime/sched/stop.c, worker.c, sysmon.c, m.c).
 *   outside: busy++ · stop? then busy-- and rest · work · busy--
 *   starter: n_starting++ · a new worker in the table, by a plain store · a stop? RT_M_STOP for it .. the thread counts: n_starting--
 *   stopper: stop = 1 · mark and look at every worker of the table · n_starting, busy and the size of the table once more
 * While the world is stopped nothing is worked at outside, and no new worker runs a goroutine.
 *   BROKEN_BUSY     outside looks at stop before it counts as busy
 *   BROKEN_FENCE    it counts by a plain store
 *   BROKEN_EARLY    the stopper looks at n_starting and the size of the table before it looks at the workers */
bool stop, world, over;
bool busy, busy_buffered;
bool starting, in_table, in_table_buffered, flag_new, new_stopped, created;
bool flag_old, old_stopped;

active proctype outside()
{
	byte rounds = 2;

	do
	:: rounds == 0 -> break
	:: else ->
#ifdef BROKEN_BUSY
		!stop;
		busy = true;
#else
		do
		::
			busy_buffered = true;
#ifndef BROKEN_FENCE
			!busy_buffered;
#endif
			if
			:: !stop -> break
			:: else -> atomic { !busy_buffered; busy = false }; !stop
			fi
		od;
#endif
		assert(!world);
		atomic { !busy_buffered; busy = false };
		rounds--
	od
}

active proctype starter()       /* a running worker, in the table already */
{
	starting = true;
	in_table_buffered = true;
	if
	:: stop -> flag_new = true
	:: else
	fi;
	!in_table_buffered;             /* the system call drains the buffer */
	created = true;
	/* its next scheduling point */
	if
	:: flag_old -> old_stopped = true; !stop; old_stopped = false
	:: !flag_old -> skip
	fi;
	do
	:: over -> break
	:: flag_old && !old_stopped -> old_stopped = true; !stop; old_stopped = false
	:: assert(!world || old_stopped)
	od
}

active proctype new_worker()
{
	created;
	starting = false;
	if
	:: flag_new -> new_stopped = true; !stop; new_stopped = false
	:: else
	fi;
	do
	:: over -> break
	:: flag_new -> new_stopped = true; !stop; new_stopped = false
	:: assert(!world)
	od
}

active proctype stopper()
{
	bool n, again;

	stop = true;
	do
	::
		n = in_table;
#ifdef BROKEN_EARLY
		again = starting;
#endif
		flag_old = true;
		again = again || !old_stopped;
		if
		:: n -> flag_new = true; again = again || !new_stopped
		:: else
		fi;
#ifndef BROKEN_EARLY
		again = again || starting;
#endif
		again = again || busy;
#ifndef BROKEN_EARLY
		again = again || n != in_table;
#endif
		if
		:: !again -> break
		:: else -> again = false; n = false
		fi
	od;
	world = true;
	skip;
	world = false;
	flag_old = false;
	flag_new = false;
	stop = false;
	over = true
}

active proctype buffers()
{
end:	do
	:: atomic { busy_buffered -> busy = true; busy_buffered = false }
	:: atomic { in_table_buffered -> in_table = true; in_table_buffered = false }
	od
}
