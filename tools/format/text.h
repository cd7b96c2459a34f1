/* Text that is safe to print: what comes from a checked program may hold anything. Also when to use colour. */
#ifndef CSP_TOOLS_FORMAT_TEXT_H
#define CSP_TOOLS_FORMAT_TEXT_H

#include <obstack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A copy in which control bytes (but tab and newline, if lines is true) and bytes that are no UTF-8 are written as \xNN.
 * NULL stays NULL. */
char *text_clean(const char *s, bool lines, struct obstack *mem);

/* The same in place for one line of source: what cannot be shown becomes a question mark. */
void text_clean_line(char *line);

enum text_colour { TEXT_AUTO, TEXT_ALWAYS, TEXT_NEVER };

/* "auto", "always", "never"; false for anything else. */
bool text_parse_colour(const char *s, enum text_colour *out);

/* Flag first, then NO_COLOR, then CLICOLOR_FORCE and FORCE_COLOR, then whether fd is a terminal that can. */
bool text_use_colour(enum text_colour wanted, int fd);

/* The command line that runs the same again with this seed (0: without one); malloc'ed. argv[0] is "cspcheck run". */
char *text_rerun(int argc, char *const *argv, uint64_t seed);

/* Columns of the terminal that fd is, else of COLUMNS, else 0. */
unsigned text_width(int fd);

/* The path as short as it stays right: relative to the source root (or the working directory) if below it. */
const char *text_short_path(const char *path, const char *root);

#endif
