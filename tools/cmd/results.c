#include "cmd/results.h"

#include <errno.h>
#include <string.h>
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

FILE *
results_output(const struct options *o, int *status)
{
	FILE *to = o->output ? fopen(o->output, "we") : stdout;

	if (!to) {
		fprintf(stderr, "cspcheck: cannot write %s: %s\n", o->output, strerror(errno));
		*status = EX_CANTCREAT;
	}
	return to;
}

int
results_output_done(const struct options *o, FILE *to, int status)
{
	if (!to)
		return status;
	bool bad = fflush(to) != 0 || ferror(to);
	if (to != stdout && fclose(to) != 0)
		bad = true;
	if (bad && status == 0) {
		fprintf(stderr, "cspcheck: cannot write %s: %s\n", o->output ? o->output : "to standard output", strerror(errno));
		status = EX_IOERR;
	}
	return status;
}
