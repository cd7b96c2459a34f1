/* cspcheck baseline create|update|prune|show: the file of known issues, made from the results database. */
#include "cmd/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/options.h"
#include "cmd/results.h"
#include "filter/baseline.h"

#define obstack_chunk_alloc malloc
#define obstack_chunk_free  free
#define QUIET_DEFAULT 5

enum { KEY_FORCE = 0x2000, KEY_ALL, KEY_QUIET_SESSIONS };

struct baseline_command {
	struct options options;
	char **words; int n_words;
	bool force, all;
	long quiet_sessions;
};

static const struct argp_option table[] = {
	{ "force", KEY_FORCE, NULL, 0, "create: replace the file that is there", 1 },
	{ "all", KEY_ALL, NULL, 0, "create, update: take issues of all sessions, not of the last one", 1 },
	{ "quiet-sessions", KEY_QUIET_SESSIONS, "N", 0, "prune: drop what the last N sessions have not shown (default 5)", 1 },
	{ 0 }
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct baseline_command *c = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &c->options; break;
	case KEY_FORCE: c->force = true; break;
	case KEY_ALL: c->all = true; break;
	case KEY_QUIET_SESSIONS:
		c->quiet_sessions = strtol(arg, &arg, 10);
		if (*arg || c->quiet_sessions < 1)
			options_refuse(state->name, "--quiet-sessions wants a number from 1");
		break;
	case ARGP_KEY_ARG: c->words[c->n_words++] = arg; break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static int
fail(const struct baseline *b, int status)
{
	fprintf(stderr, "cspcheck: %s\n", b->error);
	return status;
}

static size_t
add_issues(struct baseline *b, const struct issue *issues, long n, int64_t session, const char *root, struct obstack *mem)
{
	size_t added = 0;

	for (long i = 0; i < n; i++) {
		if (!issues[i].gate || (session && issues[i].last_session != session))
			continue;
		obstack_printf(mem, "CSP%u", issues[i].rule);
		obstack_1grow(mem, '\0');
		const char *rule = obstack_finish(mem), *since = obstack_copy0(mem, issues[i].first_seen, (int)strcspn(issues[i].first_seen, " "));
		added += baseline_add(b, (struct baseline_entry){ issues[i].fp, rule, issues[i].title, text_short_path(issues[i].site, root), since });
	}
	return added;
}

/* Seen in none of the last `quiet` sessions. With fewer sessions than that nothing is dropped: absence would prove little. */
static size_t
prune(struct baseline *b, const struct issue *issues, long n, int64_t newest, long quiet, int64_t sessions)
{
	size_t dropped = 0;

	for (size_t i = b->n; i-- > 0 && sessions >= quiet;) {
		bool seen = false;
		for (long k = 0; k < n && !seen; k++)
			seen = !strcmp(issues[k].fp, b->entries[i].fp) && issues[k].last_session > newest - quiet;
		if (!seen) {
			printf("dropped %s %s\n", b->entries[i].rule, b->entries[i].title);
			baseline_remove(b, i);
			dropped++;
		}
	}
	return dropped;
}

static void
show(const struct baseline *b)
{
	for (size_t i = 0; i < b->n; i++)
		printf("%.12s  %s  %s  %s  since %s\n", b->entries[i].fp, b->entries[i].rule, b->entries[i].title, b->entries[i].site, b->entries[i].since);
	if (b->n == 0)
		printf("nothing is in %s\n", b->file);
}

static int
change(const struct baseline_command *c, const char *what, const char *file, struct baseline *b, struct obstack *mem)
{
	struct store s;
	struct issue *issues;
	int status = results_open(&s, &c->options);

	if (status)
		return status;
	long n = store_list(&s, 0, mem, &issues);
	int64_t newest = store_newest_session(&s), sessions = store_sessions(&s);
	if (n < 0) {
		fprintf(stderr, "cspcheck: cannot read %s: %s\n", c->options.db, s.error);
		store_close(&s);
		return EX_DATAERR;
	}
	size_t changed = !strcmp(what, "prune") ? prune(b, issues, n, newest, c->quiet_sessions, sessions) : add_issues(b, issues, n, c->all ? 0 : newest, c->options.source_root, mem);
	store_close(&s);
	if ((status = baseline_write(b, file)) != 0)
		return fail(b, status);
	fprintf(stderr, "cspcheck: %s has %zu issue%s, %zu %s\n", file, b->n, b->n == 1 ? "" : "s", changed, !strcmp(what, "prune") ? "dropped" : "new");
	if (!strcmp(what, "prune") && sessions < c->quiet_sessions)
		fprintf(stderr, "cspcheck: nothing is dropped before %ld sessions are in %s (now %lld)\n", c->quiet_sessions, c->options.db, (long long)sessions);
	return 0;
}

static int
baseline(const struct baseline_command *c, const char *what, const char *command, struct obstack *mem)
{
	const char *file = c->options.baseline ? c->options.baseline : BASELINE_DEFAULT;
	struct baseline b = { .file = file };
	bool create = !strcmp(what, "create");
	int status = 0;

	if (!create && strcmp(what, "update") && strcmp(what, "prune") && strcmp(what, "show"))
		options_refuse(command, "create, update, prune or show, not '%s'", what);
	if (create && access(file, F_OK) == 0 && !c->force) {
		fprintf(stderr, "cspcheck: %s is there already; `cspcheck baseline update' adds to it, --force replaces it\n", file);
		return EX_CANTCREAT;
	}
	if (!create && (status = baseline_read(&b, file, mem)) != 0) {
		if (status == EX_NOINPUT)
			fprintf(stderr, "cspcheck: %s; `cspcheck baseline create' makes one\n", b.error);
		else
			fail(&b, status);
		status = EX_DATAERR;
	} else if (!strcmp(what, "show")) {
		show(&b);
	} else {
		status = change(c, what, file, &b, mem);
	}
	baseline_finish(&b);
	return status;
}

int
cmd_baseline(int argc, char **argv)
{
	static const struct argp_child children[] = { { &options_argp, 0, "Results and output:", 10 }, { 0 } };
	static const struct argp argp = { table, parse, "create\nupdate\nprune\nshow", "Keep the issues that are known and shall not fail a run in a file.\v"
		"create   the issues of the last session become the baseline (default " BASELINE_DEFAULT ")\n"
		"update   add those of the last session that are not in it\n"
		"prune    drop what has not been seen for some sessions\n"
		"show     list it\n\n"
		"`cspcheck run' reads the file if it is in the working directory: its issues are counted as known, and the exit status is that of "
		"the others (--fail-on=any lets known ones fail too). Fingerprints hold names only: unrelated edits do not change them.\n", children, NULL, NULL };
	struct baseline_command c = { .quiet_sessions = QUIET_DEFAULT };
	struct obstack mem;

	options_init(&c.options);
	if (!(c.words = calloc((size_t)argc + 1, sizeof(*c.words))))
		return EX_OSERR;
	options_from_env(options_argp.options, options_argp.parser, &c.options, argv[0]);
	argp_parse(&argp, argc, argv, 0, NULL, &c);
	if (c.n_words != 1)
		options_refuse(argv[0], "say one of create, update, prune and show");
	obstack_init(&mem);
	int status = baseline(&c, c.words[0], argv[0], &mem);
	obstack_free(&mem, NULL);
	free(c.words);
	return status;
}
