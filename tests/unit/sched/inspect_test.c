/* The doors: world stop, walking goroutines, policy; and threads that are no workers. */
#include "run.h"

#include <csp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "g.h"
#include "sched/policy.h"

extern struct rt_door rt_the_door;
static csp_waitgroup wg;
static _Atomic bool quit;
static _Atomic uint64_t spins[4];

static void spin(int i)
{
	while (!quit)
		spins[i]++;
	csp_wg_done(&wg);
}

static void yielder(int i)
{
	while (!quit) {
		spins[i]++;
		csp_yield();
	}
	csp_wg_done(&wg);
}

/* Goroutines in user code are stopped by the signal, others at scheduling points: while stopped, nobody counts. */
START_TEST(a_stopped_world_stands_still)
{
	csp_maxprocs(4);
	csp_wg_add(&wg, 4);
	csp_go(spin, 0);
	csp_go(spin, 1);
	csp_go(yielder, 2);
	csp_go(yielder, 3);
	for (int round = 0; round < 50; round++) {
		uint64_t before[4], after[4];
		csp_sleep(200 * CSP_MICROSECOND);
		rt_the_door.world_stop();
		for (int i = 0; i < 4; i++)
			before[i] = spins[i];
		for (volatile int i = 0; i < 20000; i++)
			;
		for (int i = 0; i < 4; i++)
			after[i] = spins[i];
		rt_the_door.world_start();
		ck_assert_int_eq(memcmp(before, after, sizeof before), 0);
	}
	quit = true;
	csp_wg_wait(&wg);
}
END_TEST

static csp_chan(int) gate;

static void wait_at_gate(void)
{
	csp_set_name("at the gate");
	csp_chan_recv(gate);
	csp_wg_done(&wg);
}

struct tally { int waiting, named, running, total; void *entry; };

static bool tally(const struct rt_ginfo *info, void *arg)
{
	struct tally *t = arg;

	t->total++;
	t->running += info->state == RT_G_RUNNING || info->state == RT_G_SYSCALL;       /* sysmon may have seen its thread wait for the stop */
	if (info->state == RT_G_WAITING && info->wait == RT_WAIT_CHAN_RECV && info->n_waits == 1 && info->waits[0].obj == (void *)(uintptr_t)gate) {
		void *pcs[32];
		t->waiting++;
		t->named += strcmp(info->name, "at the gate") == 0;
		t->entry = info->g->entry_pc;
		ck_assert_uint_ge(rt_the_door.g_stack(info->g, pcs, 32), 2);
		ck_assert(info->sp >= info->g->stack_lo && info->sp < info->g->stack_hi);
	}
	return true;
}

START_TEST(the_walk_sees_what_everybody_waits_for)
{
	struct tally t = { 0 };
	struct rt_sources s;

	gate = csp_make_chan(int);
	csp_wg_add(&wg, 10);
	for (int i = 0; i < 10; i++)
		csp_go(wait_at_gate);
	do {
		csp_yield();
		memset(&t, 0, sizeof t);
		rt_the_door.world_stop();
		rt_the_door.g_each(tally, &t);
		rt_the_door.sources(&s);
		rt_the_door.world_start();
	} while (t.waiting < 10);
	ck_assert_int_eq(t.named, 10);
	ck_assert_int_eq(t.total, 11);
	ck_assert_int_eq(t.running, 1);
	ck_assert_ptr_eq(t.entry, (void *)wait_at_gate);
	ck_assert_uint_eq(s.running + s.syscall, 1);
	ck_assert_uint_eq(s.runnable + s.sleepers + s.pollers + s.foreign, 0);
	csp_chan_close(gate);
	csp_wg_wait(&wg);
}
END_TEST

static csp_chan(int) to_thread, from_thread;

static void started_by_thread(int v)
{
	csp_chan_send(from_thread, v);
}

static void *foreign(void *arg)
{
	csp_chan_for(v, to_thread) {
		if (v % 3 == 0)
			csp_go(started_by_thread, v + 1);
		else
			csp_chan_send(from_thread, v + 1);
		if (v % 100 == 0)
			csp_sleep(CSP_MICROSECOND);
	}
	return NULL;
}

START_TEST(foreign_threads_send_receive_and_start_goroutines)
{
	enum { THREADS = 4, N = 4000 };
	pthread_t t[THREADS];
	long sum = 0;

	to_thread = csp_make_chan(int);
	from_thread = csp_make_chan(int, 8);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, foreign, NULL);
	for (int sent = 0, got = 0; got < N; ) {
		int v;
		if (sent < N && sent - got < 10) {
			csp_chan_send(to_thread, sent++);
		} else {
			csp_chan_recv_ok(from_thread, &v);
			sum += v;
			got++;
		}
	}
	csp_chan_close(to_thread);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	ck_assert_int_eq(sum, (long)N * (N + 1) / 2);
	while (csp_num_goroutines() > 1)
		csp_yield();
}
END_TEST

