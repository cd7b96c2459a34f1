/* Park, ready, yield, budget of runnext, ends of goroutines, csp_block, pinned threads. */
#include "run.h"

#include <csp.h>
#include <stdatomic.h>
#include <unistd.h>

#include "g.h"
#include "sched/spawn.h"

static csp_waitgroup wg;
static _Atomic int counter;

static void add_one(void)
{
	counter++;
	csp_wg_done(&wg);
}

START_TEST(every_goroutine_runs_once)
{
	enum { N = 20000 };

	csp_wg_add(&wg, N);
	for (int i = 0; i < N; i++)
		csp_go(add_one);
	csp_wg_wait(&wg);
	ck_assert_int_eq(counter, N);
}
END_TEST

static struct rt_lock parked_lock;
static struct rt_g *parked;
static bool undo(struct rt_g *g, void *arg)
{
	return false;
}

START_TEST(a_commit_that_refuses_undoes_the_park)
{
	rt_wait_begin(rt_self(), RT_WAIT_SEMA, NULL);
	rt_park(undo, NULL);
	ck_assert_uint_eq(rt_self()->view.id, 1);
}
END_TEST

static void park_under_lock(void)
{
	for (int i = 0; i < 1000; i++) {
		rt_lock(&parked_lock);
		parked = rt_self();
		rt_wait_begin(parked, RT_WAIT_SEMA, NULL);
		rt_park(rt_commit_unlock, &parked_lock);
	}
	csp_wg_done(&wg);
}

START_TEST(a_goroutine_is_not_resumed_before_its_registers_are_saved)
{
	csp_wg_add(&wg, 1);
	csp_go(park_under_lock);
	for (int woken = 0; woken < 1000; ) {
		rt_lock(&parked_lock);
		struct rt_g *g = parked;
		parked = NULL;
		rt_unlock(&parked_lock);
		if (g) {
			rt_ready(g);
			woken++;
		} else {
			csp_yield();
		}
	}
	csp_wg_wait(&wg);
}
END_TEST

static _Atomic bool quit;
static _Atomic int64_t third_ran;

static void ping(csp_chan(int) out, csp_chan(int) in)
{
	while (!quit) {
		csp_chan_send(out, 1);
		csp_chan_recv(in);
	}
	csp_chan_close(out);
	csp_wg_done(&wg);
}

static void pong(csp_chan(int) in, csp_chan(int) out)
{
	csp_chan_for(v, in)
		csp_chan_send(out, v);
	csp_wg_done(&wg);
}

static void bystander(void)
{
	for (int i = 0; i < 100; i++) {
		third_ran++;
		csp_yield();
	}
	quit = true;
	csp_wg_done(&wg);
}

/* Without the budget the pair keeps readying each other for ever and the test does not end. */
START_TEST(a_pair_that_readies_each_other_does_not_starve_a_third)
{
	csp_maxprocs(1);
	csp_chan(int) a = csp_make_chan(int), b = csp_make_chan(int);
	csp_wg_add(&wg, 3);
	csp_go(ping, a, b);
	csp_go(pong, a, b);
	csp_go(bystander);
	csp_wg_wait(&wg);
	ck_assert_int_eq(third_ran, 100);
	csp_chan_free(a);
	csp_chan_free(b);
}
END_TEST

static int pipe_fds[2];
static void block_in_read(void *arg)
{
	char c;
	ck_assert_int_eq(read(pipe_fds[0], &c, 1), 1);
}

static void block_in_plain_read(void)
{
	block_in_read(NULL);
	csp_wg_done(&wg);
}

static void block_in_csp_block(void)
{
	csp_block(block_in_read, NULL);
	csp_wg_done(&wg);
}

static void write_one(void)
{
	ck_assert_int_eq(write(pipe_fds[1], "x", 1), 1);
	csp_wg_done(&wg);
}

