#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "schema.h"

#define APPLICATION_ID  0x43535043
#define SCHEMA_VERSION  1
#define BUSY_TIMEOUT_MS 10000

static void
bind(sqlite3_stmt *q, const char *types, va_list ap)
{
	for (int i = 1; *types; types++, i++) {
		if (*types == 'i') {
			sqlite3_bind_int64(q, i, va_arg(ap, int64_t));
		} else if (*types == 's') {
			sqlite3_bind_text(q, i, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
		} else {
			const void *p = va_arg(ap, const void *);
			size_t n = va_arg(ap, size_t);
			sqlite3_bind_blob64(q, i, p, n, SQLITE_TRANSIENT);
		}
	}
}

static void
keep_error(struct store *s)
{
	snprintf(s->error, sizeof(s->error), "%s", s->db ? sqlite3_errmsg(s->db) : "out of memory");
}

sqlite3_stmt *
store_query(struct store *s, const char *sql, const char *types, ...)
{
	sqlite3_stmt *q = NULL;
	va_list ap;

	if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK) {
		keep_error(s);
		return NULL;
	}
	va_start(ap, types);
	bind(q, types, ap);
	va_end(ap);
	return q;
}

int64_t
store_run(struct store *s, const char *sql, const char *types, ...)
{
	sqlite3_stmt *q = NULL;
	va_list ap;
	int rc;

	if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK) {
		keep_error(s);
		return -1;
	}
	va_start(ap, types);
	bind(q, types, ap);
	va_end(ap);
	while ((rc = sqlite3_step(q)) == SQLITE_ROW)
		;
	if (rc != SQLITE_DONE)
		keep_error(s);
	sqlite3_finalize(q);
	return rc == SQLITE_DONE ? sqlite3_last_insert_rowid(s->db) : -1;
}

int
store_transaction(struct store *s)
{
	return store_run(s, "BEGIN IMMEDIATE", "") < 0 ? -1 : 0;
}

int
store_finish(struct store *s, int result)
{
	if (result == 0 && store_run(s, "COMMIT", "") >= 0)
		return 0;
	sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL); /* s->error keeps the cause */
	return -1;
}

static int64_t
pragma(struct store *s, const char *sql)
{
	sqlite3_stmt *q = store_query(s, sql, "");
	int64_t v = q && sqlite3_step(q) == SQLITE_ROW ? sqlite3_column_int64(q, 0) : -1;
	if (v < 0)
		keep_error(s);
	sqlite3_finalize(q);
	return v;
}

/* A missing directory is made, one level: `.cspcheck` of the default path. */
static void
make_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];

	if (!slash || slash == path || (size_t)(slash - path) >= sizeof(dir))
		return;
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	mkdir(dir, 0777);
}

/* Two processes may find the file empty at once; the second sees the first one's schema inside its own transaction. */
static enum store_status
make_schema(struct store *s)
{
	char *message = NULL;

	if (store_transaction(s) < 0)
		return STORE_UNWRITABLE;
	if (pragma(s, "PRAGMA application_id") == APPLICATION_ID) {
		store_finish(s, 0);
		return STORE_OK;
	}
	if (sqlite3_exec(s->db, store_schema_sql, NULL, NULL, &message) != SQLITE_OK) {
		snprintf(s->error, sizeof(s->error), "%s", message ? message : "cannot create the schema");
		sqlite3_free(message);
		store_finish(s, -1);
		return STORE_UNWRITABLE;
	}
	return store_finish(s, 0) == 0 ? STORE_OK : STORE_UNWRITABLE;
}

static enum store_status
check_identity(struct store *s, bool create)
{
	sqlite3_stmt *q = store_query(s, "SELECT count(*) FROM sqlite_master", "");
	int rc = q ? sqlite3_step(q) : sqlite3_errcode(s->db);
	int64_t tables = rc == SQLITE_ROW ? sqlite3_column_int64(q, 0) : -1;

	if (tables < 0)
		keep_error(s);
	sqlite3_finalize(q);
	if (tables < 0) {
		rc &= 0xff;
		return rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT ? STORE_BAD : STORE_UNWRITABLE;
	}
	if (tables == 0 && create)
		return make_schema(s);
	if (pragma(s, "PRAGMA application_id") != APPLICATION_ID) {
		snprintf(s->error, sizeof(s->error), "is a database, but not one of cspcheck");
		return STORE_BAD;
	}
	if (pragma(s, "PRAGMA user_version") > SCHEMA_VERSION) {
		snprintf(s->error, sizeof(s->error), "was written by a newer cspcheck (schema %ld, this one knows %d)",
			(long)pragma(s, "PRAGMA user_version"), SCHEMA_VERSION);
		return STORE_BAD;
	}
	return STORE_OK;
}

