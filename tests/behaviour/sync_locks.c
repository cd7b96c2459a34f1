/* Mutex, RW mutex, semaphore: exclusion, fairness, preference. Run with CSPMAXPROCS 1, 2, 4. */
#include <csp.h>

#include "../lib/expect.h"

static csp_mutex m;
static long counter;

static void count_under_mutex(int n, csp_waitgroup *wg)
{
	for (int i = 0; i < n; i++) {
		csp_mutex_lock(&m);
		counter++;
		if (i % 64 == 0)
			csp_yield();
		csp_mutex_unlock(&m);
	}
	csp_wg_done(wg);
}

static void mutex_excludes(void)
{
	csp_waitgroup wg = { 0 };

	counter = 0;
	csp_wg_add(&wg, 20);
	for (int i = 0; i < 20; i++)
		csp_go(count_under_mutex, 2000, &wg);
	csp_wg_wait(&wg);
	EXPECT_EQ(counter, 20 * 2000);
	EXPECT_EQ(m.state_ & ~0x400u, 0);       /* a lock once contended for stays marked */
	EXPECT_EQ(m.sema_, 0);
	EXPECT_EQ(m.owner_, 0);
}

static void try_lock_never_waits(void)
{
	csp_mutex t = { 0 };

	EXPECT(csp_mutex_try_lock(&t));
	EXPECT(!csp_mutex_try_lock(&t));
	csp_mutex_unlock(&t);
	EXPECT(csp_mutex_try_lock(&t));
	csp_mutex_unlock(&t);
}

static void unlock_it(csp_mutex *h, csp_chan(int) done)
{
	csp_mutex_unlock(h);
	csp_chan_send(done, 1);
}

static void handover_lets_another_unlock(void)
{
	csp_mutex h = CSP_MUTEX_HANDOVER_INIT;
	csp_chan(int) done = csp_make_chan(int);

	csp_mutex_lock(&h);
	csp_go(unlock_it, &h, done);
	csp_mutex_lock(&h);
	csp_chan_recv(done);
	csp_mutex_unlock(&h);
	csp_mutex_init(&h, CSP_MUTEX_HANDOVER);
	EXPECT(csp_mutex_try_lock(&h));
	csp_mutex_unlock(&h);
	csp_chan_free(done);
}

/* A goroutine that unlocks and locks again at once would win every time if waiters were not handed the lock after 1 ms. */
static csp_mutex greedy_lock;
static bool stop_greedy;

static void greedy(csp_chan(int) done)
{
	for (;;) {
		int64_t until;

		csp_mutex_lock(&greedy_lock);
		if (stop_greedy) {
			csp_mutex_unlock(&greedy_lock);
			break;
		}
		for (until = csp_now_ns() + 100 * CSP_MICROSECOND; csp_now_ns() < until;)
			;
		csp_mutex_unlock(&greedy_lock);
	}
	csp_chan_send(done, 1);
}

static void starving_waiter_gets_the_lock(void)
{
	csp_chan(int) done = csp_make_chan(int);

	stop_greedy = false;
	for (int i = 0; i < 2; i++)
		csp_go(greedy, done);
	for (int i = 0; i < 20; i++) {
		csp_sleep(100 * CSP_MICROSECOND);
		csp_mutex_lock(&greedy_lock);
		if (i == 19)
			stop_greedy = true;
		csp_mutex_unlock(&greedy_lock);
	}
	csp_chan_recv(done);
	csp_chan_recv(done);
	csp_chan_free(done);
}

static csp_rwmutex rw;
static int readers_inside, writers_inside;

static void reader(int n, csp_waitgroup *wg)
{
	for (int i = 0; i < n; i++) {
		csp_rwmutex_rlock(&rw);
		__atomic_add_fetch(&readers_inside, 1, __ATOMIC_SEQ_CST);
		EXPECT_EQ(__atomic_load_n(&writers_inside, __ATOMIC_SEQ_CST), 0);
		if (i % 8 == 0)
			csp_yield();
		__atomic_sub_fetch(&readers_inside, 1, __ATOMIC_SEQ_CST);
		csp_rwmutex_runlock(&rw);
	}
	csp_wg_done(wg);
}

static void writer(int n, csp_waitgroup *wg)
{
	for (int i = 0; i < n; i++) {
		csp_rwmutex_lock(&rw);
		EXPECT_EQ(__atomic_add_fetch(&writers_inside, 1, __ATOMIC_SEQ_CST), 1);
		EXPECT_EQ(__atomic_load_n(&readers_inside, __ATOMIC_SEQ_CST), 0);
		counter++;
		if (i % 8 == 0)
			csp_yield();
		__atomic_sub_fetch(&writers_inside, 1, __ATOMIC_SEQ_CST);
		csp_rwmutex_unlock(&rw);
	}
	csp_wg_done(wg);
}

static void rwmutex_excludes(void)
{
	csp_waitgroup wg = { 0 };

	counter = 0;
	csp_wg_add(&wg, 12);
	for (int i = 0; i < 8; i++)
		csp_go(reader, 500, &wg);
	for (int i = 0; i < 4; i++)
		csp_go(writer, 500, &wg);
	csp_wg_wait(&wg);
	EXPECT_EQ(counter, 4 * 500);
	EXPECT_EQ(rw.readers_, 0);
	EXPECT_EQ(rw.departing_, 0);
	EXPECT_EQ(rw.writers_, 0);
}

