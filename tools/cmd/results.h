/* What the commands that read the results database have in common: opening it and finding an issue, with the words a user needs. */
#ifndef CSP_TOOLS_CMD_RESULTS_H
#define CSP_TOOLS_CMD_RESULTS_H

#include "cmd/options.h"

/* 0, or the exit status after a line on stderr. */
int results_open(struct store *s, const struct options *o);
/* The latest report of an issue by number or beginning of its fingerprint; NULL after a line on stderr. */
struct finding *results_finding(struct store *s, const struct options *o, const char *id, struct obstack *mem);

/* Where output goes (-o FILE or standard output), and its end: flushed, closed, errors told. NULL with *status set if it cannot be had. */
FILE *results_output(const struct options *o, int *status);
int results_output_done(const struct options *o, FILE *to, int status);

#endif
