#include "cmd/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "filter/filter.h"

enum { KEY_DB = 0x1000, KEY_NO_DB, KEY_FORMAT, KEY_COLOR, KEY_SOURCE_ROOT, KEY_SUPPRESSIONS, KEY_BASELINE };

static const struct argp_option table[] = {
	{ "db", KEY_DB, "FILE", 0, "results database (default " OPTIONS_DEFAULT_DB ")", 10 },
	{ "no-db", KEY_NO_DB, NULL, 0, "do not keep results", 10 },
	{ "suppressions", KEY_SUPPRESSIONS, "FILE", 0, "findings that are not to be told, a rule a line (default " FILTER_SUPPRESSIONS_DEFAULT " if there is one)", 10 },
	{ "baseline", KEY_BASELINE, "FILE", 0, "findings that are known and do not fail (default " BASELINE_DEFAULT " if there is one)", 10 },
	{ "format", KEY_FORMAT, "FORMAT", 0, "human, go, json or dot (default human)", 11 },
	{ "output", 'o', "FILE", 0, "write the report to FILE", 11 },
	{ "source-root", KEY_SOURCE_ROOT, "DIR", 0, "print file names relative to DIR (default: the working directory)", 11 },
	{ "color", KEY_COLOR, "WHEN", 0, "auto, always or never", 11 },
	{ "quiet", 'q', NULL, 0, "print only the summary", 11 },
	{ "verbose", 'v', NULL, 0, "show every frame and what is done", 11 },
	{ 0 }
};

void
options_refuse(const char *command, const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", command);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, "; try `%s --help'\n", command);
	exit(EX_USAGE);
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case KEY_DB: o->db = arg; o->no_db = false; break;
	case KEY_NO_DB: o->no_db = true; break;
	case KEY_SUPPRESSIONS: o->suppressions = arg; break;
	case KEY_BASELINE: o->baseline = arg; break;
	case 'o': o->output = arg; break;
	case KEY_SOURCE_ROOT: o->source_root = arg; break;
	case 'q': o->quiet = true; break;
	case 'v': o->verbose = true; break;
	case KEY_FORMAT:
		if (!format_parse(arg, &o->format))
			options_refuse(state->name, "--format is human, go, json or dot, not '%s'", arg);
		break;
	case KEY_COLOR:
		if (!text_parse_colour(arg, &o->colour))
			options_refuse(state->name, "--color is auto, always or never, not '%s'", arg);
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

const struct argp options_argp = { .options = table, .parser = parse };

void
options_init(struct options *o)
{
	memset(o, 0, sizeof(*o));
	o->db = OPTIONS_DEFAULT_DB;
}

void
options_from_env(const struct argp_option *options, error_t (*parser)(int, char *, struct argp_state *), void *input, const char *command)
{
	struct argp_state state = { .input = input, .name = (char *)command };

	for (; options->name || options->key || options->doc; options++) {
		char name[64] = "CSPCHECK_";
		size_t n = strlen(name);
		if (!options->name)
			continue;
		for (const char *p = options->name; *p && n < sizeof(name) - 1; p++)
			name[n++] = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
		name[n] = '\0';
		char *value = getenv(name);
		if (value && *value && (options->arg || strcmp(value, "0")))
			parser(options->key, options->arg ? value : NULL, &state);
	}
}

void
options_parse(const struct argp *argp, int argc, char **argv, void *input, struct options *shared)
{
	options_from_env(table, parse, shared, argv[0]);
	if (argp->options)
		options_from_env(argp->options, argp->parser, input, argv[0]);
	argp_parse(argp, argc, argv, ARGP_IN_ORDER, NULL, input);
}

/* --- values ----------------------------------------------------------------------------------------------------------- */

static bool
one_of(const char *word, const char *words)
{
	size_t n = strlen(word);
	for (const char *p = words; n && (p = strstr(p, word)); p += n)
		if ((p == words || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
			return true;
	return false;
}

const char *
options_choice(const struct argp_state *state, const char *option, const char *arg, const char *words)
{
	if (!one_of(arg, words))
		options_refuse(state->name, "--%s is one of: %s; not '%s'", option, words, arg);
	return arg;
}

int64_t
options_duration_ns(const struct argp_state *state, const char *option, const char *arg, double least)
{
	static const struct { const char *unit; double ns; } units[] = {
		{ "", 1e9 }, { "s", 1e9 }, { "ms", 1e6 }, { "us", 1e3 }, { "ns", 1 }, { "m", 60e9 }, { "h", 3600e9 }
	};
	char *end;
	double v = strtod(arg, &end);

	for (size_t i = 0; end != arg && i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].unit) && v * units[i].ns >= least && v * units[i].ns < 9e18)
			return (int64_t)(v * units[i].ns);
	options_refuse(state->name, "--%s wants a time such as 10s, 2m or 500ms, not '%s'", option, arg);
}

uint64_t
options_number(const struct argp_state *state, const char *option, const char *arg, uint64_t max)
{
	char *end;

	errno = 0;
	uint64_t v = strtoull(arg, &end, 0);
	if (end == arg || *end || errno || *arg == '-' || v > max)
		options_refuse(state->name, "--%s wants a number, not '%s'", option, arg);
	return v;
}
