/* Schedules: by name, as a checked process is asked for one; as it leaves one behind; as text in a .cspr file; as a token on one line. */
#ifndef CSP_TOOLS_SCHEDULE_SCHEDULE_H
#define CSP_TOOLS_SCHEDULE_SCHEDULE_H

#include <stdbool.h>
#include <stdio.h>

#include "detector/explore/schedule.h"

#define SCHEDULE_NAMES "random, pos, pct:D, delay:K, fifo, lifo, rr or rev"

bool schedule_is_known(const char *name);
bool schedule_is_native(const char *name);

/* For the processes started from now on. With a schedule of ours their addresses are the same in every run too. */
void schedule_environment(const char *name, uint64_t seed, uint64_t index);

/* What one process did: copied out of its file in the spool. */
struct schedule {
	struct det_schedule    head;
	struct det_schedule_g *gs;
	struct det_deviation  *deviations;
};

/* False: that process left none (it was not run under a schedule of ours). */
bool schedule_load(struct schedule *s, const char *spool, int pid);
void schedule_finish(struct schedule *s);

/* csp1-STRATEGY-SEED-INDEX-HASH, with dots for the colons of the strategy's name. False: too long (a replay has none). */
enum { SCHEDULE_TOKEN_BYTES = 96 };
bool schedule_token(const struct schedule *s, char token[SCHEDULE_TOKEN_BYTES]);
/* The head's strategy, seed and index, and in its hash the 24 bits that the token has. False: this is no token. */
bool schedule_parse_token(const char *token, struct det_schedule *head);
enum { SCHEDULE_TOKEN_HASH_BITS = 24 };

/* cspr.c. Write the schedule as text; 0, or -1 with errno set. */
int schedule_write(const struct schedule *s, FILE *f);
/* NULL, or what is wrong with the file (static, or in a buffer that the next call uses again). On NULL the caller finishes s. */
const char *schedule_read(struct schedule *s, const char *path);
/* The file a process follows with the schedule replay:FILE. */
int schedule_write_replay(const struct schedule *s, const char *path);

/* How a replay went; `done` is what the process left, `wanted` what it was to follow. */
enum schedule_verdict { SCHEDULE_EXACT, SCHEDULE_SAME_HB, SCHEDULE_DRIFTED, SCHEDULE_INFEASIBLE };
/* *step: where it left the recorded way, 0 if that is not known. */
enum schedule_verdict schedule_compare(const struct schedule *done, const struct det_schedule *wanted, bool wanted_is_token, uint64_t *step);
const char *schedule_verdict_name(enum schedule_verdict v);

#endif
