/* Stop and reset (runtime/time/timer.c over heap.c): two goroutines set a timer again, whoever comes first, while it fires; then one stops and frees
 * it. It is never in the heap twice; when stop or reset has taken it out no value of the earlier setting is in the channel or comes later;
 * every arming either fires or was stopped, and who stopped it was told so; firing does not touch a freed timer. The heap's lock and
 * the channel's are one step here; `setting` is the record's, firing does not take it.
 *   BROKEN_SETTING  without the lock `setting`
 *   BROKEN_SYNC     stop does not wait for a firing under way
 *   BROKEN_PERIOD   stop waits only if the timer was not armed, which a ticker is while it fires
 *   BROKEN_DRAIN    the channel is emptied before the firing has ended */
bool armed, firing, setting, freed;
bool periodic, with_chan, chosen;
byte value;                     /* in the channel */
byte n_armed, n_fired, n_stopped, n_done;

inline start()
{
	atomic { assert(!armed && !freed); armed = true; n_armed++ }
}

inline disarm()                 /* was: it did not fire, as the caller is told */
{
	atomic { assert(!freed); was = armed; armed = false };
#ifdef BROKEN_DRAIN
	atomic {
		if
		:: value > 0 -> value = 0; was = true
		:: else
		fi
	};
#endif
#ifndef BROKEN_SYNC
	if
#ifdef BROKEN_PERIOD
	:: !was -> !firing
#else
	:: !was || periodic -> !firing
#endif
	:: else
	fi;
#endif
#ifndef BROKEN_DRAIN
	atomic {
		if
		:: value > 0 -> value = 0; was = true
		:: else
		fi
	};
#endif
	assert(value == 0 && !armed && !firing);
	if
	:: was && !periodic -> n_stopped++
	:: else
	fi;
	was = false
}

active proctype firer()
{
	do
	:: n_done == 2 && !armed -> break
	:: atomic { armed -> firing = true;
			if
			:: !periodic -> armed = false
			:: else
			fi
		};
		assert(!freed);
		if
		:: with_chan -> atomic { value = 1 }
		:: else
		fi;
		if
		:: !periodic && !with_chan -> n_fired++
		:: else
		fi;
		firing = false
	od
}

active [2] proctype user()
{
	bool was;

	chosen;
	if
	:: _pid == 1 -> d_step { armed = true; n_armed = 1 }
	:: else -> n_armed > 0
	fi;
#ifndef BROKEN_SETTING
	atomic { !setting -> setting = true };
#endif
	disarm();
	start();
#ifndef BROKEN_SETTING
	setting = false;
#endif
	n_done++;
	if
	:: _pid == 1 -> n_done == 2;
		atomic { !setting -> setting = true };
		disarm();
		setting = false;
		freed = true;
		assert(periodic || with_chan || n_fired + n_stopped == n_armed)
	:: else
	fi
}

init
{
	if
	:: periodic = true; with_chan = true
	:: with_chan = true
	:: skip
	fi;
	chosen = true
}
