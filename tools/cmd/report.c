/* cspcheck report list|show, and the shortcuts races and deadlocks. They read the database and print to stdout. */
#include "cmd/cmd.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cmd/options.h"
#include "cmd/results.h"

#define obstack_chunk_alloc malloc
#define obstack_chunk_free  free

struct report {
	struct options options;
	char **words; int n_words;
	const char *rule, *proof, *match;
	long top;
	bool last, failing;
};

enum { KEY_RULE = 0x2000, KEY_PROOF, KEY_MATCH, KEY_TOP, KEY_LAST, KEY_FAILING };

static const struct argp_option table[] = {
	{ "rule", KEY_RULE, "RULE", 0, "only this rule; * stands for any text: CSP1*", 1 },
	{ "proof", KEY_PROOF, "P", 0, "only this proof class (P0 to P3, S1, S2, L)", 1 },
	{ "match", KEY_MATCH, "TEXT", 0, "only where title or site contain TEXT", 1 },
	{ "last", KEY_LAST, NULL, 0, "only what the last session saw", 1 },
	{ "failing", KEY_FAILING, NULL, 0, "without notes", 1 },
	{ "top", KEY_TOP, "N", 0, "the N that occurred most often", 1 },
	{ 0 }
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct report *r = state->input;
	char *end;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &r->options; break;
	case KEY_RULE: r->rule = arg; break;
	case KEY_PROOF: r->proof = arg; break;
	case KEY_MATCH: r->match = arg; break;
	case KEY_LAST: r->last = true; break;
	case KEY_FAILING: r->failing = true; break;
	case KEY_TOP:
		r->top = strtol(arg, &end, 10);
		if (*end || r->top < 1)
			options_refuse(state->name, "--top wants a number from 1, not '%s'", arg);
		break;
	case ARGP_KEY_ARG:
		r->words[r->n_words++] = arg;
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static void
write_issues(FILE *to, const struct options *o, const struct view *v, const struct issue *issues, long n)
{
	if (o->format != FORMAT_JSON) {
		human_list(to, v, issues, n);
		return;
	}
	json_t *list = json_array();
	for (long i = 0; i < n; i++)
		json_array_append_new(list, json_issue(&issues[i]));
	json_t *doc = json_pack("{si so}", "version", 1, "issues", list);
	json_dumpf(doc, to, JSON_INDENT(1));
	fputc('\n', to);
	json_decref(doc);
}

static void
write_finding(FILE *to, const struct options *o, const struct view *v, const struct finding *f)
{
	if (o->format == FORMAT_HUMAN) {
		human_finding(to, v, f);
	} else if (o->format == FORMAT_GO) {
		go_finding(to, v, f);
	} else if (o->format == FORMAT_DOT) {
		dot_finding(to, v, f);
	} else {
		json_t *doc = json_pack("{si s[o]}", "version", 1, "findings", json_finding(v, f));
		json_dumpf(doc, to, JSON_INDENT(1));
		fputc('\n', to);
		json_decref(doc);
	}
}

static int
by_occurrences(const void *a, const void *b)
{
	const struct issue *x = a, *y = b;
	return x->occurrences != y->occurrences ? (x->occurrences < y->occurrences ? 1 : -1) : (x->id > y->id) - (x->id < y->id);
}

/* Keeps what the filters let through; returns how many. */
static long
filter_issues(const struct report *r, struct issue *issues, long n, int64_t newest)
{
	long kept = 0;

	for (long i = 0; i < n; i++) {
		char rule[16];
		snprintf(rule, sizeof(rule), "CSP%u", issues[i].rule);
		if ((r->rule && fnmatch(r->rule, rule, 0) != 0 && strcmp(r->rule, rule + 3)) || (r->proof && (!issues[i].proof || strcmp(r->proof, issues[i].proof)))
		    || (r->match && !strstr(issues[i].title, r->match) && !strstr(issues[i].site, r->match)) || (r->last && issues[i].last_session != newest)
		    || (r->failing && !issues[i].gate))
			continue;
		issues[kept++] = issues[i];
	}
	if (r->top && kept > r->top) {
		qsort(issues, (size_t)kept, sizeof(*issues), by_occurrences);
		kept = r->top;
	}
	return kept;
}

static int
list(struct store *s, const struct report *r, const struct view *v, unsigned kinds, FILE *to, struct obstack *mem)
{
	struct issue *issues;
	long n = store_list(s, kinds, mem, &issues);

	if (n < 0) {
		fprintf(stderr, "cspcheck: cannot read %s: %s\n", r->options.db, s->error);
		return EX_DATAERR;
	}
	n = filter_issues(r, issues, n, store_newest_session(s));
	if (r->options.format == FORMAT_DOT)
		for (long i = 0; i < n; i++) {
			const struct finding *f = store_load(s, issues[i].id, mem);
			if (f && f->n_edges)
				dot_finding(to, v, f);
		}
	else
		write_issues(to, &r->options, v, issues, n);
	return 0;
}

/* One issue if id, else the list of kinds. */
static int
report(const struct report *r, const char *id, unsigned kinds)
{
	const struct options *o = &r->options;
	struct store s;
	struct obstack mem;
	int status = results_open(&s, o);

	if (status)
		return status;
	FILE *to = results_output(o, &status);
	obstack_init(&mem);
	if (to) {
		const struct view v = { text_use_colour(o->colour, fileno(to)), o->verbose, o->source_root, text_width(fileno(to)), id ? store_rerun(&s, id, &mem) : NULL };
		const struct finding *f = id ? results_finding(&s, o, id, &mem) : NULL;
		if (f)
			write_finding(to, o, &v, f);
		status = id ? (f ? 0 : EX_USAGE) : list(&s, r, &v, kinds, to, &mem);
	}
	status = results_output_done(o, to, status);
	obstack_free(&mem, NULL);
	store_close(&s);
	return status;
}

static void
parse_words(struct report *r, int argc, char **argv, const char *args, const char *doc)
{
	static const struct argp_child children[] = { { &options_argp, 0, NULL, 0 }, { 0 } };
	const struct argp argp = { table, parse, args, doc, children, NULL, NULL };

	options_init(&r->options);
	r->words = calloc((size_t)argc + 1, sizeof(*r->words));
	if (!r->words)
		exit(EX_OSERR);
	options_from_env(options_argp.options, options_argp.parser, &r->options, argv[0]);
	argp_parse(&argp, argc, argv, 0, NULL, r);
}

int
cmd_report(int argc, char **argv)
{
	struct report r = { 0 };
	int status;

	parse_words(&r, argc, argv, "list\nshow ID", "Print what is in the results database.\v"
		"ID is a number of the list, or the beginning of a fingerprint.\n\nExamples:\n"
		"  cspcheck report list\n  cspcheck report show 41\n  cspcheck report show 41 --format go\n  cspcheck report list --rule 'CSP1*' --last\n  cspcheck report show 41 --format dot | dot -Tsvg > waits.svg\n");
	const char *what = r.n_words ? r.words[0] : "list";
	if (!strcmp(what, "list") && r.n_words <= 1)
		status = report(&r, NULL, 0);
	else if (!strcmp(what, "show") && r.n_words == 2)
		status = report(&r, r.words[1], 0);
	else if (!strcmp(what, "show"))
		options_refuse(argv[0], "show wants one ID");
	else
		options_refuse(argv[0], "list or show, not '%s'", what);
	free(r.words);
	return status;
}

static int
shortcut(int argc, char **argv, unsigned kinds, const char *doc)
{
	struct report r = { 0 };

	parse_words(&r, argc, argv, "", doc);
	if (r.n_words)
		options_refuse(argv[0], "takes no arguments");
	int status = report(&r, NULL, kinds);
	free(r.words);
	return status;
}

int
cmd_races(int argc, char **argv)
{
	return shortcut(argc, argv, 1u << RULE_RACE, "List the data races in the results database.");
}

int
cmd_deadlocks(int argc, char **argv)
{
	return shortcut(argc, argv, 1u << RULE_DEADLOCK, "List the deadlocks in the results database.");
}
