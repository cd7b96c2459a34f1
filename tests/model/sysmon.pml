/* What lies in a runnext, and the watcher's pause (runtime/sched/park.c, rt_enqueue; sysmon.c). The starter stores runnext and looks at
 * `slow` without a fence; the watcher sets `slow`, with one, and looks at runnext. Both may miss the other, and the next look, after one
 * pause, finds it: a store is visible by then. BROKEN: as if the first look always found it. */
bool runnext, runnext_buffered, slow, hurry;
bool found, done;

active proctype starter()
{
	runnext_buffered = true;
	if
	:: slow -> slow = false; hurry = true
	:: else
	fi;
	done = true
}

active proctype watcher()
{
	slow = true;
	found = runnext;
	/* The pause: ended by hurry, or by time, which is far longer than a store takes. */
#ifndef BROKEN
	hurry || (done && !runnext_buffered);
	found = runnext;
#else
	hurry || done;
#endif
	assert(found || hurry)
}

active proctype buffers()
{
end:	do
	:: atomic { runnext_buffered -> runnext = true; runnext_buffered = false }
	od
}
