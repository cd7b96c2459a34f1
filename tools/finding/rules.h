/* One row per rule: its words, and which exit status it gates. */
#ifndef CSP_TOOLS_FINDING_RULES_H
#define CSP_TOOLS_FINDING_RULES_H

#include <stdint.h>

enum rule_kind { RULE_RACE, RULE_DEADLOCK, RULE_LEAK, RULE_MISUSE, RULE_CRASH, RULE_TIMEOUT, RULE_KINDS };

struct rule {
	uint32_t       number;
	enum rule_kind kind;
	const char    *title;           /* "data race" */
	const char    *cause;           /* one sentence */
	const char    *hint;            /* what usually mends it */
};

/* Never NULL: an unknown number gets a row that says so. */
const struct rule *rule_find(uint32_t number);

/* "race", "races" … as the summary line counts them. */
const char *rule_kind_name(enum rule_kind k, unsigned long count);

/* Statuses of design.md section 7 beyond those of <sysexits.h>. */
enum {
	STATUS_RACE = 66, STATUS_LEAK = 67, STATUS_DEADLOCK = 68,
	STATUS_NONDETERMINISM = 3, STATUS_NO_TEST = 4, STATUS_TIMEOUT = 124, STATUS_NOT_EXECUTABLE = 126, STATUS_NOT_FOUND = 127
};

/* What a gated finding of that kind makes `cspcheck run` return. */
int rule_exit_status(enum rule_kind k);

#endif
