/* The suppression file: one rule a line, in TSan's syntax and ours, with reason and expiry date behind it.
 *
 *   race:worker_loop               # reason="statistics" until=2027-03-01
 *
 * kind        applies to       its pattern is matched against
 * race        races            function, file, module of any frame of an access; name of the variable
 * race_top    races            the same, innermost frame of the program only
 * called_from_lib  races       module of any frame of an access
 * deadlock    deadlocks        function, file, module of any frame; names of locks
 * mutex       CSP2005-2007     the same
 * leak, thread  leaks          any frame of the blocked goroutine; its name; the function started
 * misuse      misuse, crashes  any frame
 * created_by  all              frames of the go statements of its goroutines
 * object      all              name of an object; frames of its allocation
 * wait        all              Go's words for the wait ("chan receive")
 * rule        all              "CSP1001"
 * fp          all              beginning of the fingerprint, at least 8 digits
 * signal                       accepted, without effect
 *
 * A pattern matches anywhere; `^` and `$` anchor it, `*` is any text. Source of the syntax: sanitizer_common/sanitizer_suppressions.cpp. */
#ifndef CSP_TOOLS_FILTER_SUPPRESS_H
#define CSP_TOOLS_FILTER_SUPPRESS_H

#include <obstack.h>
#include <stdbool.h>
#include <stdio.h>

#include "finding/finding.h"

struct suppression {
	const char *kind, *pattern, *reason;    /* reason may be NULL */
	char     until[11];             /* "YYYY-MM-DD", or "" */
	bool     expired;
	unsigned line;
	unsigned long hits;
	struct suppression *next;
};

struct suppressions { const char *file; struct suppression *first; char error[400]; };

/* Read the file. 0, or a status of <sysexits.h> with `error` saying file, line and what mends it. today: "YYYY-MM-DD". */
int suppress_read(struct suppressions *s, const char *file, const char *today, struct obstack *mem);

/* The first rule that applies and has not expired (its hits are counted), or NULL. */
struct suppression *suppress_find(struct suppressions *s, const struct finding *f);

/* Expired and unused rules, one line each kind, to `to`. */
void suppress_report(FILE *to, const struct suppressions *s);

/* The line that would suppress f. */
void suppress_write(FILE *to, const struct finding *f, const char *reason, const char *until);
/* Its first part, "race:worker". */
void suppress_rule(FILE *to, const struct finding *f);

bool suppress_is_date(const char *s);

#endif
