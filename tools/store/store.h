/* The results database: the only code that opens SQLite. Several cspcheck may share one file; every change is one BEGIN IMMEDIATE
 * transaction, so that waiting (busy_timeout) instead of failing is always possible. */
#ifndef CSP_TOOLS_STORE_STORE_H
#define CSP_TOOLS_STORE_STORE_H

#include <sqlite3.h>

#include "finding/finding.h"
#include "finding/rules.h"
#include "store/ingest.h"

struct store {
	sqlite3 *db;
	char    *path;
	char     error[512];            /* why the last call failed */
	int64_t  session;
	struct store_file *files;       /* sources already stored by this process */
};

enum store_status {
	STORE_OK,
	STORE_ABSENT,                   /* opened for reading, and there is none */
	STORE_UNWRITABLE,               /* the file system refuses: status 73 */
	STORE_BAD                       /* no database, not ours, or of a newer cspcheck: status 65 */
};

/* With `create`, the file and its directory are made if missing, and it is opened for writing. */
enum store_status store_open(struct store *s, const char *path, bool create);
void store_close(struct store *s);

/* All of these return 0, or -1 with s->error set; nothing is half done. */
int store_begin_session(struct store *s, const char *kind, int argc, char *const *argv);
int store_end_session(struct store *s, int exit_status);
int store_begin_run(struct store *s, struct process *p);       /* sets p->run_id */
int store_end_run(struct store *s, const struct process *p, const char *outcome, int exit_status, int term_signal);
int store_save_finding(struct store *s, const struct process *p, struct finding *f);   /* sets issue_id and sessions */
int store_set_occurrences(struct store *s, const struct process *p, const struct finding *f);

/* --- reading --- */
struct issue {
	int64_t  id;
	uint32_t rule;
	const char *fp, *title, *site, *proof, *first_seen, *last_seen;
	uint64_t occurrences, sessions;
	int64_t  last_session;
	bool gate;
};
/* Issues of the kinds in `kinds` (bit 1 << rule_kind; 0 for all), oldest first. Returns how many, or -1. */
long store_list(struct store *s, unsigned kinds, struct obstack *mem, struct issue **out);
/* The same, what one session saw only; occurrences and sessions are that session's. */
long store_list_session(struct store *s, int64_t session, struct obstack *mem, struct issue **out);
bool store_has_session(struct store *s, int64_t session);
/* Counted back from the newest, which is 0; 0 if there are not so many. */
int64_t store_nth_session(struct store *s, int64_t back);
/* Leaks with what is told of their latest report: who started the first goroutine, what it waits for, and the functions of those who could
 * have woken it, "" where that is not known. Most goroutines first. */
struct leak {
	int64_t  id, blocked_ns;
	uint32_t rule;
	const char *title, *site, *proof, *creator, *object, *wakers;
	uint64_t goroutines, runs;
	bool gate;
};
long store_leaks(struct store *s, struct obstack *mem, struct leak **out);
/* Number of the newest session, and how many there are; 0 for none. */
int64_t store_newest_session(struct store *s);
int64_t store_sessions(struct store *s);
/* The latest report of an issue with all its parts; NULL if there is no such issue. */
struct finding *store_load(struct store *s, int64_t issue, struct obstack *mem);
/* The command that ran its latest report, with its seed, for the user to run again; NULL if it is not known. */
const char *store_rerun(struct store *s, const char *id_or_fp, struct obstack *mem);
/* An issue by its number or by the beginning of its fingerprint (at least 4 digits); 0 if none or several. */
int64_t store_find(struct store *s, const char *id_or_fp);

/* --- for the other files of this room --- */
/* Prepared statement with its arguments bound: i int64_t, s const char * or NULL, b pointer and size_t. NULL on failure. */
sqlite3_stmt *store_query(struct store *s, const char *sql, const char *types, ...);
/* Run to the end; last inserted row id, or -1. */
int64_t store_run(struct store *s, const char *sql, const char *types, ...);
int store_transaction(struct store *s);         /* BEGIN IMMEDIATE */
int store_finish(struct store *s, int result);  /* COMMIT if result is 0, else ROLLBACK; returns the result */
int store_files_forget(struct store *s);

#endif
