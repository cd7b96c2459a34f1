/* One suite with one case per file of tests of the scheduler; each test in a process of its own (Check's fork mode): a runtime that
 * was initialised in the parent would be shared. */
#ifndef CSP_TESTS_UNIT_SCHED_RUN_H
#define CSP_TESTS_UNIT_SCHED_RUN_H

#include <check.h>
#include <stdlib.h>

static inline int run_case(TCase *tc)
{
	Suite *s = suite_create("sched");
	SRunner *r = srunner_create(s);

	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	srunner_set_fork_status(r, CK_FORK);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}

#endif
