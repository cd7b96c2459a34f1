/* cspcheck leaks: leaked goroutines by where they wait, who started them, or what they wait for. */
#include "cmd/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cmd/options.h"
#include "cmd/results.h"

#define obstack_chunk_alloc malloc
#define obstack_chunk_free  free
#define SHOWN 5                         /* issues named for a group */

enum by { BY_SITE, BY_CREATOR, BY_OBJECT };
enum { KEY_BY = 0x2000, KEY_TOP, KEY_NOTES, KEY_MATCH };

struct leaks {
	struct options options;
	enum by by;
	long top;
	bool notes;
	const char *match;
};

struct group { const char *key; uint64_t goroutines, runs; int64_t blocked_ns; long n; const struct leak *leak[SHOWN]; };

static const struct argp_option table[] = {
	{ "by", KEY_BY, "WHAT", 0, "group by site, creator or object (default site)", 1 },
	{ "top", KEY_TOP, "N", 0, "the N groups with most goroutines", 1 },
	{ "match", KEY_MATCH, "TEXT", 0, "only where site, creator or object contain TEXT", 1 },
	{ "notes", KEY_NOTES, NULL, 0, "also those that were merely alive at the end (CSP3002) or suspected (CSP3003)", 1 },
	{ 0 }
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	static const char *const words[] = { "site", "creator", "object" };
	struct leaks *l = state->input;
	char *end;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &l->options; break;
	case KEY_BY:
		for (int i = 0; i < 3; i++)
			if (!strcmp(arg, words[i])) {
				l->by = (enum by)i;
				return 0;
			}
		options_refuse(state->name, "--by is site, creator or object, not '%s'", arg);
	case KEY_TOP:
		l->top = strtol(arg, &end, 10);
		if (*end || l->top < 1)
			options_refuse(state->name, "--top wants a number from 1, not '%s'", arg);
		break;
	case KEY_MATCH: l->match = arg; break;
	case KEY_NOTES: l->notes = true; break;
	case ARGP_KEY_ARG: options_refuse(state->name, "takes no arguments");
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const char *
key_of(const struct leak *l, enum by by)
{
	const char *key = by == BY_SITE ? l->site : by == BY_CREATOR ? l->creator : l->object;
	return *key ? key : "(unknown)";
}

static bool
is_wanted(const struct leaks *o, const struct leak *l)
{
	return (l->gate || o->notes) && (!o->match || strstr(l->site, o->match) || strstr(l->creator, o->match) || strstr(l->object, o->match));
}

static int
by_goroutines(const void *a, const void *b)
{
	const struct group *x = a, *y = b;
	return x->goroutines != y->goroutines ? (x->goroutines < y->goroutines ? 1 : -1) : strcmp(x->key, y->key);
}

static long
make_groups(const struct leaks *o, const struct leak *leaks, long n, struct group *groups)
{
	long n_groups = 0;

	for (long i = 0; i < n; i++) {
		const struct leak *l = &leaks[i];
		long k = 0;
		if (!is_wanted(o, l))
			continue;
		while (k < n_groups && strcmp(groups[k].key, key_of(l, o->by)))
			k++;
		if (k == n_groups)
			groups[n_groups++] = (struct group){ .key = key_of(l, o->by) };
		struct group *g = &groups[k];
		g->goroutines += l->goroutines;
		g->runs = l->runs > g->runs ? l->runs : g->runs;
		g->blocked_ns = l->blocked_ns > g->blocked_ns ? l->blocked_ns : g->blocked_ns;
		if (g->n < SHOWN)
			g->leak[g->n] = l;
		g->n++;
	}
	qsort(groups, (size_t)n_groups, sizeof(*groups), by_goroutines);
	return o->top && o->top < n_groups ? o->top : n_groups;
}

/* A place, or an object with the place it was made at ("channel made at /home/me/a.c:3"), from here. */
static void
write_place(FILE *to, const char *text, const char *root)
{
	const char *at = strstr(text, " at /");
	int words = at ? (int)(at + 4 - text) : 0;

	fprintf(to, "%.*s%s", words, text, text_short_path(text + words, root));
}

static void
write_human(FILE *to, const struct leaks *o, const struct group *groups, long n)
{
	const char *root = o->options.source_root;
	bool colour = text_use_colour(o->options.colour, fileno(to));

	for (long i = 0; i < n; i++) {
		const struct group *g = &groups[i];
		fprintf(to, "%s%6lu goroutine%s%s", colour ? "\033[1m" : "", (unsigned long)g->goroutines, g->goroutines == 1 ? " " : "s", colour ? "\033[0m" : "");
		if (g->blocked_ns > 0)
			fprintf(to, "  for up to %.1f %s", g->blocked_ns >= 1000000000 ? (double)g->blocked_ns / 1e9 : (double)g->blocked_ns / 1e6, g->blocked_ns >= 1000000000 ? "s" : "ms");
		fprintf(to, "  %s", o->by == BY_CREATOR ? "started at " : "");
		write_place(to, g->key, root);
		fprintf(to, "  in %lu run%s\n", (unsigned long)g->runs, g->runs == 1 ? "" : "s");
		for (long k = 0; k < g->n && k < SHOWN; k++) {
			const struct leak *l = g->leak[k];
			fprintf(to, "        %s at %s", strncmp(l->title, "goroutine leak: ", 16) ? l->title : l->title + 16, text_short_path(l->site, root));
			fprintf(to, " (CSP%u%s%s)", l->rule, *l->proof ? ", " : "", l->proof);
			if (*l->creator && o->by != BY_CREATOR)
				fprintf(to, ", started at %s", text_short_path(l->creator, root));
			fprintf(to, "\n");
			if (*l->object && o->by != BY_OBJECT) {
				fprintf(to, "          on ");
				write_place(to, l->object, root);
				fprintf(to, "\n");
			}
			if (*l->wakers)
				fprintf(to, "          could have been woken by: %s\n", l->wakers);
			fprintf(to, "          cspcheck report show %lld\n", (long long)l->id);
		}
		if (g->n > SHOWN)
			fprintf(to, "        and %ld more\n", g->n - SHOWN);
	}
	if (n == 0)
		fprintf(to, "no leaked goroutines%s\n", o->match ? " match" : " so far");
}

static void
write_json(FILE *to, const struct leaks *o, const struct group *groups, long n, const struct issue *all, long n_issues)
{
	static const char *const words[] = { "site", "creator", "object" };
	json_t *list = json_array(), *flat = json_array();

	for (long i = 0; i < n; i++) {
		json_t *issues = json_array();
		for (long k = 0; k < groups[i].n && k < SHOWN; k++) {
			const struct leak *l = groups[i].leak[k];
			json_array_append_new(issues, json_pack("{sI ss ss ss ss ss sI sI}", "id", (json_int_t)l->id, "title", l->title, "site", l->site, "creator", l->creator,
				"object", l->object, "woken_by", l->wakers, "goroutines", (json_int_t)l->goroutines, "blocked_ns", (json_int_t)l->blocked_ns));
		}
		json_array_append_new(list, json_pack("{ss sI sI sI si so}", "key", groups[i].key, "goroutines", (json_int_t)groups[i].goroutines, "runs", (json_int_t)groups[i].runs,
			"blocked_ns", (json_int_t)groups[i].blocked_ns, "issue_count", (int)groups[i].n, "issues", issues));
	}
	for (long i = 0; i < n_issues; i++)
		json_array_append_new(flat, json_issue(&all[i]));
	json_t *doc = json_pack("{si ss so so}", "version", 1, "by", words[o->by], "groups", list, "issues", flat);
	json_dumpf(doc, to, JSON_INDENT(1));
	fputc('\n', to);
	json_decref(doc);
}

int
cmd_leaks(int argc, char **argv)
{
	static const struct argp_child children[] = { { &options_argp, 0, "Results and output:", 10 }, { 0 } };
	static const struct argp argp = { table, parse, "", "Leaked goroutines in the results database, in groups, largest first: how many, how long, started where, and who could have woken them.\v"
		"Examples:\n  cspcheck leaks\n  cspcheck leaks --by creator --top 5\n  cspcheck leaks --match queue.c --format json\n", children, NULL, NULL };
	struct leaks o = { 0 };
	struct store s;
	struct obstack mem;
	struct leak *leaks;

	options_init(&o.options);
	options_from_env(options_argp.options, options_argp.parser, &o.options, argv[0]);
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	int status = results_open(&s, &o.options);
	if (status)
		return status;
	obstack_init(&mem);
	FILE *to = results_output(&o.options, &status);
	long n = to ? store_leaks(&s, &mem, &leaks) : 0;
	if (n < 0) {
		fprintf(stderr, "cspcheck: cannot read %s: %s\n", o.options.db, s.error);
		status = EX_DATAERR;
	} else if (to) {
		struct group *groups = calloc((size_t)n + 1, sizeof(*groups));
		long shown = groups ? make_groups(&o, leaks, n, groups) : 0;
		struct issue *issues;
		if (o.options.format == FORMAT_JSON) {
			long n_issues = store_list(&s, 1u << RULE_LEAK, &mem, &issues);
			write_json(to, &o, groups, shown, issues, n_issues);
		} else {
			write_human(to, &o, groups, shown);
		}
		free(groups);
	}
	status = results_output_done(&o.options, to, status);
	obstack_free(&mem, NULL);
	store_close(&s);
	return status;
}
