/* Record stream → findings: parses each record, gives addresses names, and tells the caller what happened. */
#ifndef CSP_TOOLS_STORE_INGEST_H
#define CSP_TOOLS_STORE_INGEST_H

#include "finding/finding.h"

/* What one process said about itself. */
struct process {
	int      pid, ppid, procs;
	const char *exe;
	uint64_t seed;
	bool     has_seed, instrumented, said_bye;
	int64_t  start_ns;
	uint64_t goroutines;            /* started, by its last record */
	uint64_t loss_count; const char *loss_what;     /* precision given up, last kind named */
	const char *panic;              /* text, or NULL */
	bool     panic_explained;       /* a gated finding of deadlock, misuse or crash was seen */
	int64_t  run_id;                /* free for the store's user */
	struct process *next;
};

struct ingest_handler {
	void *arg;
	void (*hello)(void *arg, struct process *p);
	void (*finding)(void *arg, struct process *p, struct finding *f);       /* f lives until ingest_close */
	void (*again)(void *arg, struct process *p, uint32_t n, uint64_t count);
};

struct ingest;

struct ingest *ingest_open(const char *spool_dir, const struct ingest_handler *handler);
void ingest_close(struct ingest *in);   /* accepts NULL */

void ingest_poll(struct ingest *in);
/* All processes so far, in the order of their first record. */
struct process *ingest_processes(const struct ingest *in);
unsigned ingest_damaged(const struct ingest *in);
/* For findings the tool makes itself (time limit). */
struct obstack *ingest_memory(struct ingest *in);

#endif
