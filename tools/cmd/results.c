#include "cmd/results.h"

#include <sysexits.h>

int
results_open(struct store *s, const struct options *o)
{
	enum store_status status = store_open(s, o->db, false);

	if (status == STORE_OK)
		return 0;
	if (status == STORE_ABSENT)
		fprintf(stderr, "cspcheck: no results in %s yet; `cspcheck run prog.c' makes some\n", o->db);
	else
		fprintf(stderr, "cspcheck: cannot use %s: %s\n", o->db, s->error);
	return status == STORE_UNWRITABLE ? EX_CANTCREAT : EX_DATAERR;
}

struct finding *
results_finding(struct store *s, const struct options *o, const char *id, struct obstack *mem)
{
	int64_t issue = store_find(s, id);
	struct finding *f = issue ? store_load(s, issue, mem) : NULL;

	if (!f)
		fprintf(stderr, "cspcheck: no issue '%s' in %s; `cspcheck report list' shows all\n", id, o->db);
	return f;
}
