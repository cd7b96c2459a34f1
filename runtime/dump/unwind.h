/* Stacks as return addresses, through libunwind. */
#ifndef CSP_RUNTIME_DUMP_UNWIND_H
#define CSP_RUNTIME_DUMP_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <ucontext.h>

struct rt_g;

/* Stack of a goroutine that is not running, innermost first; pcs[0] is where it will go on (exact). The caller keeps it from running. */
size_t rt_unwind_parked(struct rt_g *g, void **pcs, size_t max);
/* Own stack, from the caller of this function; `skip` leaves out that many further frames. All are return addresses. */
size_t rt_unwind_self(void **pcs, size_t max, size_t skip);
/* From a signal handler's third argument; pcs[0] is the interrupted instruction (exact). */
size_t rt_unwind_context(const ucontext_t *uc, void **pcs, size_t max);

#endif
