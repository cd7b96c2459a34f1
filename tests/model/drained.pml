/* Reads that do not try (runtime/net/poll.c, fd.c). A reader notes the number of edges fetched, reads, and if nothing was left remembers that number;
 * while it is still the number, his next read waits without trying. The kernel brings MESSAGES, each with an edge (several may become one); the
 * poller fetches the edge, counts it and wakes who is queued, under the descriptor's lock. Every message is read: no dead end.
 * BROKEN: the number is noted after the read instead of before. */
#define MESSAGES 3
byte data, edges, got;
bool edge, queued;

active proctype peer()
{
	byte sent = 0;

	do
	:: sent < MESSAGES -> atomic { data++; edge = true; sent++ }
	:: else -> break
	od
}

active proctype poller()
{
end:	do
	:: atomic { edge -> edge = false; edges++; queued = false }
	od
}

active proctype reader()
{
	byte seen, drained = 255;
	bool emptied;

	do
	:: got < MESSAGES ->
		seen = edges;
		if
		:: drained == seen -> skip                      /* as if the call had said "not ready" */
		:: drained != seen ->
			if
			:: atomic { data > 0 -> data--; got++; emptied = (data == 0) };
#ifdef BROKEN
				seen = edges;
#endif
				if :: emptied -> drained = seen :: else fi;
				goto next
			:: atomic { data == 0 -> skip }
			fi
		fi;
		/* rt_fd_wait: under the lock, another number than was seen, or queued and parked */
		atomic { if :: edges != seen -> goto next :: else -> queued = true fi };
		!queued;
next:		skip
	:: else -> break
	od
}
