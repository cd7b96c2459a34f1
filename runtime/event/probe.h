/* Static probes (USDT) for bpftrace, perf, systemtap and gdb; provider csprt. docs/api/debugging.md lists them, a test holds the list to
 * the notes of the library.
 *
 * A probe is a nop and a note that says where its arguments are. Nothing is computed for it: an argument is a constant, a value that is
 * at hand, or a field of a structure in the cache, which the note names as a memory operand. No semaphores: a tracer could then skip
 * costly arguments, but there are none, and the untraced program would pay for the test. Built without <sys/sdt.h> (Debian: systemtap-sdt-dev),
 * they are nothing at all. */
#ifndef CSP_RUNTIME_EVENT_PROBE_H
#define CSP_RUNTIME_EVENT_PROBE_H

#ifdef RT_PROBES
/* clang takes "may be in memory" for "store it to memory first". */
#ifdef __clang__
#define STAP_SDT_ARG_CONSTRAINT nr
#endif
#define SDT_USE_VARIADIC
#include <sys/sdt.h>
#define RT_PROBE(name, ...) STAP_PROBEV(csprt, name, ##__VA_ARGS__)   /* an argument is evaluated, so no atomic variable as it is */
#else
#define RT_PROBE(name, ...) ((void)0)
#endif

#endif
