/* csp_go: whatever a call can pass, the new goroutine gets. */
#define CSP_SHORT_NAMES
#include <csp.h>

#include <stdarg.h>

#include "../lib/panics.h"

typedef struct { int id; double cost; } job;
typedef struct { char bytes[3000]; } bulk;
typedef struct { long a, b, c; } triple;

static chan(double) results;

static void none(void) { chan_send(results, 1.5); }
static void one(const int *p) { chan_send(results, *p); }
static void doubles(double a, float b, double c, double d, double e, double f, double g, double h, double i, double j)
{
	chan_send(results, a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j);
}
static int integers(char a, short b, int c, long d, long long e, unsigned char f, bool g, long h, int i, int j, int k, int l, int m, int n, int o,
	int p, int q)
{
	chan_send(results, (double)(a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j + 11 * k + 12 * l + 13 * m + 14 * n +
		15 * o + 16 * p + 17 * q));
	return 0;
}
static double mixed(int a, double b, job c, long double d, triple e, __int128 f, const char *g, bulk h, job i)
{
	double sum = a + b + c.id + c.cost + (double)d + (double)(e.a + e.b + e.c) + (double)(long)f + g[0] + h.bytes[0] + h.bytes[2999] + i.id + i.cost;
	chan_send(results, sum);
	return sum;
}
static void long_doubles(long double a, _Complex double b) { chan_send(results, (double)a + __real__ b + __imag__ b); }
static void single_bulk(bulk b) { chan_send(results, b.bytes[0] + b.bytes[2999]); }
static void variadic(int n, ...)
{
	va_list ap;
	double sum = 0;
	va_start(ap, n);
	for (int i = 0; i < n; i++)
		sum += va_arg(ap, double);
	va_end(ap);
	chan_send(results, sum);
}

START_TEST(arguments_arrive)
{
	int seven = 7;
	bulk b = { { 1 } };
	b.bytes[2999] = 2;
	results = make_chan(double);

	go(none);
	ck_assert_double_eq(chan_recv(results), 1.5);
	go(one, &seven);
	ck_assert_double_eq(chan_recv(results), 7);
	go(doubles, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
	ck_assert_double_eq(chan_recv(results), 55);
	go(doubles, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
	ck_assert_double_eq(chan_recv(results), 385);
	go(integers, 1, 2, 3, 4, 5, 6, true, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17);
	ck_assert_double_eq(chan_recv(results), 17 * 18 * 35 / 6.0 - 49 + 7);
	go(mixed, 1, 2.5, (job){ 3, 4.5 }, 5, (triple){ 6, 7, 8 }, 9, "a", b, (job){ 10, 11 });
	ck_assert_double_eq(chan_recv(results), 1 + 2.5 + 3 + 4.5 + 5 + 21 + 9 + 97 + 3 + 21);
	go(long_doubles, 1.5L, 2.0 + 3.0i);
	ck_assert_double_eq(chan_recv(results), 6.5);
	go(single_bulk, b);
	ck_assert_double_eq(chan_recv(results), 3);
	go(variadic, 9, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0);
	ck_assert_double_eq(chan_recv(results), 45);
	csp_go_opt((&(csp_go_options){ .stack_bytes = 16 << 10, .name = "small" }), variadic, 2, 1.0, 2.0);
	ck_assert_double_eq(chan_recv(results), 3);
	csp_go_opt(&(csp_go_options){ .stack_bytes = 1 << 20 }, mixed, 1, 2.5, (job){ 3, 4.5 }, 5, (triple){ 6, 7, 8 }, 9, "a", b, (job){ 10, 11 });
	ck_assert_double_eq(chan_recv(results), 1 + 2.5 + 3 + 4.5 + 5 + 21 + 9 + 97 + 3 + 21);
	csp_go_opt(&(csp_go_options){ .locked = true }, none);
	ck_assert_double_eq(chan_recv(results), 1.5);
}
END_TEST

START_TEST(from_a_frame_with_large_variables)
{
	volatile char large[20000];
	results = make_chan(double);
	large[0] = large[19999] = 1;
	go(doubles, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
	ck_assert_double_eq(chan_recv(results), 385 + large[0] - large[19999]);
}
END_TEST

/* libtsan has room for 8,128 fibres. */
#ifdef __SANITIZE_THREAD__
enum { DEPTH = 8, MANY = 1000 };
#else
enum { DEPTH = 12, MANY = 10000 };
#endif

static void tree(int depth)
{
	if (depth == 0) {
		chan_send(results, 1);
		return;
	}
	go(tree, depth - 1);
	go(tree, depth - 1);
}

START_TEST(goroutines_start_goroutines)
{
	double sum = 0;
	results = make_chan(double, 16);
	go(tree, DEPTH);
	for (int i = 0; i < 1 << DEPTH; i++)
		sum += chan_recv(results);
	ck_assert_double_eq(sum, 1 << DEPTH);
}
END_TEST

static void square(int id, int *out, send_chan(int) done) { out[id] = id * id; chan_send(done, id); }

START_TEST(arguments_are_taken_at_once)
{
	enum { N = MANY };
	static int out[N];
	chan(int) done = make_chan(int, 64);
	int evaluations = 0;
	for (int i = 0; i < N; i++)
		go(square, evaluations++, out, done);
	for (int i = 0; i < N; i++)
		chan_recv(done);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(out[i], i * i);
	ck_assert_int_eq(evaluations, N);
}
END_TEST

static void set(void *p) { chan_send(*(chan(double) *)p, 2); }

START_TEST(go_fn_starts_too)
{
	results = make_chan(double);
	ck_assert_int_eq(csp_go_fn(set, &results, &(csp_go_options){ .name = "a name of more than thirty-one bytes" }), 0);
	ck_assert_double_eq(chan_recv(results), 2);
	ck_assert_int_eq(csp_go_fn(set, &results, NULL), 0);
	ck_assert_double_eq(chan_recv(results), 2);
}
END_TEST

static void null_function(void) { void (*volatile f)(void) = NULL; go(f); }
START_TEST(go_of_null_dies) { dies_with(null_function, "fatal error: go of nil func value\n"); }
END_TEST

int main(void)
{
	Suite *s = suite_create("go");
	TCase *tc = tcase_create("go");

	tcase_set_timeout(tc, 30);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, arguments_arrive);
	tcase_add_test(tc, from_a_frame_with_large_variables);
	tcase_add_test(tc, goroutines_start_goroutines);
	tcase_add_test(tc, arguments_are_taken_at_once);
	tcase_add_test(tc, go_fn_starts_too);
	tcase_add_test(tc, go_of_null_dies);
	return run_suite(s);
}
