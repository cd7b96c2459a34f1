/* Strategies against distributions that are known, and the search against enumeration. The program under test is a model: some goroutines, each a list
 * of operations on objects that never block, run by the real policy through a door of ours.
 * Where a test samples, the odds of a wrong verdict stand beside it: five standard deviations are one in 1.7 million for each count. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../detector/explore/explore.h"
#include "../../../detector/explore/strategy.h"
#include "../../../tools/schedule/search.h"

enum { GS = 4, OPS = 8, STEPS = GS * OPS };

struct op { char *obj; uint32_t at; };
struct program { uint32_t n_gs, n_ops[GS]; struct op ops[GS][OPS]; };

/* Who ran, in order; `first` is the index among a goroutine's operations. */
struct trace { uint32_t n, g[STEPS], op[STEPS]; };

static char objects[8];
static struct rt_gview gs[GS];
static const struct rt_policy *policy;

static int policy_set(const struct rt_policy *p)
{
	policy = p;
	return 0;
}

static void point(enum rt_point at, const void *obj) { }

static void set_up(void)
{
	static const struct rt_door door = { .abi = RT_EVENT_ABI, .policy_set = policy_set, .point = point };

	if (policy != NULL)
		return;
	unsetenv("CSPCHECK_SPOOL");
	setenv("CSPCHECK_SCHEDULE", "fifo", 1);
	ck_assert(det_explore_attach(&door));
	for (uint32_t i = 0; i < GS; i++) {
		gs[i].id = i + 1;
		det_explore_go(i > 0 ? &gs[0] : NULL, &gs[i]);
	}
}

/* The runtime's order: who waits, in the order of waiting; the running one last. */
static struct trace run(const struct program *p, const char *strategy, uint64_t index)
{
	struct trace t = { 0 };
	uint32_t queue[GS], n = 0, at[GS] = { 0 };
	int32_t current = RT_NO_CURRENT;

	det_explore_begin(strategy, 1, index, 0);
	for (uint32_t i = 0; i < p->n_gs; i++)
		if (p->n_ops[i] > 0)
			queue[n++] = i;
	while (n > 0) {
		struct rt_candidate list[GS];
		for (uint32_t i = 0; i < n; i++) {
			uint32_t g = queue[i];
			list[i] = (struct rt_candidate){ &gs[g], 100 + g, p->ops[g][at[g]].obj, p->ops[g][at[g]].at };
		}
		uint32_t chosen = policy->pick(policy->self, list, n, current);
		ck_assert_uint_lt(chosen, n);
		uint32_t g = queue[chosen];
		memmove(&queue[chosen], &queue[chosen + 1], (n - chosen - 1) * sizeof *queue);
		n--;
		t.g[t.n] = g;
		t.op[t.n++] = at[g]++;
		current = at[g] < p->n_ops[g] ? (int32_t)n : RT_NO_CURRENT;
		if (current != RT_NO_CURRENT)
			queue[n++] = g;
	}
	return t;
}

static uint32_t preemptions(const struct program *p, const struct trace *t)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i < t->n; i++)
		n += t->g[i] != t->g[i - 1] && t->op[i - 1] + 1 < p->n_ops[t->g[i - 1]];
	return n;
}

/* n goroutines with k operations each, on objects of their own. */
static struct program independent(uint32_t n, uint32_t k)
{
	struct program p = { .n_gs = n };

	for (uint32_t g = 0; g < n; g++) {
		p.n_ops[g] = k;
		for (uint32_t i = 0; i < k; i++)
			p.ops[g][i] = (struct op){ &objects[g], RT_AT_LOCK };
	}
	return p;
}

/* count of n draws with probability p: within five standard deviations */
static void expect_share(uint32_t count, uint32_t n, double p)
{
	ck_assert_double_le(fabs(count - n * p), 5 * sqrt(n * p * (1 - p)));
}

START_TEST(random_takes_everybody_as_often)
{
	struct program p = independent(3, 2);
	uint32_t first[GS] = { 0 }, second[GS] = { 0 }, runs = 30000;

	set_up();
	for (uint32_t i = 0; i < runs; i++) {
		struct trace t = run(&p, "random", i);
		first[t.g[0]]++;
		if (t.g[0] == 0)
			second[t.g[1]]++;
	}
	for (uint32_t g = 0; g < 3; g++) {
		expect_share(first[g], runs, 1 / 3.0);
		expect_share(second[g], first[0], 1 / 3.0);
	}
}
END_TEST

/* One operation of g 0 conflicts with the last of five of g 1. The walk takes all five first with (1/2)^5; under POS the one has one priority against
 * five fresh ones, so it is the lowest of six: 1/6. */