/* One worker: only if the blocked one's place is given away does the writer ever run. */
START_TEST(a_plain_blocking_call_does_not_stop_the_others)
{
	csp_maxprocs(1);
	ck_assert_int_eq(pipe(pipe_fds), 0);
	csp_wg_add(&wg, 2);
	csp_go(write_one);
	csp_go(block_in_plain_read);
	csp_wg_wait(&wg);
}
END_TEST

START_TEST(csp_block_gives_the_place_away)
{
	csp_maxprocs(1);
	ck_assert_int_eq(pipe(pipe_fds), 0);
	for (int i = 0; i < 200; i++) {
		csp_wg_add(&wg, 2);
		csp_go(write_one);
		csp_go(block_in_csp_block);
		csp_wg_wait(&wg);
	}
}
END_TEST

static _Atomic bool seen;
static void set_seen(void)
{
	seen = true;
}

/* The main goroutine never passes a scheduling point; sysmon must find a worker for the other. */
START_TEST(a_hog_does_not_keep_a_started_goroutine_from_running)
{
	csp_maxprocs(1);
	csp_go(set_seen);
	while (!seen)
		;
}
END_TEST

static void pinned(void)
{
	csp_lock_thread();
	int32_t tid = gettid();
	for (int i = 0; i < 200; i++) {
		csp_yield();
		ck_assert_int_eq(gettid(), tid);
		csp_sleep(1000);
		ck_assert_int_eq(gettid(), tid);
	}
	csp_unlock_thread();
	csp_wg_done(&wg);
}

START_TEST(a_pinned_goroutine_keeps_its_thread)
{
	csp_wg_add(&wg, 5);
	for (int i = 0; i < 4; i++)
		csp_go(pinned);
	csp_go_opt((&(csp_go_options){ .locked = true, .name = "pinned" }), pinned);
	csp_wg_wait(&wg);
}
END_TEST

static void set_errno(int n)
{
	for (int i = 0; i < 1000; i++) {
		errno = n;
		csp_yield();
		ck_assert_int_eq(errno, n);
	}
	csp_wg_done(&wg);
}

START_TEST(errno_belongs_to_the_goroutine)
{
	csp_wg_add(&wg, 8);
	for (int i = 1; i <= 8; i++)
		csp_go(set_errno, i);
	csp_wg_wait(&wg);
}
END_TEST

static void add_one_deferred(void *arg)
{
	counter++;
}

static void exits_early(void)
{
	csp_defer(add_one_deferred, NULL);
	csp_defer(add_one_deferred, NULL);
	csp_wg_done(&wg);
	csp_exit_goroutine();
}

START_TEST(exit_goroutine_runs_the_defers)
{
	csp_wg_add(&wg, 100);
	for (int i = 0; i < 100; i++)
		csp_go(exits_early);
	csp_wg_wait(&wg);
	while (csp_num_goroutines() > 1)
		csp_yield();
	ck_assert_int_eq(counter, 200);
}
END_TEST

static void exit_process(void)
{
	csp_yield();
	_exit(7);
}

START_TEST(main_may_exit_before_the_others)
{
	csp_go(exit_process);
	csp_exit_goroutine();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("park");

	tcase_add_test(tc, every_goroutine_runs_once);
	tcase_add_test(tc, a_commit_that_refuses_undoes_the_park);
	tcase_add_test(tc, a_goroutine_is_not_resumed_before_its_registers_are_saved);
	tcase_add_test(tc, a_pair_that_readies_each_other_does_not_starve_a_third);
	tcase_add_test(tc, a_plain_blocking_call_does_not_stop_the_others);
	tcase_add_test(tc, csp_block_gives_the_place_away);
	tcase_add_test(tc, a_hog_does_not_keep_a_started_goroutine_from_running);
	tcase_add_test(tc, a_pinned_goroutine_keeps_its_thread);
	tcase_add_test(tc, errno_belongs_to_the_goroutine);
	tcase_add_test(tc, exit_goroutine_runs_the_defers);
	tcase_add_exit_test(tc, main_may_exit_before_the_others, 7);
	return run_case(tc);
}
