/* The symbolizer as the runtime uses it: libdw loaded on demand, dladdr when it is absent, and which frames are whose. */
#ifndef CSP_RUNTIME_DUMP_SYMBOLS_H
#define CSP_RUNTIME_DUMP_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rt_frame {
	const char *function;           /* NULL: unknown */
	const char *file;               /* NULL: unknown */
	uint32_t    line;
	bool        inlined;
	const char *module;             /* path of the ELF object, or NULL */
	uint64_t    module_offset, offset;
	uint32_t    at;                 /* which pc of the stack: for the caller's use */
	bool        runtime;            /* code of the library itself */
	bool        outside;            /* code of libc: never where a goroutine's own story begins */
};

/* Loads libdw and reads the module map once; false: only exported names will be known. Not on a goroutine's stack. */
bool   rt_symbols_open(void);
/* Frames of one pc, innermost first, at least one. With `hex` nothing is looked up. */
size_t rt_symbols_lookup(void *pc, bool exact, bool hex, struct rt_frame *out, size_t max);

#endif
