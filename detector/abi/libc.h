/* What the entry points of this room share. */
#ifndef CSP_DETECTOR_ABI_LIBC_H
#define CSP_DETECTOR_ABI_LIBC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../shadow/access.h"
#include "module.h"

#define DET_ABI __attribute__((visibility("default")))
#define DET_CALLER ((uintptr_t)__builtin_return_address(0))

/* Look up the functions we stand in front of. */
void det_libc_init(void);
void det_string_init(void);

/* A libc function called from pc reads or writes memory for the program. */
static inline bool det_checks_caller(uintptr_t pc)
{
	return atomic_load_explicit(&det_on, memory_order_relaxed) && det_module_is_instrumented(pc);
}

static inline void det_libc_access(const void *p, size_t n, enum det_kind kind, uintptr_t pc)
{
	struct det_g *g = det_me();

	if (g && n)
		det_access(g, (uintptr_t)p, n, kind, pc);
}

/* Run body only if on and not inside the detector. */
static inline struct det_g *det_hook_begin(void)
{
	struct det_g *g;

	if (!atomic_load_explicit(&det_on, memory_order_relaxed) || det_thread.busy)
		return NULL;
	g = det_me();
	return g && det_enter() ? g : NULL;
}

#endif
