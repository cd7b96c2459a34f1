/* Ten programs on locks, three that can deadlock and seven that cannot, each in a run that does not: programs NUMBER.
 * With pthreads for the other tools; with -DGOROUTINES on csp.h for ours. The structures are those that users of lock-order checkers
 * have reported for years. In the true ones the second begins when the first is done, by luck: a relaxed flag orders nothing. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef GOROUTINES
#include <csp.h>
#define MUTEX csp_mutex
#define RWLOCK csp_rwmutex
#define LOCK csp_mutex_lock
#define UNLOCK csp_mutex_unlock
#define RDLOCK csp_rwmutex_rlock
#define RDUNLOCK csp_rwmutex_runlock
#define WRLOCK csp_rwmutex_lock
#define WRUNLOCK csp_rwmutex_unlock
#define YIELD csp_yield
static csp_mutex m[3];
static csp_rwmutex rw[2];
static csp_sema handed;
typedef csp_waitgroup *task;
static void body(void (*f)(void), task t) { f(); csp_wg_done(t); }
static task start(void (*f)(void))
{
	task t = calloc(1, sizeof *t);
	csp_wg_add(t, 1);
	csp_go(body, f, t);
	return t;
}
static void join(task t) { csp_wg_wait(t); free(t); }
static void hand(void) { csp_sema_release(&handed); }
static void take(void) { csp_sema_acquire(&handed); }
static void prepare(void) { csp_sema_init(&handed, 0); }
#else
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#define LOCK pthread_mutex_lock
#define UNLOCK pthread_mutex_unlock
#define RDLOCK pthread_rwlock_rdlock
#define WRLOCK pthread_rwlock_wrlock
#define RDUNLOCK pthread_rwlock_unlock
#define WRUNLOCK pthread_rwlock_unlock
#define YIELD sched_yield
static pthread_mutex_t m[3] = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER };
static pthread_rwlock_t rw[2] = { PTHREAD_RWLOCK_INITIALIZER, PTHREAD_RWLOCK_INITIALIZER };
static sem_t handed;
typedef pthread_t task;
static void *body(void *f) { ((void (*)(void))f)(); return NULL; }
static task start(void (*f)(void)) { task t; if (pthread_create(&t, NULL, body, (void *)f) != 0) exit(3); return t; }
static void join(task t) { pthread_join(t, NULL); }
static void hand(void) { sem_post(&handed); }
static void take(void) { sem_wait(&handed); }
static void prepare(void) { sem_init(&handed, 0, 0); }
#endif

static atomic_int turn;
static void mine(int i) { while (atomic_load_explicit(&turn, memory_order_relaxed) != i) YIELD(); }
static void next(int i) { atomic_store_explicit(&turn, i + 1, memory_order_relaxed); }

static void both(int x, int y) { LOCK(&m[x]); LOCK(&m[y]); UNLOCK(&m[y]); UNLOCK(&m[x]); }
static void ab(void) { mine(0); both(0, 1); next(0); }
static void ba(void) { mine(1); both(1, 0); next(1); }
static void together(void (*f)(void), void (*g)(void)) { task a = start(f), b = start(g); join(a); join(b); }

static void opposite_orders(void) { together(ab, ba); }

static void bc(void) { mine(1); both(1, 2); next(1); }
static void ca(void) { mine(2); both(2, 0); next(2); }
static void ring_of_three(void) { task a = start(ab), b = start(bc), c = start(ca); join(a); join(b); join(c); }

static void read_then_lock(void) { mine(0); RDLOCK(&rw[0]); LOCK(&m[0]); UNLOCK(&m[0]); RDUNLOCK(&rw[0]); next(0); }
static void lock_then_write(void) { mine(1); LOCK(&m[0]); WRLOCK(&rw[0]); WRUNLOCK(&rw[0]); UNLOCK(&m[0]); next(1); }
static void reader_against_writer(void) { together(read_then_lock, lock_then_write); }

static void gated_ab(void) { LOCK(&m[2]); both(0, 1); UNLOCK(&m[2]); }
static void gated_ba(void) { LOCK(&m[2]); both(1, 0); UNLOCK(&m[2]); }
static void gate(void) { together(gated_ab, gated_ba); }

static void free_ab(void) { both(0, 1); }
static void free_ba(void) { both(1, 0); }
static void join_between(void) { join(start(free_ab)); join(start(free_ba)); }

static void ab_then_hand(void) { both(0, 1); hand(); }
static void take_then_ba(void) { take(); both(1, 0); }
static void handed_over(void) { prepare(); together(ab_then_hand, take_then_ba); }

static void ab_ba(void) { both(0, 1); both(1, 0); }
static void one_only(void) { join(start(ab_ba)); }

static void read_ab(void) { RDLOCK(&rw[0]); RDLOCK(&rw[1]); RDUNLOCK(&rw[1]); RDUNLOCK(&rw[0]); }
static void read_ba(void) { RDLOCK(&rw[1]); RDLOCK(&rw[0]); RDUNLOCK(&rw[0]); RDUNLOCK(&rw[1]); }
static void readers_only(void) { together(read_ab, read_ba); }

static void parent_ab(void) { LOCK(&m[2]); join(start(free_ab)); UNLOCK(&m[2]); }
static void parent_ba(void) { LOCK(&m[2]); join(start(free_ba)); UNLOCK(&m[2]); }
static void parents_guard(void) { together(parent_ab, parent_ba); }

/* a, b; a given back; then c. And c, then a: no cycle, for a was not held with c. */
static void a_b_release_a_c(void) { LOCK(&m[0]); LOCK(&m[1]); UNLOCK(&m[0]); LOCK(&m[2]); UNLOCK(&m[2]); UNLOCK(&m[1]); }
static void c_then_a(void) { both(2, 0); }
static void released_first(void) { together(a_b_release_a_c, c_then_a); }

static const struct { const char *name; void (*run)(void); } programs[] = {
	{ "opposite orders", opposite_orders }, { "ring of three", ring_of_three }, { "reader against writer", reader_against_writer },
	{ "gate lock", gate }, { "join between", join_between }, { "semaphore hand-over", handed_over }, { "one thread only", one_only },
	{ "readers only", readers_only }, { "parent's guard", parents_guard }, { "a released before c", released_first },
};

int main(int argc, char **argv)
{
	int i = argc > 1 ? atoi(argv[1]) : -1;

	if (i < 0 || i >= (int)(sizeof programs / sizeof programs[0]))
		return 64;
	puts(programs[i].name);
	fflush(stdout);
	programs[i].run();
	return 0;
}
