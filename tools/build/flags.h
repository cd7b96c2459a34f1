/* What gcc and clang must be told so that every access of the program reaches our __tsan_* functions. */
#ifndef CSP_TOOLS_BUILD_FLAGS_H
#define CSP_TOOLS_BUILD_FLAGS_H

#include "build/argv.h"
#include "home/home.h"

enum flags_lang { FLAGS_C, FLAGS_CXX };

/* The real compiler as words (it may be "ccache gcc"): $CSPCHECK_CC or $CC (CXX for C++) unless that is ourselves, else gcc / g++. */
void flags_compiler(struct argv *to, enum flags_lang lang);
bool flags_is_clang(const struct argv *compiler);

/* Before the user's own flags. */
void flags_compile_first(struct argv *to, const struct home *h, bool clang);
/* After them: what must have the last word. */
void flags_compile_last(struct argv *to);
/* Libraries for a link that makes a program. */
void flags_link(struct argv *to, const struct home *h);

#endif
