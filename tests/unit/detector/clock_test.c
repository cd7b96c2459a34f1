/* Clocks against a plain array: the laws of join, and that everything is given back. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../../detector/clock/clock.h"

static const uint32_t slots[] = { 1, 2, 15, 16, 17, 255, 256, 4095, 65536, 1u << 20, 1u << 31, UINT32_MAX };
enum { SLOTS = sizeof slots / sizeof slots[0] };
struct plain { uint32_t t[SLOTS]; };

static uint32_t seed = 1;
static uint32_t draw(uint32_t n) { seed = seed * 1664525u + 1013904223u; return (seed >> 8) % n; }

static det_clock any(struct plain *p)
{
	det_clock c = { 0, 0 };

	memset(p, 0, sizeof *p);
	for (uint32_t n = draw(8); n > 0; n--) {
		uint32_t at = draw(SLOTS), time = 1 + draw(5);

		det_clock_set(&c, (det_epoch){ slots[at], time });
		if (p->t[at] < time)
			p->t[at] = time;
	}
	return c;
}

static bool same(det_clock c, const struct plain *p)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (det_clock_get(c, slots[i]) != p->t[i])
			return false;
	return det_clock_get(c, 3) == 0 && det_clock_get(c, 70000) == 0;
}

START_TEST(join_is_the_maximum_in_any_order)
{
	for (int i = 0; i < 2000; i++) {
		struct plain pa, pb, max;
		det_clock a = any(&pa), b = any(&pb), ab = det_clock_ref(a), ba = det_clock_ref(b);
		bool news = false;

		for (unsigned k = 0; k < SLOTS; k++) {
			max.t[k] = pa.t[k] > pb.t[k] ? pa.t[k] : pb.t[k];
			news |= pb.t[k] > pa.t[k];
		}
		ck_assert_int_eq(det_clock_join(&ab, b), news);
		det_clock_join(&ba, a);
		ck_assert(same(ab, &max) && same(ba, &max));
		ck_assert(same(a, &pa) && same(b, &pb));        /* operands are values */
		ck_assert(!det_clock_join(&ab, ba) && !det_clock_join(&ab, a) && !det_clock_join(&ab, b) && !det_clock_join(&ab, ab));
		det_clock_drop(&a);
		det_clock_drop(&b);
		det_clock_drop(&ab);
		det_clock_drop(&ba);
	}
	ck_assert_uint_eq(det_clock_nodes(), 0);
}
END_TEST

START_TEST(times_never_go_back)
{
	det_clock c = { 0, 0 };

	det_clock_set(&c, (det_epoch){ 300, 7 });
	det_clock_set(&c, (det_epoch){ 300, 3 });
	ck_assert_uint_eq(det_clock_get(c, 300), 7);
	det_clock_set(&c, (det_epoch){ 300, UINT32_MAX });
	ck_assert_uint_eq(det_clock_get(c, 300), UINT32_MAX);
	det_clock_drop(&c);
	ck_assert_uint_eq(det_clock_nodes(), 0);
}
END_TEST

/* Newer, older and foreign releases joined into one snapshot. */
START_TEST(snapshots_join)
{
	struct det_snap s = { 0 }, first = { .own = { 5, 1 }, .pure = true }, second = { .own = { 5, 2 }, .pure = true }, other = { .own = { 6, 9 }, .pure = true };

	det_clock_set(&second.clock, (det_epoch){ 8, 4 });
	det_snap_join(&s, &first);
	det_snap_join(&s, &second);
	ck_assert(s.pure && s.own.time == 2 && det_clock_get(s.clock, 8) == 4);
	det_snap_join(&s, &first);
	ck_assert(s.pure && s.own.time == 2);
	det_snap_join(&s, &other);
	ck_assert(!s.pure && s.own.slot == 6 && s.own.time == 9 && det_clock_get(s.clock, 5) == 2 && det_clock_get(s.clock, 8) == 4);
	det_snap_drop(&s);
	ck_assert(det_snap_empty(&s));
	det_snap_drop(&second);
	ck_assert_uint_eq(det_clock_nodes(), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("clock");
	TCase *t = tcase_create("clock");
	SRunner *r;
	int failed;

	if (!det_clock_init())
		return 77;
	tcase_add_test(t, join_is_the_maximum_in_any_order);
	tcase_add_test(t, times_never_go_back);
	tcase_add_test(t, snapshots_join);
	suite_add_tcase(suite, t);
	r = srunner_create(suite);
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
