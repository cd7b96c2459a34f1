/* Options that several commands share, and the rule that every long option is also an environment variable CSPCHECK_<FLAG>
 * (dashes become underscores); the command line wins. */
#ifndef CSP_TOOLS_CMD_OPTIONS_H
#define CSP_TOOLS_CMD_OPTIONS_H

#include <argp.h>
#include <stdint.h>

#include "format/format.h"

struct options {
	const char *db;                 /* NULL with no_db */
	bool no_db, quiet, verbose;
	enum format format;
	const char *output;             /* -o FILE, or NULL */
	const char *source_root;
	enum text_colour colour;
	const char *suppressions, *baseline;    /* NULL: the default files, if they are there */
};

#define OPTIONS_DEFAULT_DB ".cspcheck/results.db"

/* As a child parser; its input is a struct options *. */
extern const struct argp options_argp;

void options_init(struct options *o);

/* Feed the environment to a parser before the command line: `parse` is called with the key of each option of `table` that is set. */
void options_from_env(const struct argp_option *table, error_t (*parse)(int, char *, struct argp_state *), void *input, const char *command);

/* Like argp_parse, with options_from_env for `argp` and its children before. Usage errors exit with 64. */
void options_parse(const struct argp *argp, int argc, char **argv, void *input, struct options *shared);

/* A usage error: one line on stderr naming the command, status 64. */
void options_refuse(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));

/* Values of options; what makes no sense is a usage error. A word out of `words`, which are separated by blanks; a time in nanoseconds, at least
 * `least`; a number up to max. */
const char *options_choice(const struct argp_state *state, const char *option, const char *arg, const char *words);
int64_t options_duration_ns(const struct argp_state *state, const char *option, const char *arg, double least);
uint64_t options_number(const struct argp_state *state, const char *option, const char *arg, uint64_t max);

#endif
