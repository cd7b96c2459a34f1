/* One target of `cspcheck test`: many schedules of a program, in children of fork servers, until a stopping rule says enough. */
#ifndef CSP_TOOLS_LAUNCH_EXPLORE_H
#define CSP_TOOLS_LAUNCH_EXPLORE_H

#include <stdint.h>

#include "cmd/options.h"
#include "filter/filter.h"
#include "finding/rules.h"
#include "store/store.h"

/* What the targets of one command share. */
struct tally {
	const struct options *options;
	struct view  view;
	FILE        *out;               /* findings */
	struct store store;
	bool         storing, store_failed;
	char         store_error[600];
	struct filter filter;
	unsigned long by_kind[RULE_KINDS], issues[STANDING_SUPPRESSED + 1], notes;      /* issues by their standing */
	unsigned     counted;           /* findings that count in the run being read */
	int64_t      show_issue;
	uint64_t     schedules;
	struct known { char fingerprint[33]; enum standing standing; struct known *next; } *known;
};
void tally_finish(struct tally *t);

enum until { UNTIL_BUDGET, UNTIL_EXHAUSTED, UNTIL_RISK, UNTIL_BUG };

struct explore_plan {
	const char  *name;              /* of the target, as the user wrote it */
	const char  *program;
	char *const *argv;
	const char  *work;              /* a directory for this target; made here */
	const char  *strategy;          /* auto, dfs, or one for all */
	uint64_t     seed, schedules, max_steps;
	int64_t      for_ns, timeout_ns;
	enum until   until;
	double       risk;
	int          jobs;
	bool         failfast;
	uint64_t     audited;           /* so many of the first schedules are run twice */
	const char  *save_dir;          /* the shortest failing schedule goes there, NULL: nowhere */
};

struct explore_result {
	bool     failed, timed_out, nondeterministic;
	int      status;                /* 0, or why it could not be run at all */
	uint64_t schedules, failures, classes, cut;
	double   seconds;
};

struct explore_result explore_target(struct tally *t, const struct explore_plan *plan);

#endif
