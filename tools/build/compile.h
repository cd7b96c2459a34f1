/* Turn the sources named on the command line of `cspcheck run` into a program in a temporary directory. */
#ifndef CSP_TOOLS_BUILD_COMPILE_H
#define CSP_TOOLS_BUILD_COMPILE_H

#include <stdbool.h>
#include <stddef.h>

#include "home/home.h"

/* By its suffix: .c, or C++'s .cc .cpp .cxx .C */
bool compile_is_source(const char *path);

/* Compile and link. `program` is the path to make; objects are left beside it. Diagnostics are the compiler's own, on stderr.
 * Returns 0; 1 if compiler or linker refused (one line names what); 69 if the compiler could not be started. */
int compile_program(const struct home *h, char *const *sources, size_t n, bool instrument, const char *program, bool verbose);

#endif
