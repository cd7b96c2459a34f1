/* What a run reported, without making names of its addresses: enough to tell a failure that is new from one that was seen. */
#ifndef CSP_TOOLS_LAUNCH_WITNESS_H
#define CSP_TOOLS_LAUNCH_WITNESS_H

#include <stdbool.h>
#include <stdint.h>

enum { WITNESS_KEYS = 64 };

struct witness {
	unsigned n;                     /* findings that count, each once */
	uint64_t key[WITNESS_KEYS];     /* rule and addresses in the code */
	bool     any;                   /* a stream was left, whatever is in it */
	bool     panic;
	uint64_t notes;                 /* of those that do not count, together; 0: none */
	uint64_t losses;                /* times precision was given up */
};

void witness_read(struct witness *w, const char *dir);
/* Remove the streams of dir. */
void witness_clear(const char *dir);

/* The same failure: the same findings; without any, the same end of the process. */
struct failure { struct witness w; int status; bool timed_out; };
uint64_t failure_key(const struct failure *f);

#endif