static void write_once(csp_rwmutex *l, int *order, int *next, csp_chan(int) done)
{
	csp_rwmutex_lock(l);
	order[(*next)++] = 'w';
	csp_rwmutex_unlock(l);
	csp_chan_send(done, 1);
}

static void read_once(csp_rwmutex *l, int *order, int *next, csp_chan(int) done)
{
	csp_rwmutex_rlock(l);
	order[__atomic_fetch_add(next, 1, __ATOMIC_SEQ_CST)] = 'r';
	csp_rwmutex_runlock(l);
	csp_chan_send(done, 1);
}

static void waiting_writer_goes_before_new_readers(void)
{
	csp_rwmutex l = { 0 };
	csp_chan(int) done = csp_make_chan(int);
	int order[2] = { 0 }, next = 0;

	csp_rwmutex_rlock(&l);
	EXPECT(csp_rwmutex_try_rlock(&l));
	csp_rwmutex_runlock(&l);
	EXPECT(!csp_rwmutex_try_lock(&l));
	csp_go(write_once, &l, order, &next, done);
	while (csp_rwmutex_try_rlock(&l)) {             /* until the writer has announced itself */
		csp_rwmutex_runlock(&l);
		csp_yield();
	}
	csp_go(read_once, &l, order, &next, done);
	for (int i = 0; i < 10; i++)
		csp_yield();
	EXPECT_EQ(next, 0);
	csp_rwmutex_runlock(&l);
	csp_chan_recv(done);
	csp_chan_recv(done);
	EXPECT_EQ(order[0], 'w');
	EXPECT_EQ(order[1], 'r');
	EXPECT(csp_rwmutex_try_lock(&l));
	EXPECT(!csp_rwmutex_try_rlock(&l));
	csp_rwmutex_unlock(&l);
	csp_chan_free(done);
}

static csp_sema places;
static int inside_now;

static void visit(csp_waitgroup *wg)
{
	csp_sema_acquire(&places);
	EXPECT(__atomic_add_fetch(&inside_now, 1, __ATOMIC_SEQ_CST) <= 3);
	for (int i = 0; i < 5; i++)
		csp_yield();
	__atomic_sub_fetch(&inside_now, 1, __ATOMIC_SEQ_CST);
	csp_sema_release(&places);
	csp_wg_done(wg);
}

static void semaphore_limits(void)
{
	csp_waitgroup wg = { 0 };

	csp_sema_init(&places, 3);
	csp_wg_add(&wg, 200);
	for (int i = 0; i < 200; i++)
		csp_go(visit, &wg);
	csp_wg_wait(&wg);
	for (int i = 0; i < 3; i++)
		EXPECT(csp_sema_try_acquire(&places));
	EXPECT(!csp_sema_try_acquire(&places));
}

static void unlock_unlocked(void)
{
	csp_mutex_unlock(&m);
}

static void lock_and_tell(csp_chan(int) done)
{
	csp_mutex_lock(&m);
	csp_chan_send(done, 1);
	csp_sleep(CSP_MINUTE);
}

static void unlock_foreign(void)
{
	csp_chan(int) done = csp_make_chan(int);

	csp_go(lock_and_tell, done);
	csp_chan_recv(done);
	csp_mutex_unlock(&m);
}

static void rw_unlock_unlocked(void)
{
	csp_rwmutex_unlock(&rw);
}

static void rw_runlock_unlocked(void)
{
	csp_rwmutex_runlock(&rw);
}

static void rw_runlock_under_writer(void)
{
	csp_rwmutex_lock(&rw);
	csp_rwmutex_runlock(&rw);
}

static void self_lock(void)
{
	csp_mutex_lock(&m);
	csp_mutex_lock(&m);
}

static const struct expect_case deaths[] = {
	{ "unlock_unlocked", unlock_unlocked, 2, "fatal error: sync: unlock of unlocked mutex" },
	{ "unlock_foreign", unlock_foreign, 2, "fatal error: sync: unlock of mutex locked by another goroutine" },
	{ "rw_unlock_unlocked", rw_unlock_unlocked, 2, "fatal error: sync: Unlock of unlocked RWMutex" },
	{ "rw_runlock_unlocked", rw_runlock_unlocked, 2, "fatal error: sync: RUnlock of unlocked RWMutex" },
	{ "rw_runlock_under_writer", rw_runlock_under_writer, 2, "fatal error: sync: RUnlock of unlocked RWMutex" },
	{ "self_lock", self_lock, 2, "fatal error: all goroutines are asleep - deadlock!" },
};

int main(int argc, char **argv)
{
	expect_child_cases(argc, argv, deaths, sizeof deaths / sizeof deaths[0]);
	mutex_excludes();
	try_lock_never_waits();
	handover_lets_another_unlock();
	starving_waiter_gets_the_lock();
	rwmutex_excludes();
	waiting_writer_goes_before_new_readers();
	semaphore_limits();
	return 0;
}
