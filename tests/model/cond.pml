/* csp_cond (runtime/sync/cond.c): a waiter draws a ticket while it holds the mutex, unlocks, and queues under the bucket's lock unless its ticket has
 * been served; signal serves the next ticket, whether its waiter has queued or not. Two wait for `ready`, two signal after they have set
 * it: both wake.
 *   BROKEN_TICKET  the ticket is drawn after the mutex was released
 *   BROKEN_SERVED  the waiter queues without a look at the tickets served */
bool mutex, bucket;
byte ready, drawn, served;
bool queued[3];                 /* by ticket */

inline lock(l) { atomic { !l -> l = true } }

active [2] proctype waiter()
{
	byte ticket;

	lock(mutex);
	do
	:: ready > 0 -> break
	:: else ->
#ifndef BROKEN_TICKET
		atomic { ticket = drawn; drawn++ };
#endif
		mutex = false;
#ifdef BROKEN_TICKET
		atomic { ticket = drawn; drawn++ };
#endif
		lock(bucket);
		if
#ifndef BROKEN_SERVED
		:: ticket < served -> bucket = false
#endif
		:: else ->
			queued[ticket] = true;
			bucket = false;
			!queued[ticket]
		fi;
		lock(mutex)
	od;
	ready--;
	mutex = false
}

active [2] proctype signaller()
{
	byte ticket;

	lock(mutex);
	ready++;
	mutex = false;
	if
	:: drawn == served -> skip              /* nobody waits */
	:: else ->
		lock(bucket);
		ticket = served;
		if
		:: ticket != drawn -> served = ticket + 1; queued[ticket] = false
		:: else
		fi;
		bucket = false
	fi
}
