/* csp_rwmutex (runtime/sync/rwmutex.c): two readers and two writers. readers < 0: a writer waits or writes; departing: readers it still waits for.
 * The writers' lock word and the table of waiters are one step here (lockword.pml, semtable.pml). No store buffers: every step of the
 * words is a locked instruction.
 *   BROKEN_DEPARTING  the writer waits for the readers it has counted, not for those of them that are left
 *   BROKEN_RESTORE    the writer lets the next writer in before readers are welcome again
 *   BROKEN_WAKE       it wakes no reader that came meanwhile */
#define MANY 10         /* MAX_READERS */

int readers, departing;
byte reader_permits, writer_permits;
bool writers_locked;
byte reading, writing, n_done;

active [2] proctype reader()
{
	int r;
	byte times = 2;

	do
	:: times > 0 ->
		atomic { readers++; r = readers };
		if
		:: r < 0 -> atomic { reader_permits > 0 -> reader_permits-- }
		:: else
		fi;
		atomic { reading++; assert(writing == 0) };
		reading--;
		atomic { r = readers; readers-- };
		assert(r != 0 && r != -MANY);
		if
		:: r < 0 ->
			atomic { departing--; r = departing };
			if
			:: r == 0 -> writer_permits++
			:: else
			fi
		:: else
		fi;
		r = 0;
		times--
	:: else -> break
	od;
	n_done++
}

active [2] proctype writer()
{
	int r;

	atomic { !writers_locked -> writers_locked = true };
	atomic { r = readers; readers = readers - MANY };
	if
	:: r != 0 ->
#ifndef BROKEN_DEPARTING
		atomic { departing = departing + r; r = departing };
#else
		departing = departing + r;
#endif
		if
		:: r != 0 -> atomic { writer_permits > 0 -> writer_permits-- }
		:: else
		fi
	:: else
	fi;
	atomic { writing++; assert(writing == 1 && reading == 0) };
	writing--;
#ifdef BROKEN_RESTORE
	writers_locked = false;
#endif
	atomic { readers = readers + MANY; r = readers };
	do
	:: r > 0 ->
#ifndef BROKEN_WAKE
		reader_permits++;
#endif
		r--
	:: else -> break
	od;
#ifndef BROKEN_RESTORE
	writers_locked = false;
#endif
	n_done++
}

active proctype monitor()
{
	n_done == 4;
	assert(readers == 0 && departing == 0 && reader_permits == 0 && writer_permits == 0)
}
