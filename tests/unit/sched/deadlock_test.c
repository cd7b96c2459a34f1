/* The global deadlock: called exactly when nothing can act any more. Exit status 2 is the verdict, 7 the absence of it. */
#include "run.h"

#include <csp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static csp_chan(int) never;

static void wait_for_ever(void)
{
	csp_chan_recv(never);
}

static void setup(void)
{
	if (freopen("/dev/null", "w", stderr) == NULL)
		abort();
	never = csp_make_chan(int);
}

START_TEST(main_alone_asleep_is_a_deadlock)
{
	csp_chan_recv(never);
}
END_TEST

START_TEST(everybody_asleep_is_a_deadlock)
{
	for (int i = 0; i < 100; i++)
		csp_go(wait_for_ever);
	csp_chan_recv(never);
}
END_TEST

START_TEST(main_gone_and_the_rest_asleep_is_a_deadlock)
{
	csp_go(wait_for_ever);
	csp_exit_goroutine();
}
END_TEST

START_TEST(a_timer_nobody_listens_to_does_not_hide_a_deadlock)
{
	csp_after(3600 * CSP_SECOND);
	csp_timer_start(3600 * CSP_SECOND);
	csp_ticker_start(3600 * CSP_SECOND);
	csp_chan_recv(never);
}
END_TEST

START_TEST(a_deadlock_after_a_sleep_is_found)
{
	csp_sleep(5 * CSP_MILLISECOND);
	csp_chan_recv(never);
}
END_TEST

static void pinned_wait(void)
{
	csp_lock_thread();
	csp_chan_recv(never);
}

START_TEST(a_pinned_goroutine_asleep_counts_as_asleep)
{
	csp_go(pinned_wait);
	csp_chan_recv(never);
}
END_TEST

static void send_one(void *arg)
{
	csp_chan_send(never, 1);
}

START_TEST(a_timer_function_may_still_wake_us)
{
	csp_timer_func(10 * CSP_MILLISECOND, send_one, NULL);
	csp_chan_recv(never);
	_exit(7);
}
END_TEST

START_TEST(an_awaited_timer_channel_is_no_deadlock)
{
	csp_chan_recv(csp_after(10 * CSP_MILLISECOND));
	_exit(7);
}
END_TEST

static int pipe_fds[2];

static void read_then_send(void *arg)
{
	char c;
	if (read(pipe_fds[0], &c, 1) == 1)
		csp_chan_send(never, 1);
}

static void blocked(void)
{
	csp_block(read_then_send, NULL);
}

static void *write_late(void *arg)
{
	usleep(30000);
	if (write(pipe_fds[1], "x", 1) != 1)
		abort();
	return NULL;
}

START_TEST(a_goroutine_in_csp_block_is_no_deadlock)
{
	pthread_t t;
	ck_assert_int_eq(pipe(pipe_fds), 0);
	csp_go(blocked);
	pthread_create(&t, NULL, write_late, NULL);
	csp_chan_recv(never);
	_exit(7);
}
END_TEST

static void *send_late(void *arg)
{
	usleep(100000);
	csp_chan_send(never, 1);
	return NULL;
}

/* The thread has not called us yet when everybody is asleep. */
START_TEST(a_thread_we_have_not_met_may_still_act)
{
	pthread_t t;
	pthread_create(&t, NULL, send_late, NULL);
	csp_chan_recv(never);
	_exit(7);
}
END_TEST

static void create_thread_here(csp_chan(int) created)
{
	pthread_t t;
	pthread_create(&t, NULL, send_late, NULL);
	csp_chan_send(created, 1);
}

/* A thread takes its name over from its creator, here a worker of ours: main's own thread is kept by main. */
START_TEST(a_thread_created_on_a_worker_may_still_act)
{
	csp_chan(int) created = csp_make_chan(int);
	csp_lock_thread();
	csp_go(create_thread_here, created);
	csp_chan_recv(created);
	csp_chan_recv(never);
	_exit(7);
}
END_TEST

static void *meet_and_leave(void *arg)
{
	csp_id();
	usleep(50000);
	return NULL;
}

START_TEST(a_deadlock_is_found_when_the_last_foreign_thread_has_gone)
{
	pthread_t t;
	pthread_create(&t, NULL, meet_and_leave, NULL);
	csp_chan_recv(never);
}
END_TEST

/* Chances for a false alarm: wake-ups by timers and by foreign threads at the moment the last worker goes idle. */
static void *ping_foreign(void *arg)
{
	csp_chan(int) c = never;
	for (int i = 0; i < 2000; i++)
		csp_chan_send(c, i);
	return NULL;
}

START_TEST(no_false_alarm_in_races_with_timers_and_threads)
{
	pthread_t t;
	pthread_create(&t, NULL, ping_foreign, NULL);
	for (int i = 0; i < 2000; i++) {
		csp_chan_recv(never);
		if (i % 4 == 0)
			csp_sleep(i * 7 % 50 * CSP_MICROSECOND);
	}
	pthread_join(t, NULL);
	_exit(7);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("deadlock");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_exit_test(tc, main_alone_asleep_is_a_deadlock, 2);
	tcase_add_exit_test(tc, everybody_asleep_is_a_deadlock, 2);
	tcase_add_exit_test(tc, main_gone_and_the_rest_asleep_is_a_deadlock, 2);
	tcase_add_exit_test(tc, a_timer_nobody_listens_to_does_not_hide_a_deadlock, 2);
	tcase_add_exit_test(tc, a_deadlock_after_a_sleep_is_found, 2);
	tcase_add_exit_test(tc, a_pinned_goroutine_asleep_counts_as_asleep, 2);
	tcase_add_exit_test(tc, a_timer_function_may_still_wake_us, 7);
	tcase_add_exit_test(tc, an_awaited_timer_channel_is_no_deadlock, 7);
	tcase_add_exit_test(tc, a_goroutine_in_csp_block_is_no_deadlock, 7);
	tcase_add_exit_test(tc, a_thread_we_have_not_met_may_still_act, 7);
	tcase_add_exit_test(tc, a_thread_created_on_a_worker_may_still_act, 7);
	tcase_add_exit_test(tc, a_deadlock_is_found_when_the_last_foreign_thread_has_gone, 2);
	tcase_add_exit_test(tc, no_false_alarm_in_races_with_timers_and_threads, 7);
	return run_case(tc);
}
