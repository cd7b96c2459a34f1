/* cspcheck diff A B: what is new, gone and the same between two sessions of a database, or between two databases. */
#include "cmd/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/options.h"
#include "cmd/results.h"

#define obstack_chunk_alloc malloc
#define obstack_chunk_free  free

struct diff { struct options options; const char *side[2]; int n; bool notes; };

enum { KEY_NOTES = 0x2000 };

static const struct argp_option table[] = {
	{ "notes", KEY_NOTES, NULL, 0, "compare notes too, not only what fails a run", 1 },
	{ 0 }
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct diff *d = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &d->options; break;
	case KEY_NOTES: d->notes = true; break;
	case ARGP_KEY_ARG:
		if (d->n == 2)
			options_refuse(state->name, "takes two sides, A and B");
		d->side[d->n++] = arg;
		break;
	case ARGP_KEY_END:
		if (d->n != 2)
			options_refuse(state->name, "wants two sides, A and B: sessions (numbers, or last, last-1 …) or database files");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* A session by number, or counted back from the newest ("last", "last-2"); 0: no such words. */
static int64_t
session_of(struct store *s, const char *word)
{
	char *end;
	int64_t back = 0;

	if (!strncmp(word, "last", 4)) {
		if (word[4] == '-')
			back = strtoll(word + 5, &end, 10);
		else
			end = (char *)word + 4;
		return *end || back < 0 ? 0 : store_nth_session(s, back);
	}
	int64_t n = strtoll(word, &end, 10);
	return end == word || *end || n < 1 ? 0 : n;
}

/* The issues of one side. A file is a database, all of it; anything else a session of the database of --db. */
static int
read_side(const struct diff *d, const char *side, struct obstack *mem, struct issue **out, long *n)
{
	struct options o = d->options;
	bool file = strchr(side, '/') || access(side, F_OK) == 0;
	struct store s;

	if (file)
		o.db = side;
	int status = results_open(&s, &o);
	if (status)
		return status;
	int64_t session = file ? 0 : session_of(&s, side);
	if (!file && (session == 0 || !store_has_session(&s, session))) {
		fprintf(stderr, "cspcheck: no session '%s' in %s and no such file; `cspcheck db info' tells how many there are\n", side, o.db);
		status = EX_USAGE;
	} else if ((*n = file ? store_list(&s, 0, mem, out) : store_list_session(&s, session, mem, out)) < 0) {
		fprintf(stderr, "cspcheck: cannot read %s: %s\n", o.db, s.error);
		status = EX_DATAERR;
	}
	store_close(&s);
	return status;
}

static const struct issue *
find(const struct issue *list, long n, const char *fp)
{
	for (long i = 0; i < n; i++)
		if (!strcmp(list[i].fp, fp))
			return &list[i];
	return NULL;
}

static long
select_issues(const struct diff *d, const struct issue *a, long n_a, const struct issue *b, long n_b, bool in_b, struct issue *out)
{
	long n = 0;

	for (long i = 0; i < n_a; i++)
		if ((a[i].gate || d->notes) && (find(b, n_b, a[i].fp) != NULL) == in_b)
			out[n++] = a[i];
	return n;
}

static void
section(FILE *to, const struct view *v, const char *title, const struct issue *list, long n)
{
	fprintf(to, "%s: %ld\n", title, n);
	if (n)
		human_list(to, v, list, n);
}

static json_t *
issues_json(const struct issue *list, long n)
{
	json_t *a = json_array();
	for (long i = 0; i < n; i++)
		json_array_append_new(a, json_issue(&list[i]));
	return a;
}

static int
compare(const struct diff *d, const struct issue *a, long n_a, const struct issue *b, long n_b)
{
	int status = 0;
	struct issue *out = calloc((size_t)(n_a + n_b) * 2 + 1, sizeof(*out)), *gone = out + n_b, *same = gone + n_a;
	FILE *to = out ? results_output(&d->options, &status) : NULL;

	if (!to) {
		free(out);
		return status ? status : EX_OSERR;
	}
	const struct view v = { .colour = text_use_colour(d->options.colour, fileno(to)), .source_root = d->options.source_root };
	long n_new = select_issues(d, b, n_b, a, n_a, false, out), n_gone = select_issues(d, a, n_a, b, n_b, false, gone), n_same = select_issues(d, b, n_b, a, n_a, true, same);
	if (d->options.format == FORMAT_JSON) {
		json_t *doc = json_pack("{si so so so}", "version", 1, "new", issues_json(out, n_new), "fixed", issues_json(gone, n_gone), "unchanged", issues_json(same, n_same));
		json_dumpf(doc, to, JSON_INDENT(1));
		fputc('\n', to);
		json_decref(doc);
	} else {
		section(to, &v, "new", out, n_new);
		section(to, &v, "fixed", gone, n_gone);
		section(to, &v, "unchanged", same, n_same);
	}
	free(out);
	return results_output_done(&d->options, to, status);
}

int
cmd_diff(int argc, char **argv)
{
	static const struct argp_child children[] = { { &options_argp, 0, "Results and output:", 10 }, { 0 } };
	static const struct argp argp = { table, parse, "A B", "What is new in B, what of A is not in it any more (fixed, or not shown by that schedule), and what is in both.\v"
		"A and B are sessions of the database (a number, last, last-1 …; one run of cspcheck is one session) or database files.\n\n"
		"Examples:\n  cspcheck diff last-1 last\n  cspcheck diff main.db .cspcheck/results.db\n", children, NULL, NULL };
	struct diff d = { 0 };
	struct obstack mem;
	struct issue *a = NULL, *b = NULL;
	long n_a = 0, n_b = 0;

	options_init(&d.options);
	options_from_env(options_argp.options, options_argp.parser, &d.options, argv[0]);
	argp_parse(&argp, argc, argv, 0, NULL, &d);
	obstack_init(&mem);
	int status = read_side(&d, d.side[0], &mem, &a, &n_a);
	if (status == 0)
		status = read_side(&d, d.side[1], &mem, &b, &n_b);
	if (status == 0)
		status = compare(&d, a, n_a, b, n_b);
	obstack_free(&mem, NULL);
	return status;
}