/* Changing the journal mode ignores the busy timeout. */
static void
use_wal(struct store *s)
{
	for (int i = 0; i < 100; i++) {
		if (sqlite3_exec(s->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL) != SQLITE_BUSY)
			break;
		usleep(10000);
	}
	sqlite3_exec(s->db, "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON", NULL, NULL, NULL);
}

enum store_status
store_open(struct store *s, const char *path, bool create)
{
	enum store_status status;
	bool there = access(path, F_OK) == 0;

	memset(s, 0, sizeof(*s));
	s->path = strdup(path);
	if (!there && !create) {
		snprintf(s->error, sizeof(s->error), "does not exist");
		return STORE_ABSENT;
	}
	if (create && !there)
		make_parent(path);
	if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0), NULL) != SQLITE_OK) {
		int error = sqlite3_system_errno(s->db);
		snprintf(s->error, sizeof(s->error), "%s", error ? strerror(error) : sqlite3_errmsg(s->db));
		store_close(s);
		return STORE_UNWRITABLE;
	}
	sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
	if (create && sqlite3_db_readonly(s->db, "main")) {
		snprintf(s->error, sizeof(s->error), "is read-only");
		status = STORE_UNWRITABLE;
	} else {
		status = check_identity(s, create);
		if (status == STORE_OK && create)
			use_wal(s);
	}
	if (status != STORE_OK)
		store_close(s);
	return status;
}

void
store_close(struct store *s)
{
	store_files_forget(s);
	sqlite3_close(s->db);
	free(s->path);
	s->db = NULL;
	s->path = NULL;
}

static int64_t
wall_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

int
store_begin_session(struct store *s, const char *kind, int argc, char *const *argv)
{
	char host[256] = "", cwd[PATH_MAX] = "";
	json_t *list = json_array();

	for (int i = 0; i < argc && argv[i]; i++)
		json_array_append_new(list, json_string(argv[i]) ?: json_string("?")); /* jansson refuses what is no UTF-8 */
	char *args = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	gethostname(host, sizeof(host) - 1);
	if (!getcwd(cwd, sizeof(cwd)))
		cwd[0] = '\0';
	s->session = store_run(s, "INSERT INTO session (kind, started_ns, argv, cwd, host, tool_version) VALUES (?, ?, ?, ?, ?, ?)", "sissss",
		kind, wall_ns(), args ? args : "[]", cwd, host, CSPCHECK_VERSION);
	free(args);
	return s->session < 0 ? -1 : 0;
}

int
store_end_session(struct store *s, int exit_status)
{
	return store_run(s, "UPDATE session SET ended_ns = ?, exit_status = ? WHERE id = ?", "iii", wall_ns(), (int64_t)exit_status, s->session) < 0 ? -1 : 0;
}

int
store_begin_run(struct store *s, struct process *p)
{
	p->run_id = store_run(s, "INSERT INTO run (session_id, pid, ppid, exe, seed, procs, instrumented, started_ns, outcome) "
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'running')", "iiisiiii", s->session, (int64_t)p->pid, (int64_t)p->ppid, p->exe, (int64_t)p->seed,
		(int64_t)p->procs, (int64_t)p->instrumented, p->start_ns);
	if (p->run_id < 0)
		p->run_id = 0;
	return p->run_id ? 0 : -1;
}

int
store_end_run(struct store *s, const struct process *p, const char *outcome, int exit_status, int term_signal)
{
	return store_run(s, "UPDATE run SET outcome = ?, exit_status = ?, term_signal = ?, goroutines = ? WHERE id = ?", "siiii",
		outcome, (int64_t)exit_status, (int64_t)term_signal, (int64_t)p->goroutines, p->run_id) < 0 ? -1 : 0;
}
