/* A growing argument vector; always NULL-terminated, owns its strings. */
#ifndef CSP_TOOLS_BUILD_ARGV_H
#define CSP_TOOLS_BUILD_ARGV_H

#include <stddef.h>

struct argv { char **v; size_t n, room; };

void argv_add(struct argv *a, const char *s);
void argv_addf(struct argv *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Split like a shell without expansions: white space separates; quotes and backslash protect. */
void argv_add_words(struct argv *a, const char *text);
void argv_finish(struct argv *a);

/* Run a->v[0] by PATH. Returns its exit status (128+N if killed), or -1 with errno set if it could not be started. */
int argv_run(const struct argv *a);

#endif
