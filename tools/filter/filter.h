/* What is new, known or suppressed: the suppression file and the baseline together, for the commands that run programs. */
#ifndef CSP_TOOLS_FILTER_FILTER_H
#define CSP_TOOLS_FILTER_FILTER_H

#include "filter/baseline.h"
#include "filter/suppress.h"

#define FILTER_SUPPRESSIONS_DEFAULT "cspcheck-suppressions.txt"

enum standing { STANDING_NEW, STANDING_KNOWN, STANDING_SUPPRESSED };

struct filter {
	struct suppressions suppressions;
	struct baseline baseline;
	struct obstack mem;
};

/* NULL for a name: the default file, if there is one. Returns 0, or says on stderr what is wrong and returns the exit status. */
int filter_open(struct filter *f, const char *suppressions, const char *baseline);
void filter_close(struct filter *f);

/* Counts the hit. *by is the rule that suppresses it, if one does. */
enum standing filter_judge(struct filter *f, const struct finding *finding, const struct suppression **by);
const char *filter_word(enum standing s);      /* "new", "known", "suppressed" */

#endif
