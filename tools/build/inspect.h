/* What an existing program is, by its ELF headers and symbols. */
#ifndef CSP_TOOLS_BUILD_INSPECT_H
#define CSP_TOOLS_BUILD_INSPECT_H

#include <stdbool.h>

enum inspect_kind {
	INSPECT_MISSING,                /* no such file */
	INSPECT_REFUSED,                /* a directory, not executable, not for this machine */
	INSPECT_SCRIPT,                 /* executable, but not ELF: run as it is */
	INSPECT_ELF
};

struct inspect {
	enum inspect_kind kind;
	const char *why;                /* INSPECT_MISSING, INSPECT_REFUSED */
	bool instrumented;              /* calls __tsan_* */
	bool foreign_tsan;              /* linked with the compiler's own ThreadSanitizer runtime */
	bool has_runtime;               /* libcsprt, dynamic or static */
	bool has_detector;              /* libcspcheck is among its needed libraries */
	bool is_static;                 /* no dynamic section: nothing can be preloaded */
};

/* `path` contains a slash or was found in PATH already. */
void inspect_program(const char *path, struct inspect *out);

/* As execvp looks: NULL if there is none; otherwise malloc'd. */
char *inspect_find(const char *name);

#endif