START_TEST(pos_samples_orders_not_interleavings)
{
	struct program p = independent(2, 5);
	uint32_t last[2] = { 0 }, runs = 30000;
	static const char *const names[2] = { "random", "pos" };

	p.n_ops[0] = 1;
	p.ops[1][4].obj = p.ops[0][0].obj;
	set_up();
	for (uint32_t k = 0; k < 2; k++)
		for (uint32_t i = 0; i < runs; i++) {
			struct trace t = run(&p, names[k], i);
			last[k] += t.g[5] == 0;
		}
	expect_share(last[0], runs, 1 / 32.0);
	expect_share(last[1], runs, 1 / 6.0);
}
END_TEST

static uint32_t place_of(const struct trace *t, uint32_t g, uint32_t op)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (t->g[i] == g && t->op[i] == op)
			return i;
	return t->n;
}

/* The bound of the paper, 1/(n k^(d-1)), for a bug of depth 1 (the last goroutine goes first) and of depth 2 (g 1 begins between the first two
 * operations of g 0). One-sided, five standard deviations. */
START_TEST(pct_keeps_its_bound)
{
	struct program p = independent(3, 4);
	uint32_t depth1 = 0, depth2 = 0, runs = 20000, k = 12;

	set_up();
	for (uint32_t i = 0; i < runs; i++) {
		struct trace t = run(&p, "pct:1:12", i);
		depth1 += t.g[0] == 2;
		ck_assert_uint_eq(preemptions(&p, &t), 0);
		t = run(&p, "pct:2:12", i);
		ck_assert_uint_le(preemptions(&p, &t), 1);
		depth2 += place_of(&t, 0, 0) < place_of(&t, 1, 0) && place_of(&t, 1, 0) < place_of(&t, 0, 1);
	}
	double bound1 = 1 / 3.0, bound2 = 1 / (3.0 * k);
	ck_assert_double_ge(depth1, runs * bound1 - 5 * sqrt(runs * bound1));
	ck_assert_double_ge(depth2, runs * bound2 - 5 * sqrt(runs * bound2));
}
END_TEST

START_TEST(delays_are_bounded_and_all_are_used)
{
	struct program p = independent(3, 4);
	uint32_t seen[4] = { 0 };

	set_up();
	for (uint32_t i = 0; i < 5000; i++) {
		struct trace t = run(&p, "delay:2:12", i);
		uint32_t n = preemptions(&p, &t);
		ck_assert_uint_le(n, 2);
		seen[n]++;
	}
	ck_assert_uint_gt(seen[0], 0);
	ck_assert_uint_gt(seen[1], 0);
	ck_assert_uint_gt(seen[2], 0);
}
END_TEST

START_TEST(fixed_schedules_are_what_they_are_called)
{
	struct program p = independent(3, 3);
	static const struct { const char *name; uint32_t g[9]; } rows[] = {
		{ "fifo", { 0, 0, 0, 1, 1, 1, 2, 2, 2 } }, { "lifo", { 2, 2, 2, 1, 1, 1, 0, 0, 0 } }, { "rr", { 0, 1, 2, 0, 1, 2, 0, 1, 2 } },
		{ "rev", { 2, 1, 2, 1, 2, 1, 0, 0, 0 } },
	};

	set_up();
	for (uint32_t r = 0; r < sizeof rows / sizeof *rows; r++) {
		struct trace t = run(&p, rows[r].name, 0);
		for (uint32_t i = 0; i < 9; i++)
			ck_assert_msg(t.g[i] == rows[r].g[i], "%s, step %u: %u", rows[r].name, i, t.g[i]);
	}
}
END_TEST

START_TEST(a_seed_and_an_index_are_one_schedule)
{
	static const char *const names[] = { "random", "pos", "pct:3:16", "delay:2:16" };
	struct program p = independent(4, 4);

	set_up();
	for (uint32_t k = 0; k < sizeof names / sizeof *names; k++) {
		uint32_t differs = 0;
		for (uint32_t i = 0; i < 50; i++) {
			struct trace a = run(&p, names[k], i);
			uint64_t hash = det_schedule->hash;
			struct trace b = run(&p, names[k], i), c = run(&p, names[k], i + 1);
			ck_assert_int_eq(memcmp(&a, &b, sizeof a), 0);
			run(&p, names[k], i);
			ck_assert_uint_eq(hash, det_schedule->hash);
			differs += memcmp(&a, &c, sizeof a) != 0;
		}
		ck_assert_uint_gt(differs, 10);
	}
}
END_TEST

/* --- the search ------------------------------------------------------------------------------------------------------- */

static bool conflict(const struct op *a, const struct op *b)
{
	return a->obj == b->obj && !(a->at == RT_AT_ATOMIC_LOAD && b->at == RT_AT_ATOMIC_LOAD);
}

