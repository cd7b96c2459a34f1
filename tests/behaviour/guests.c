/* Threads that are no workers, goroutines that stay on their thread, and processes that fork. Run with CSPMAXPROCS 1, 2, 4. */
#include <csp.h>

#include "../lib/expect.h"

#include <pthread.h>
#include <signal.h>

/* --- foreign threads --- */

enum { THREADS = 8, MESSAGES = 500 };

static csp_chan(int) to_threads, from_threads;
static csp_mutex shared_lock;
static int under_lock;

static void add_one(int *n, csp_waitgroup *wg)
{
	csp_mutex_lock(&shared_lock);
	++*n;
	csp_mutex_unlock(&shared_lock);
	csp_wg_done(wg);
}

static void *guest(void *arg)
{
	csp_waitgroup wg = { 0 };
	int v = 0;

	(void)arg;
	EXPECT(csp_id() > 1);
	for (int i = 0; i < MESSAGES; i++) {
		EXPECT(csp_chan_recv_ok(to_threads, &v));
		csp_chan_send(from_threads, v);
	}
	csp_wg_add(&wg, 20);
	for (int i = 0; i < 20; i++)
		csp_go(add_one, &under_lock, &wg);
	csp_wg_wait(&wg);
	EXPECT_EQ(csp_select(CSP_ON_RECV((csp_chan(int))NULL), CSP_ON_AFTER(CSP_MILLISECOND)), 1);
	csp_sleep(CSP_MILLISECOND);
	return NULL;
}

static void feed(void)
{
	for (int i = 0; i < THREADS * MESSAGES; i++)
		csp_chan_send(to_threads, i);
}

static void join(void *thread)
{
	EXPECT(pthread_join(*(pthread_t *)thread, NULL) == 0);
}

static void threads_are_goroutines_too(void)
{
	pthread_t threads[THREADS];
	long sum = 0;

	to_threads = csp_make_chan(int);
	from_threads = csp_make_chan(int, 3);
	under_lock = 0;
	for (int i = 0; i < THREADS; i++)
		EXPECT(pthread_create(&threads[i], NULL, guest, NULL) == 0);
	csp_go(feed);
	for (int i = 0; i < THREADS * MESSAGES; i++)
		sum += csp_chan_recv(from_threads);
	EXPECT_EQ(sum, (long)THREADS * MESSAGES * (THREADS * MESSAGES - 1) / 2);
	for (int i = 0; i < THREADS; i++)
		csp_block(join, &threads[i]);
	EXPECT_EQ(under_lock, THREADS * 20);
	csp_chan_free(to_threads);
	csp_chan_free(from_threads);
}

/* --- locked to a thread --- */

static __thread int of_thread;

static void stay(int id, csp_chan(int) c, csp_waitgroup *wg)
{
	pthread_t self = pthread_self();

	csp_lock_thread();
	self = pthread_self();
	of_thread = id;
	csp_lock_thread();
	for (int i = 0; i < 200; i++) {
		if (i % 3 == 0)
			csp_yield();
		else if (id & 1)
			csp_chan_send(c, i);
		else
			csp_chan_recv(c);
		if (i == 100)
			csp_unlock_thread();            /* of two; still locked */
		EXPECT(pthread_equal(self, pthread_self()) && of_thread == id);
	}
	csp_unlock_thread();
	csp_wg_done(wg);
}

static void born_locked(int id, csp_waitgroup *wg)
{
	pthread_t self = pthread_self();

	of_thread = id;
	for (int i = 0; i < 50; i++) {
		csp_yield();
		EXPECT(pthread_equal(self, pthread_self()) && of_thread == id);
	}
	csp_wg_done(wg);
}

static void locked_goroutines_keep_their_thread_alone(void)
{
	csp_chan(int) c = csp_make_chan(int);
	csp_go_options locked = { .locked = true, .name = "locked" };
	csp_waitgroup wg = { 0 };

	csp_wg_add(&wg, 12);
	for (int i = 0; i < 8; i++)
		csp_go(stay, i + 1, c, &wg);
	for (int i = 0; i < 4; i++)
		csp_go_opt(&locked, born_locked, 100 + i, &wg);
	csp_wg_wait(&wg);
	csp_chan_free(c);
}

