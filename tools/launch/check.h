/* One checked run from start to exit status: the child, its record stream, the database, what is printed. */
#ifndef CSP_TOOLS_LAUNCH_CHECK_H
#define CSP_TOOLS_LAUNCH_CHECK_H

#include <stdint.h>

#include "cmd/options.h"
#include "schedule/schedule.h"

enum fail_on { FAIL_NEW, FAIL_ANY, FAIL_NONE };

struct replay { struct det_schedule wanted; bool is_token; };

struct check_plan {
	const struct options *options;
	enum fail_on fail_on;
	int64_t      timeout_ns;        /* 0: none */
	uint64_t     seed;
	const char  *program;           /* path to execute */
	char *const *argv;              /* its arguments, argv[0] as the user wrote it */
	const char  *spool;             /* existing directory */
	const struct replay *replay;    /* the schedule that is followed, or NULL */
	const char  *save;              /* write the schedule there, or NULL */
	const char  *target;            /* what the user named: the program or its first source */
	int          tool_argc; char *const *tool_argv;     /* for the session's record */
};

/* Returns the exit status of `cspcheck run`. *keep_spool is set if the spool holds findings that could not be stored. */
int check_run(const struct check_plan *plan, bool *keep_spool);

#endif
