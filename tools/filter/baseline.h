/* The baseline: issues that are known and do not fail a run. A file of JSON lines, one issue each, sorted by fingerprint, so that it
 * lives in the repository, merges line by line, and can be reviewed: {"fp","rule","title","site","since"}. */
#ifndef CSP_TOOLS_FILTER_BASELINE_H
#define CSP_TOOLS_FILTER_BASELINE_H

#include <obstack.h>
#include <stdbool.h>
#include <stdio.h>

#define BASELINE_DEFAULT "cspcheck-baseline.jsonl"

struct baseline_entry { const char *fp, *rule, *title, *site, *since; };

struct baseline {
	const char *file;
	struct baseline_entry *entries; size_t n, room;
	char error[400];
};

/* 0, EX_NOINPUT if there is no such file, or EX_DATAERR; `error` says why. */
int baseline_read(struct baseline *b, const char *file, struct obstack *mem);
bool baseline_has(const struct baseline *b, const char *fp);
/* Texts are kept by reference. False: was there already (or no memory). */
bool baseline_add(struct baseline *b, struct baseline_entry e);
void baseline_remove(struct baseline *b, size_t i);
/* Replaces the file in one step. 0, EX_CANTCREAT or EX_IOERR. */
int baseline_write(struct baseline *b, const char *file);
void baseline_finish(struct baseline *b);

#endif
