/* A mutex whose holder unlocks by a plain store until somebody marks it, and the taking away of the mark (runtime/os/quick.c, sync/lockword.c). The
 * word is locked, marked and the number of waiters. A quick unlock looks (window 1) and stores (window 2: on its way, seen by nobody else);
 * the barrier of who marks starts over the former and completes the latter. Who unlocks a marked word that nobody waits for may clear the mark.
 * Nobody may wait for ever, nor two hold the lock. BROKEN: the mark is cleared by a look and a store instead of one exchange. */
#define N 3
#define ROUNDS 2
bool locked, marked;
byte waiters, permits, window[N], inside;

inline flush(i) { if :: window[i] == 2 -> locked = false; window[i] = 0 :: else fi }

proctype goroutine(byte me)
{
	byte round = 0;

	do
	:: round < ROUNDS ->
		do
		:: atomic { flush(me); if :: !locked -> locked = true; goto mine :: else fi };
			if
			:: atomic { locked && !marked -> marked = true };
				atomic { flush(0); flush(1); flush(2);
					if :: window[0] == 1 -> window[0] = 0 :: else fi;
					if :: window[1] == 1 -> window[1] = 0 :: else fi;
					if :: window[2] == 1 -> window[2] = 0 :: else fi }
			:: atomic { locked && marked -> waiters++ };
				atomic { permits > 0 -> permits-- }
			:: !locked
			fi
		od;
mine:		inside++;
		assert(inside == 1);
		inside--;
		do
		:: atomic { locked && !marked && waiters == 0 -> window[me] = 1 };
			atomic { if :: window[me] == 1 -> window[me] = 2; break :: else fi }
		:: atomic { waiters > 0 -> locked = false; waiters--; permits++; break }
		:: atomic { marked && waiters == 0 -> locked = false; break }
#ifndef BROKEN
		:: atomic { marked && waiters == 0 -> locked = false; marked = false; break }
#else
		:: marked && waiters == 0 -> atomic { locked = false; marked = false; waiters = 0; break }
#endif
		od;
		round++
	:: else -> break
	od
}

active proctype buffers()
{
end:	do
	:: atomic { window[0] == 2 -> flush(0) }
	:: atomic { window[1] == 2 -> flush(1) }
	:: atomic { window[2] == 2 -> flush(2) }
	od
}

init { atomic { run goroutine(0); run goroutine(1); run goroutine(2) } }