/* --- stack sizes --- */

static void use_stack(size_t bytes, csp_chan(int) done)
{
	volatile char *room = __builtin_alloca(bytes);

	for (size_t i = 0; i < bytes; i += 1024)
		room[i] = 1;
	csp_chan_send(done, room[0]);
}

static void stacks_are_as_large_as_asked(void)
{
	csp_chan(int) done = csp_make_chan(int);

	for (size_t kib = 1; kib <= 16 << 10; kib *= 4) {
		csp_go_options options = { .stack_bytes = (kib + 16) << 10 };
		csp_go_opt(&options, use_stack, kib << 10, done);
		EXPECT_EQ(csp_chan_recv(done), 1);
	}
	csp_chan_free(done);
}

/* --- fork --- */

static bool stop_traffic;

/* Keeps the locks of the scheduler, of channels, timers and waiting lists busy while others fork. */
static void traffic(csp_chan(int) c, csp_waitgroup *wg)
{
	while (!__atomic_load_n(&stop_traffic, __ATOMIC_RELAXED)) {
		csp_select(CSP_ON_SEND(c, 1), CSP_ON_RECV(c), CSP_ON_AFTER(20 * CSP_MICROSECOND));
		csp_mutex_lock(&shared_lock);
		csp_yield();
		csp_mutex_unlock(&shared_lock);
	}
	csp_wg_done(wg);
}

static void answer(csp_chan(int) c, csp_mutex *m, int v)
{
	csp_sleep(100 * CSP_MICROSECOND);
	csp_mutex_lock(m);
	csp_mutex_unlock(m);
	csp_chan_send(c, v + 1);
}

/* In the child: everything, with objects of its own. */
static void live_on(void)
{
	csp_chan(int) c = csp_make_chan(int);
	csp_mutex m = { 0 };
	int fds[2], v = 0;
	char byte = 0;

	alarm(20);                              /* a child that hangs dies of it */
	for (int i = 0; i < 10; i++)
		csp_go(answer, c, &m, i);
	for (int i = 0; i < 10; i++)
		v += csp_chan_recv(c);
	EXPECT_EQ(v, 55);
	EXPECT_EQ(csp_select(CSP_ON_RECV(c), CSP_ON_AFTER(CSP_MILLISECOND)), 1);
	EXPECT(pipe(fds) == 0);
	EXPECT_EQ(csp_set_deadline(fds[0], csp_now_ns() + CSP_MILLISECOND, 0), 0);
	EXPECT_EQ(csp_read(fds[0], &byte, 1), -ETIMEDOUT);
	_exit(7);
}

static int child_status(pid_t child)
{
	int status;

	EXPECT(child > 0 && waitpid(child, &status, 0) == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void children_live(void)
{
	csp_chan(int) c = csp_make_chan(int, 1);
	csp_waitgroup wg = { 0 };

	stop_traffic = false;
	csp_wg_add(&wg, 4);
	for (int i = 0; i < 4; i++)
		csp_go(traffic, c, &wg);
	for (int i = 0; i < 40; i++) {
		csp_yield();
		pid_t child = fork();
		if (child == 0) {
			execl("/bin/sh", "sh", "-c", "exit 7", (char *)NULL);
			_exit(1);
		}
		EXPECT_EQ(child_status(child), 7);
	}
	__atomic_store_n(&stop_traffic, true, __ATOMIC_RELAXED);
	csp_wg_wait(&wg);
	csp_chan_free(c);
	/* Nobody else is at work: the child goes on using the runtime. */
	pid_t child = fork();
	if (child == 0)
		live_on();
	EXPECT_EQ(child_status(child), 7);
}

int main(void)
{
	threads_are_goroutines_too();
	locked_goroutines_keep_their_thread_alone();
	stacks_are_as_large_as_asked();
	children_live();
	return 0;
}
