/* cspcheck report list|show, and the shortcuts races, deadlocks, leaks. They read the database and print to stdout. */
#include "cmd/cmd.h"

#include <errno.h>
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
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct report *r = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &r->options; break;
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
	} else {
		json_t *doc = json_pack("{si s[o]}", "version", 1, "findings", json_finding(v, f));
		json_dumpf(doc, to, JSON_INDENT(1));
		fputc('\n', to);
		json_decref(doc);
	}
}

/* One issue if id, else the list of kinds. */
static int
report(const struct options *o, const char *id, unsigned kinds)
{
	struct store s;
	struct obstack mem;
	struct issue *issues;
	FILE *to = stdout;
	int status = results_open(&s, o);

	if (status)
		return status;
	if (o->output && !(to = fopen(o->output, "we"))) {
		fprintf(stderr, "cspcheck: cannot write %s: %s\n", o->output, strerror(errno));
		store_close(&s);
		return EX_CANTCREAT;
	}
	obstack_init(&mem);
	const struct view v = { text_use_colour(o->colour, fileno(to)), o->verbose, o->source_root, text_width(fileno(to)), id ? store_rerun(&s, id, &mem) : NULL };
	if (id) {
		const struct finding *f = results_finding(&s, o, id, &mem);
		if (f)
			write_finding(to, o, &v, f);
		status = f ? 0 : EX_USAGE;
	} else {
		long n = store_list(&s, kinds, &mem, &issues);
		if (n >= 0)
			write_issues(to, o, &v, issues, n);
		else
			fprintf(stderr, "cspcheck: cannot read %s: %s\n", o->db, s.error);
		status = n >= 0 ? 0 : EX_DATAERR;
	}
	if (fflush(to) || ferror(to))
		status = EX_IOERR;
	if (to != stdout)
		fclose(to);
	obstack_free(&mem, NULL);
	store_close(&s);
	return status;
}

static void
parse_words(struct report *r, int argc, char **argv, const char *args, const char *doc)
{
	static const struct argp_child children[] = { { &options_argp, 0, NULL, 0 }, { 0 } };
	const struct argp argp = { NULL, parse, args, doc, children, NULL, NULL };

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
		"  cspcheck report list\n  cspcheck report show 41\n  cspcheck report show 41 --format go\n");
	const char *what = r.n_words ? r.words[0] : "list";
	if (!strcmp(what, "list") && r.n_words <= 1)
		status = report(&r.options, NULL, 0);
	else if (!strcmp(what, "show") && r.n_words == 2)
		status = report(&r.options, r.words[1], 0);
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
	free(r.words);
	return report(&r.options, NULL, kinds);
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

int
cmd_leaks(int argc, char **argv)
{
	return shortcut(argc, argv, 1u << RULE_LEAK, "List the goroutine leaks in the results database; goroutines that leaked in the same way are one line.");
}
