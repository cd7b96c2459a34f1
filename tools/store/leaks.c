/* Leaked goroutines in clusters, for `cspcheck leaks`: read by SQL alone, so that a thousand of them take no longer than they should. */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#define obstack_chunk_alloc malloc
#define obstack_chunk_free  free

/* Innermost frame of the program of a stack, "file:line" or "module function". */
#define SITE_OF(stack) "(SELECT coalesce(file.path || ':' || frame.line, frame.func) FROM stack_frame sf JOIN frame ON frame.id = sf.frame_id " \
	"LEFT JOIN file ON file.id = frame.file_id WHERE sf.stack_id = " stack " AND NOT frame.internal ORDER BY sf.idx LIMIT 1)"

static const char *
text(sqlite3_stmt *q, int col, struct obstack *mem)
{
	const char *s = (const char *)sqlite3_column_text(q, col);
	return s ? obstack_copy0(mem, s, sqlite3_column_bytes(q, col)) : "";
}

long
store_leaks(struct store *s, struct obstack *mem, struct leak **out)
{
	sqlite3_stmt *q = store_query(s,
		"WITH last AS (SELECT issue_id, max(id) AS report FROM report GROUP BY issue_id) "
		"SELECT c.issue_id, i.rule, c.title, c.site, ifnull(c.proof, ''), c.goroutines, c.runs, ifnull(c.blocked_ns_max, 0), "
		"ifnull((SELECT " SITE_OF("g.created_stack") " FROM goroutine g WHERE g.report_id = last.report AND g.ord = 0), ''), "
		"ifnull((SELECT coalesce(o.name, CASE o.kind WHEN 'chan' THEN 'channel made at ' ELSE o.kind || ' allocated at ' END || " SITE_OF("o.created_stack") ", o.kind) "
		"FROM object o WHERE o.report_id = last.report AND o.ord = 0), ''), "
		"ifnull((SELECT group_concat(DISTINCT coalesce(g.entry, CASE g.gid WHEN 1 THEN 'main' ELSE 'goroutine ' || g.gid END) || CASE g.state WHEN 'finished' THEN ' (finished)' ELSE '' END) "
		"FROM wait_edge e JOIN goroutine g ON g.report_id = e.report_id AND g.gid = e.to_id WHERE e.report_id = last.report AND e.from_kind = 'object' AND e.to_kind = 'goroutine'), ''), "
		"(SELECT gate FROM report WHERE id = last.report) "
		"FROM v_leak_cluster c JOIN issue i ON i.id = c.issue_id JOIN last ON last.issue_id = i.id ORDER BY c.goroutines DESC, c.issue_id", "");
	struct obstack rows;
	long n = 0;

	if (!q)
		return -1;
	obstack_init(&rows);
	while (sqlite3_step(q) == SQLITE_ROW) {
		struct leak l = { .id = sqlite3_column_int64(q, 0), .rule = (uint32_t)sqlite3_column_int64(q, 1), .goroutines = (uint64_t)sqlite3_column_int64(q, 5),
			.runs = (uint64_t)sqlite3_column_int64(q, 6), .blocked_ns = sqlite3_column_int64(q, 7), .gate = sqlite3_column_int64(q, 11) };
		l.title = text(q, 2, mem);
		l.site = text(q, 3, mem);
		l.proof = text(q, 4, mem);
		l.creator = text(q, 8, mem);
		l.object = text(q, 9, mem);
		l.wakers = text(q, 10, mem);
		obstack_grow(&rows, &l, sizeof(l));
		n++;
	}
	sqlite3_finalize(q);
	*out = obstack_copy(mem, obstack_base(&rows), (int)((size_t)n * sizeof(**out)));
	obstack_free(&rows, NULL);
	return n;
}
