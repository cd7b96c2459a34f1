/* cspcheck suppress ID: a ready-made line for the suppression file. */
#include "cmd/cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cmd/options.h"
#include "cmd/results.h"
#include "filter/filter.h"

#define obstack_chunk_alloc malloc
#define obstack_chunk_free  free

enum { KEY_REASON = 0x2000, KEY_UNTIL, KEY_EXACT };

struct suppress_command {
	struct options options;
	const char *id, *reason, *until;
	bool append, exact;
};

static const struct argp_option table[] = {
	{ "append", 'a', NULL, 0, "append it to the file of --suppressions instead of printing it", 1 },
	{ "reason", KEY_REASON, "TEXT", 0, "why", 1 },
	{ "until", KEY_UNTIL, "YYYY-MM-DD", 0, "the last day on which it holds", 1 },
	{ "exact", KEY_EXACT, NULL, 0, "this issue only (by its fingerprint), not all in its function", 1 },
	{ 0 }
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct suppress_command *c = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &c->options; break;
	case 'a': c->append = true; break;
	case KEY_REASON:
		if (strpbrk(arg, "\"\n"))
			options_refuse(state->name, "--reason cannot hold \" or a line break");
		c->reason = arg;
		break;
	case KEY_UNTIL:
		if (!suppress_is_date(arg))
			options_refuse(state->name, "--until wants a day, YYYY-MM-DD, not '%s'", arg);
		c->until = arg;
		break;
	case KEY_EXACT: c->exact = true; break;
	case ARGP_KEY_ARG:
		if (c->id)
			options_refuse(state->name, "one ID at a time");
		c->id = arg;
		break;
	case ARGP_KEY_NO_ARGS: options_refuse(state->name, "no ID given; `cspcheck report list' shows them");
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static void
write_line(FILE *to, const struct suppress_command *c, const struct finding *f)
{
	if (c->exact)
		fprintf(to, "# CSP%u %s at %s\n", f->rule, f->title, text_short_path(f->site, c->options.source_root));
	if (c->exact && !c->reason && !c->until) {
		fprintf(to, "fp:%.16s\n", f->fingerprint);
		return;
	}
	if (!c->exact) {
		suppress_write(to, f, c->reason, c->until);
		return;
	}
	fprintf(to, "fp:%.16s  #%s%s%s%s%s\n", f->fingerprint, c->reason ? " reason=\"" : "", c->reason ? c->reason : "", c->reason ? "\"" : "", c->until ? " until=" : "", c->until ? c->until : "");
}

static int
append(const struct suppress_command *c, const struct finding *f)
{
	const char *file = c->options.suppressions ? c->options.suppressions : FILTER_SUPPRESSIONS_DEFAULT;
	FILE *to = fopen(file, "ae");
	int status = to ? 0 : EX_CANTCREAT;

	if (to) {
		write_line(to, c, f);
		if (fclose(to) != 0)
			status = EX_IOERR;
	}
	if (status)
		fprintf(stderr, "cspcheck: cannot write %s: %s\n", file, strerror(errno));
	else
		fprintf(stderr, "cspcheck: appended to %s\n", file);
	return status;
}

int
cmd_suppress(int argc, char **argv)
{
	static const struct argp_child children[] = { { &options_argp, 0, "Results and output:", 10 }, { 0 } };
	static const struct argp argp = { table, parse, "ID", "Print the line that suppresses an issue, or append it to the suppression file.\v"
		"The file has one rule a line, KIND:PATTERN  # reason=\"...\" until=YYYY-MM-DD. Kinds: race, race_top, called_from_lib, deadlock, mutex, leak (thread), misuse "
		"(matched against functions, files and modules of any frame, and variables), created_by, object, wait, rule, fp. * is any text, ^ and $ are begin and end.\n\n"
		"Examples:\n  cspcheck suppress 41\n  cspcheck suppress 41 --append --reason \"statistics\" --until 2027-03-01\n", children, NULL, NULL };
	struct suppress_command c = { 0 };
	struct store s;
	struct obstack mem;

	options_init(&c.options);
	options_from_env(options_argp.options, options_argp.parser, &c.options, argv[0]);
	argp_parse(&argp, argc, argv, 0, NULL, &c);
	int status = results_open(&s, &c.options);
	if (status)
		return status;
	obstack_init(&mem);
	const struct finding *f = results_finding(&s, &c.options, c.id, &mem);
	if (!f)
		status = EX_USAGE;
	else if (c.append)
		status = append(&c, f);
	else
		write_line(stdout, &c, f);
	obstack_free(&mem, NULL);
	store_close(&s);
	return status;
}
