/* From the words that name a program (sources, or an executable, and its arguments) to something that can be started checked. */
#ifndef CSP_TOOLS_CMD_TARGET_H
#define CSP_TOOLS_CMD_TARGET_H

#include <stdbool.h>

#include "home/home.h"

struct target {
	char  *program;                 /* path to execute */
	char **argv, **owned;
};

struct target_wish {
	const char *race;               /* on or off */
	bool race_asked;                /* refuse what cannot be checked for races */
	bool verbose;
};

/* words[argc] is NULL; they live as long as the target, and may be moved. Compiles sources in `work`; says in one line what cannot be checked. May add
 * the detector to LD_PRELOAD. Returns 0 or the exit status; target_finish in both cases. */
int target_prepare(struct target *t, const struct home *h, const struct target_wish *wish, const char *work, int argc, char **words);
void target_finish(struct target *t);

/* A new directory of our own, named; NULL if there can be none, which was said. */
char *target_make_work_dir(void);
void target_remove_work_dir(const char *dir);

#endif
