/* What objects of a finding are called: as the programmer calls them where that is known, else by where they come from. */
#ifndef CSP_TOOLS_FINDING_NAMES_H
#define CSP_TOOLS_FINDING_NAMES_H

#include <stdio.h>

#include "finding/finding.h"

const struct object *finding_object(const struct finding *f, uint64_t addr);
const struct goroutine *finding_goroutine(const struct finding *f, uint64_t gid);

/* "mutex", "channel", "wait group", … */
const char *name_kind(const char *kind);

/* "`m1`", "the channel made at a.c:12", "the mutex in a heap block of 64 bytes allocated at a.c:5", "the mutex on the stack of
 * goroutine 7". */
void name_object(FILE *to, const struct finding *f, uint64_t addr);
/* "goroutine 7 \"worker\"", "goroutine 1 (main)". */
void name_goroutine(FILE *to, const struct finding *f, uint64_t gid);
/* "a.c:12" of the innermost frame of the program (the path is with the stack); nothing and false without one. */
bool name_site(FILE *to, const struct stack *s);

/* The kind of fix this shape of mistake wants: for the rule, or more exactly where the shape is known. */
void name_fix(FILE *to, const struct finding *f);

/* One sentence per goroutine of the wait-for graph: what it holds, what it waits for, and who has that or could bring it. Calls `say` for
 * each with the text (no newline). */
void name_waits(const struct finding *f, void (*say)(const char *sentence, void *arg), void *arg);

#endif
