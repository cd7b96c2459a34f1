/* A select that waits for two channels and a deadline: three wakers, of whom rt_fire lets one win (runtime/g.h). BROKEN: looked at and set in
 * two steps. */
byte fired, readied;

proctype waker()
{
#ifdef BROKEN
	if
	:: fired == 0 -> fired = 1; readied++
	:: else
	fi;
#else
	if
	:: atomic { fired == 0 -> fired = 1 }; readied++
	:: fired != 0
	fi;
#endif
	assert(readied <= 1)
}

init { atomic { run waker(); run waker(); run waker() } }
