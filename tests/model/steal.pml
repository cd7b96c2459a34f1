/* The ring of runnable goroutines (runtime/sched/runq.c) and its overflow (park.c): the owner pushes at the tail, everybody takes from the head
 * by compare-and-swap, a thief moves half of it into its own ring, and of a full ring half goes to the global queue. Each goroutine is
 * run once, none is lost, and nobody steals what is not there.
 * No store buffers: nobody stores and then looks at another's word without a locked instruction in between. What aarch64 might do with
 * weaker orders is among the twins.
 *   BROKEN_CLAIM    the slot is read after the head was claimed: the owner may have used it again
 *   BROKEN_POP      the owner takes without compare-and-swap
 *   BROKEN_RELEASE  the tail is visible before the slot (a relaxed store of it, on aarch64)
 *   BROKEN_ACQUIRE  the slot is read before the tail (a relaxed load of it, on aarch64)
 *   BROKEN_FULL     the owner pushes without a look at the head */
#define SIZE  3
#define HALF  2         /* what a thief may move at most; what overflows */
#define ITEMS 4

typedef queue { byte head, tail; byte ring[SIZE] }
queue q[3];
bool seen[ITEMS + 1];
byte n_seen, n_done;

/* Each step that touches a shared word once is one atomic step; locals that are dead are cleared, for fewer states. */
inline run_it(g)
{
	d_step { assert(g != 0 && !seen[g]); seen[g] = true; n_seen++; g = 0; h = 0; t = 0; item = 0 }
}

/* One goroutine from the head of q[from] into got, or 0. */
inline pop(from)
{
	h = q[from].head;
	do
	::
#ifdef BROKEN_ACQUIRE
		item = q[from].ring[h % SIZE];
#endif
		atomic {
			t = q[from].tail;
			if
			:: t <= h -> got = 0; h = 0; t = 0; item = 0; break
			:: else -> t = 0
			fi
		};
#if !defined(BROKEN_CLAIM) && !defined(BROKEN_ACQUIRE)
		item = q[from].ring[h % SIZE];
#endif
#ifdef BROKEN_POP
		if
		:: atomic { from == _pid -> q[from].head = h + 1; got = item; break }
		:: else
		fi;
#endif
		atomic {
			if
			:: q[from].head == h -> q[from].head = h + 1
			:: else -> h = q[from].head; goto again
			fi
		};
#ifdef BROKEN_CLAIM
		item = q[from].ring[h % SIZE];
#endif
		got = item;
		break;
again:
	od
}

inline steal(into, from)
{
	h = q[from].head;
	t = q[into].tail;
	do
	::
		atomic {
			n = q[from].tail - h;
			n = n - n / 2;
			if
			:: n == 0 -> got = 0; h = 0; t = 0; break
			:: n > HALF -> h = q[from].head; goto again
			:: else -> i = 0
			fi
		};
		do
		:: i < n -> atomic { item = q[from].ring[(h + i) % SIZE]; q[into].ring[(t + i) % SIZE] = item; item = 0; i++ }
		:: atomic { else -> i = 0; break }
		od;
		atomic {
			if
			:: q[from].head == h -> q[from].head = h + n; h = 0
			:: else -> h = q[from].head; goto again
			fi
		};
		atomic {
			got = q[into].ring[(t + n - 1) % SIZE];
			if
			:: n > 1 -> q[into].tail = t + n - 1
			:: else
			fi;
			n = 0;
			break
		};
again:
	od
}

active proctype owner()         /* _pid 0, ring 0 */
{
	byte k = 1, h, t, n, item, got;

	do
	:: k <= ITEMS ->
#ifndef BROKEN_FULL
		h = q[0].head;          /* may be old: then the ring only seems to be full */
#else
		h = q[0].tail;
#endif
		t = q[0].tail;
		if
		:: t - h < SIZE ->
#ifdef BROKEN_RELEASE
			q[0].tail = t + 1;
			q[0].ring[t % SIZE] = k;
#else
			q[0].ring[t % SIZE] = k;
			q[0].tail = t + 1;
#endif
			d_step { h = 0; t = 0 }
		:: else ->              /* half of it and the new one to the global queue */
			do
			:: n < HALF ->
				pop(0);
				if
				:: got == 0 -> break
				:: else -> run_it(got); n++
				fi
			:: else -> break
			od;
			n = 0;
			got = k;
			run_it(got)
		fi;
		k++
	:: k > 1 -> pop(0);
		if
		:: got != 0 -> run_it(got)
		:: got == 0 && k > ITEMS -> break
		:: else
		fi
	od;
	n_done++
}

active [2] proctype thief()     /* _pid 1 and 2, the rings of that number; the second may rob the first, or take a single one, as sysmon does */
{
	byte h, t, n, i, item, got;

	if
	:: steal(_pid, 0)
	:: _pid == 2 -> steal(_pid, 1)
	:: _pid == 2 -> pop(0)
	fi;
	do
	:: got != 0 -> run_it(got); pop(_pid)
	:: else -> break
	od;
	n_done++
}

active proctype monitor()
{
	n_done == 3;
	assert(n_seen == ITEMS && q[0].head == q[0].tail && q[1].head == q[1].tail)
}
