/* The environment's words to the dumps: $CSPTRACEBACK (dump.h) and $CSPDEBUG, a list "name=value,...". */
#ifndef CSP_RUNTIME_DUMP_SETTINGS_H
#define CSP_RUNTIME_DUMP_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

/* The value of `name`, given with its "=", as text in value (shortened if need be). False: not set. */
bool rt_dump_setting(const char *name, char *value, size_t bytes);

#endif
