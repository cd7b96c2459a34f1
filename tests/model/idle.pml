/* Submit and idle (runtime/sched/worker.c). Stores wait in a buffer, as on x86, until a fence or whenever the processor likes.
 *   submit: push · fence · nobody running and nobody looking? wake one
 *   idle:   leave the running · fence · look at the queue once more, then sleep
 * Nobody may sleep for ever beside a full queue. BROKEN: no fence in submit. */
bool queue, queue_buffered;
bool running = true, leaving_buffered;
bool woken;

active proctype submitter()
{
	queue_buffered = true;
#ifndef BROKEN
	!queue_buffered;
#endif
	if
	:: !running -> woken = true
	:: else
	fi
}

active proctype worker()
{
	leaving_buffered = true;
	!leaving_buffered;
	if
	:: queue -> skip
	:: else -> woken            /* sleep: a dead end is a lost wake-up */
	fi
}

active proctype buffers()
{
end:	do
	:: atomic { queue_buffered -> queue = true; queue_buffered = false }
	:: atomic { leaving_buffered -> running = false; leaving_buffered = false }
	od
}
