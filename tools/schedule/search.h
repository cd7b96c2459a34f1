/* Depth-first search of all schedules, without running twice what has the same order of everything that depends on each other: each run is a
 * prefix of decisions and then the default schedule; its tape tells where the branches are. A branch is not followed from a state that was
 * met before. When next returns false every such order of the program has been run once. */
#ifndef CSP_TOOLS_SCHEDULE_SEARCH_H
#define CSP_TOOLS_SCHEDULE_SEARCH_H

#include <stdbool.h>
#include <stddef.h>

#include "detector/explore/schedule.h"

struct search;

struct search *search_create(void);
void search_destroy(struct search *s);

/* The decisions of the next run; false: there is none left. */
bool search_next(struct search *s, uint16_t *prefix, uint32_t *n);
enum search_state { SEARCH_GOES_ON, SEARCH_NONDETERMINISTIC, SEARCH_TOO_LARGE };
/* How that run went. */
enum search_state search_learn(struct search *s, const struct det_tape_entry *tape, uint32_t n);

/* A set of 64-bit hashes. */
struct hashes { uint64_t *at; size_t n, room; bool has_zero; };
bool hashes_add(struct hashes *h, uint64_t x);  /* true: it is new */
bool hashes_has(const struct hashes *h, uint64_t x);
void hashes_finish(struct hashes *h);

#endif
