/* Line tables as compilers write them: code that belongs to no line of its own. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../runtime/dump/symbolize.h"

static const struct sym_api api = SYM_API_DIRECT;

extern const char no_line_here[], nor_there[];
enum { LINE_BEFORE = __LINE__ + 6 };
__attribute__((noinline, used)) static int without_line(int n)
{
	if (n == 0)
		return 7;
	/* The rows that follow say line 0, as after merging or hoisting. */
	__asm__ volatile("nop\n\t.loc 1 0\n\tnop\nno_line_here:\n\tnop\n\t.loc 1 0 3\n\tnop\nnor_there:\n\tnop" : : : "memory");
	return n;
}

static struct sym *open_self(Dwfl **dwfl)
{
	*dwfl = sym_open_pid(&api, getpid());
	ck_assert_ptr_nonnull(*dwfl);
	return sym_create(&api, *dwfl);
}

START_TEST(line_zero_means_the_line_before)
{
	const struct sym_frame *f;
	Dwfl *dwfl;
	struct sym *s = open_self(&dwfl);
	const char *at[] = { no_line_here, nor_there };

	for (unsigned i = 0; i < 2; i++) {
		ck_assert_uint_eq(sym_lookup(s, (uintptr_t)at[i], true, &f), 1);
		ck_assert_str_eq(f[0].function, "without_line");
		ck_assert_uint_eq(f[0].line, LINE_BEFORE);
		ck_assert_ptr_nonnull(strstr(f[0].file, "symbolize_test.c"));
	}
	sym_destroy(s);
	api.dwfl_end(dwfl);
}
END_TEST

START_TEST(an_address_of_nobody)
{
	const struct sym_frame *f;
	Dwfl *dwfl;
	struct sym *s = open_self(&dwfl);

	ck_assert_uint_eq(sym_lookup(s, 64, true, &f), 1);
	ck_assert_ptr_null(f[0].function);
	ck_assert_ptr_null(f[0].module);
	ck_assert_uint_eq(f[0].module_offset, 64);
	sym_destroy(s);
	api.dwfl_end(dwfl);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("symbolize");
	TCase *t = tcase_create("lines");
	SRunner *r;
	int failed;

	tcase_add_test(t, line_zero_means_the_line_before);
	tcase_add_test(t, an_address_of_nobody);
	suite_add_tcase(suite, t);
	r = srunner_create(suite);
	srunner_run_all(r, CK_ENV);
	failed = without_line(2) != 2 || srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