/* The order of all conflicting pairs, as a hash of its own making: which of two operations came first. */
static uint64_t order_of(const struct program *p, const struct trace *t)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < t->n; i++)
		for (uint32_t j = i + 1; j < t->n; j++)
			if (t->g[i] != t->g[j] && conflict(&p->ops[t->g[i]][t->op[i]], &p->ops[t->g[j]][t->op[j]])) {
				uint64_t x = ((uint64_t)t->g[i] << 24 | t->op[i] << 16 | t->g[j] << 8 | t->op[j]) + 1;
				x *= 0x9E3779B97F4A7C15ull;
				sum += (x ^ x >> 31) * 0xD6E8FEB86659FD93ull;
			}
	return sum;
}

static uint16_t *prefix_of_schedule(void) { return (uint16_t *)((char *)det_schedule + DET_SCHEDULE_PREFIX_AT); }
static const struct det_tape_entry *tape_of_schedule(void) { return (const void *)((char *)det_schedule + DET_SCHEDULE_TAPE_AT); }

/* All interleavings: the prefix counts up like an odometer. Returns how many. */
static uint32_t enumerate(const struct program *p, struct hashes *orders, struct hashes *hbs)
{
	uint16_t path[STEPS];
	uint32_t depth = 0, runs = 0;

	for (;;) {
		memcpy(prefix_of_schedule(), path, depth * sizeof *path);
		det_schedule->n_prefix = depth;
		struct trace t = run(p, "dfs", 0);
		runs++;
		hashes_add(orders, order_of(p, &t));
		hashes_add(hbs, det_schedule->hb_hash);
		const struct det_tape_entry *tape = tape_of_schedule();
		uint16_t order[STEPS];          /* which alternative in the order usual first */
		for (uint32_t i = 0; i < det_schedule->n_tape; i++)
			order[i] = tape[i].chosen == tape[i].usual ? 0 : tape[i].chosen < tape[i].usual ? (uint16_t)(tape[i].chosen + 1) : tape[i].chosen;
		uint32_t i = det_schedule->n_tape;
		while (i > 0 && order[i - 1] + 1 == tape[i - 1].n)
			i--;
		if (i == 0)
			return runs;
		for (uint32_t j = 0; j < i; j++)
			path[j] = tape[j].chosen;
		uint16_t next = (uint16_t)(order[i - 1] + 1);
		path[i - 1] = next <= tape[i - 1].usual ? (uint16_t)(next - 1) : next;
		depth = i;
	}
}

static uint32_t search_all(const struct program *p, struct hashes *orders)
{
	struct search *s = search_create();
	uint32_t n, runs = 0;

	while (search_next(s, prefix_of_schedule(), &n)) {
		det_schedule->n_prefix = n;
		struct trace t = run(p, "dfs", 0);
		runs++;
		hashes_add(orders, order_of(p, &t));
		ck_assert_int_eq(search_learn(s, tape_of_schedule(), det_schedule->n_tape), SEARCH_GOES_ON);
	}
	search_destroy(s);
	return runs;
}

/* 300 small programs: the hash tells orders of conflicting operations apart and nothing else, and the search meets every one of them. */
START_TEST(search_meets_every_order_once_enumerated)
{
	uint64_t all = 0, searched = 0, classes = 0;
	unsigned seed = 7;

	set_up();
	for (int round = 0; round < 300; round++) {
		struct program p = { .n_gs = 3 };
		struct hashes orders = { 0 }, hbs = { 0 }, found = { 0 };
		for (uint32_t g = 0; g < 3; g++) {
			p.n_ops[g] = 1 + (uint32_t)rand_r(&seed) % 3;
			for (uint32_t i = 0; i < p.n_ops[g]; i++)
				p.ops[g][i] = (struct op){ &objects[rand_r(&seed) % 3], rand_r(&seed) % 2 ? RT_AT_ATOMIC_LOAD : RT_AT_ATOMIC_RMW };
		}
		all += enumerate(&p, &orders, &hbs);
		searched += search_all(&p, &found);
		ck_assert_uint_eq(hbs.n, orders.n);
		ck_assert_uint_eq(found.n, orders.n);
		classes += orders.n;
		hashes_finish(&orders);
		hashes_finish(&hbs);
		hashes_finish(&found);
	}
	printf("%lu interleavings, %lu orders, %lu runs of the search\n", (unsigned long)all, (unsigned long)classes, (unsigned long)searched);
	ck_assert_uint_lt(searched, all / 2);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("explore");
	Suite *suite = suite_create("explore");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, random_takes_everybody_as_often);
	tcase_add_test(tc, pos_samples_orders_not_interleavings);
	tcase_add_test(tc, pct_keeps_its_bound);
	tcase_add_test(tc, delays_are_bounded_and_all_are_used);
	tcase_add_test(tc, fixed_schedules_are_what_they_are_called);
	tcase_add_test(tc, a_seed_and_an_index_are_one_schedule);
	tcase_add_test(tc, search_meets_every_order_once_enumerated);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