/* A foreign thread that comes first: no goroutine 1 yet; main gets its number when it calls. */
static void *first_caller(void *arg)
{
	csp_chan(int) c = csp_make_chan(int, 1);
	csp_chan_send(c, 5);
	ck_assert_uint_ne(csp_id(), 1);
	return (void *)(uintptr_t)c;
}

START_TEST(the_library_may_be_used_first_by_another_thread)
{
	pthread_t t;
	void *c;

	pthread_create(&t, NULL, first_caller, NULL);
	pthread_join(t, &c);
	ck_assert_int_eq(csp_chan_recv((csp_chan(int))c), 5);
	ck_assert_uint_eq(csp_id(), 1);
}
END_TEST

struct script { uint64_t seed, hash; unsigned steps; };

static uint32_t draw(struct script *s, uint32_t n)
{
	s->seed = s->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(s->seed >> 33) % n;
}

static void note_step(struct script *s, uint64_t what)
{
	s->hash = (s->hash ^ what) * 1099511628211u;
	s->steps++;
}

static uint32_t scripted_pick(void *self, const struct rt_candidate *list, uint32_t n, int32_t current)
{
	uint32_t pick = draw(self, n);

	note_step(self, list[pick].path + list[pick].at);
	return pick;
}

static uint32_t scripted_choose(void *self, enum rt_choice kind, uint32_t n)
{
	uint32_t pick = draw(self, n);

	note_step(self, 1000 + pick);
	return pick;
}

static char trace[4096];
static int n_trace;

static void note(int id, csp_chan(int) c)
{
	for (int i = 0; i < 5; i++) {
		trace[n_trace++] = (char)('a' + id);
		if (id % 2)
			csp_chan_send(c, i);
		else
			csp_chan_recv(c);
		csp_yield();
	}
	csp_wg_done(&wg);
}

static void run_under_policy(uint64_t seed, struct script *script, char *out)
{
	struct rt_policy policy = { scripted_pick, scripted_choose, script };
	FILE *f = fopen(out, "w");

	*script = (struct script){ .seed = seed };
	ck_assert_int_eq(rt_policy_set(&policy), 0);
	csp_chan(int) c = csp_make_chan(int);
	csp_wg_add(&wg, 8);
	for (int i = 0; i < 8; i++)
		csp_go(note, i, c);
	csp_wg_wait(&wg);
	fprintf(f, "%s %u %llx\n", trace, script->steps, (unsigned long long)script->hash);
	fclose(f);
}


static void read_back(const char *path, char *into)
{
	FILE *f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(into, 5000, f));
	fclose(f);
	remove(path);
}

/* Two processes, same seed: same order. Another seed: another order (8 goroutines, 40 steps: the chance of the same is nil). */
START_TEST(a_fixed_policy_gives_a_fixed_order)
{
	char path[3][32];
	static char text[3][5000];
	uint64_t seeds[3] = { 42, 42, 43 };

	for (int i = 0; i < 3; i++) {
		snprintf(path[i], sizeof path[i], "policy-%d-%d", getpid(), i);
		pid_t pid = fork();
		if (pid == 0) {
			struct script script;
			run_under_policy(seeds[i], &script, path[i]);
			_exit(0);
		}
		int status;
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
		read_back(path[i], text[i]);
	}
	ck_assert_str_eq(text[0], text[1]);
	ck_assert_str_ne(text[0], text[2]);
}
END_TEST

START_TEST(a_policy_is_refused_once_goroutines_exist)
{
	struct script script = { 0 };
	struct rt_policy policy = { scripted_pick, scripted_choose, &script };

	csp_wg_add(&wg, 1);
	csp_go(spin, 0);
	ck_assert_int_eq(rt_policy_set(&policy), -EBUSY);
	quit = true;
	csp_wg_wait(&wg);
}
END_TEST

static void child_work(csp_chan(int) c)
{
	csp_chan_send(c, 3);
}

START_TEST(a_forked_child_can_go_on_alone)
{
	csp_chan(int) c = csp_make_chan(int);

	csp_go(child_work, c);
	csp_chan_recv(c);
	pid_t pid = fork();
	if (pid == 0) {
		csp_go(child_work, c);
		csp_sleep(CSP_MILLISECOND);
		_exit(csp_chan_recv(c));
	}
	int status;
	waitpid(pid, &status, 0);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 3);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("doors");

	tcase_add_test(tc, a_stopped_world_stands_still);
	tcase_add_test(tc, the_walk_sees_what_everybody_waits_for);
	tcase_add_test(tc, foreign_threads_send_receive_and_start_goroutines);
	tcase_add_test(tc, the_library_may_be_used_first_by_another_thread);
	tcase_add_test(tc, a_fixed_policy_gives_a_fixed_order);
	tcase_add_test(tc, a_policy_is_refused_once_goroutines_exist);
	tcase_add_test(tc, a_forked_child_can_go_on_alone);
	return run_case(tc);
}
