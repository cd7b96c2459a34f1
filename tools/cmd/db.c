/* cspcheck db info | sql QUERY: the database for those who want to ask it themselves. */
#include "cmd/cmd.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cmd/options.h"

#define obstack_chunk_alloc malloc
#define obstack_chunk_free  free

struct db { struct options options; const char *words[2]; int n; };

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct db *d = state->input;

	if (key == ARGP_KEY_INIT)
		state->child_inputs[0] = &d->options;
	else if (key == ARGP_KEY_ARG && d->n < 2)
		d->words[d->n++] = arg;
	else if (key == ARGP_KEY_ARG)
		options_refuse(state->name, "too many arguments");
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

static int
info(struct store *s)
{
	static const char *const tables[] = { "session", "run", "issue", "report", "stack", "frame", "module", "file" };

	printf("database: %s\n", s->path);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		char sql[64];
		snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", tables[i]);
		sqlite3_stmt *q = store_query(s, sql, "");
		if (q && sqlite3_step(q) == SQLITE_ROW)
			printf("%-9s %lld\n", tables[i], (long long)sqlite3_column_int64(q, 0));
		sqlite3_finalize(q);
	}
	return 0;
}

/* Tab-separated with a head line, as `sqlite3 -header -separator` prints it. Reading only. */
static int
sql(struct store *s, const char *text)
{
	struct obstack mem;
	int rc;

	sqlite3_exec(s->db, "PRAGMA query_only = ON", NULL, NULL, NULL);
	sqlite3_stmt *q = store_query(s, text, "");
	if (!q) {
		fprintf(stderr, "cspcheck db: %s\n", s->error);
		return EX_USAGE;
	}
	obstack_init(&mem);
	for (int i = 0; i < sqlite3_column_count(q); i++)
		printf("%s%s", i ? "\t" : "", sqlite3_column_name(q, i));
	putchar('\n');
	while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(q); i++) {
			const char *v = (const char *)sqlite3_column_text(q, i);
			printf("%s%s", i ? "\t" : "", v ? text_clean(v, false, &mem) : "");
		}
		putchar('\n');
	}
	if (rc != SQLITE_DONE)
		fprintf(stderr, "cspcheck db: %s\n", sqlite3_errmsg(s->db));
	sqlite3_finalize(q);
	obstack_free(&mem, NULL);
	return rc == SQLITE_DONE ? 0 : EX_DATAERR;
}

int
cmd_db(int argc, char **argv)
{
	static const struct argp_child children[] = { { &options_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = { NULL, parse, "info\nsql QUERY", "Look into the results database.\vExample:\n"
		"  cspcheck db sql 'SELECT * FROM v_leak_cluster'\n", children, NULL, NULL };
	struct db d = { 0 };
	struct store s;

	options_init(&d.options);
	options_from_env(options_argp.options, options_argp.parser, &d.options, argv[0]);
	argp_parse(&argp, argc, argv, 0, NULL, &d);
	bool is_sql = d.n == 2 && !strcmp(d.words[0], "sql");
	if (!is_sql && (d.n != 1 || strcmp(d.words[0], "info")))
		options_refuse(argv[0], "info, or sql and a query");
	enum store_status status = store_open(&s, d.options.db, false);
	if (status != STORE_OK) {
		fprintf(stderr, "cspcheck: cannot use %s: %s\n", d.options.db, s.error);
		return status == STORE_UNWRITABLE ? EX_CANTCREAT : EX_DATAERR;
	}
	int result = is_sql ? sql(&s, d.words[1]) : info(&s);
	store_close(&s);
	return result;
}
