/* A worker's runnext exchanged by plain instructions (runtime/os/quick.h, rt_quick_exchange; sched/runq.c, rt_runq_take). The owner looks at `shut`
 * and the slot and then stores, without a fence; two thieves shut the slot, and let the kernel's barrier pass before they exchange it. The
 * barrier restarts an owner that is between the look and the store, and makes visible what it has stored. The owner puts goroutine 1, takes, puts
 * 2, takes: each must be taken by exactly one. BROKEN: without the barrier. */
byte slot, shut;
bool buffered;                  /* the owner's store is still on its way (memory keeps the old value); one at a time is enough */
byte buffered_value;
bool window, restart;           /* the owner is between look and store; it has been told to look again */
byte taken[3];

inline flush() { atomic { if :: buffered -> slot = buffered_value; buffered = false :: else fi } }

/* what = slot as the owner sees it; slot = put */
inline exchange(put, what) {
	do
	:: atomic { window = true; restart = false; seen_shut = shut };
		if
		:: seen_shut > 0 ->
			window = false;
			/* locked: drains the store buffer first */
			atomic { flush(); what = slot; slot = put };
			break
		:: else ->
			atomic { what = (buffered -> buffered_value : slot) };
			atomic {
				if
				:: restart -> skip
				:: else -> flush(); buffered = true; buffered_value = put; window = false; done_one = true
				fi
			};
			if
			:: done_one -> done_one = false; break
			:: else
			fi
		fi
	od
}

active proctype owner()
{
	byte seen_shut, was, i = 1;
	bool done_one = false;

	do
	:: i <= 2 ->
		exchange(i, was);
		if :: was > 0 -> taken[was]++ :: else fi;
		exchange(0, was);
		if :: was > 0 -> taken[was]++ :: else fi;
		i++
	:: else -> break
	od
}

active [2] proctype thief()
{
	byte was;

	atomic { shut++ };
#ifndef BROKEN
	/* membarrier: an owner in the window starts over, one past it has stored for all to see */
	atomic { if :: window -> restart = true :: else fi; flush() };
#endif
	atomic { was = slot; slot = 0 };
	if :: was > 0 -> taken[was]++ :: else fi;
	atomic { shut-- }
}

active proctype buffers()
{
end:	do
	:: atomic { buffered -> slot = buffered_value; buffered = false }
	od
}

active proctype verdict()
{
	timeout;
	assert(taken[1] == 1 && taken[2] == 1)
}
