/* The door into shadow memory: report an access, forget a range.
 *
 * det_access checks [addr, addr + size) against every earlier access to each of its bytes and records it. Races found are handed to
 * det_race (race.c). Rules in check.c, layout of a cell in cell.h, address mapping in map.h. */
#ifndef CSP_DETECTOR_SHADOW_ACCESS_H
#define CSP_DETECTOR_SHADOW_ACCESS_H

#include <stddef.h>
#include <stdint.h>

#include "self.h"

enum det_kind { DET_READ, DET_WRITE, DET_ATOMIC_READ, DET_ATOMIC_WRITE, DET_FREE /* of the whole block */ };

/* What an access was; named by a 31-bit id in the cells, never changed once its id is in a cell. */
struct det_desc {
	det_epoch epoch;
	uint32_t  ctx;                  /* the whole stack, pc of the access innermost */
	uint32_t  info;                 /* kind, size << 3 */
};
const struct det_desc *det_desc_at(uint32_t id);
static inline enum det_kind det_desc_kind(const struct det_desc *d) { return (enum det_kind)(d->info & 7); }
static inline uint32_t det_desc_size(const struct det_desc *d) { return d->info >> 3; }

/* Both: pc is a return address into the accessing function. Not for a busy thread. */
void det_access(struct det_g *g, uintptr_t addr, size_t size, enum det_kind kind, uintptr_t pc);

/* The same in two steps, for accesses of up to 16 bytes inside a larger critical section of the detector: the caller has entered
 * (det_enter), det_access_collect checks, and det_access_report follows once every lock is released. */
struct det_races {
	uint32_t n, current;
	uintptr_t addr;
	size_t size;
	struct { uintptr_t addr; uint32_t bytes, previous; } at[16];
};
void det_access_collect(struct det_g *g, uintptr_t addr, size_t size, enum det_kind kind, uintptr_t pc, struct det_races *out);
void det_access_report(struct det_g *g, const struct det_races *races);

/* One or more bytes from addr on raced with the access `previous`. Called with no cell locked. */
void det_race(struct det_g *g, uintptr_t addr, size_t bytes, uint32_t previous, uint32_t current, uintptr_t access_addr, size_t access_size);
/* Tests look at each race instead of reporting it. */
extern void (*det_race_sink)(uintptr_t addr, size_t bytes, uint32_t previous, uint32_t current) __attribute__((visibility("hidden")));

/* No access to [addr, addr + size) has happened: fresh or dead memory. */
void det_forget(uintptr_t addr, size_t size);

/* The last plain write to the byte at addr, as a descriptor's id; 0: none. */
uint32_t det_last_write(uintptr_t addr);

bool det_shadow_init(void);
void det_shadow_after_fork(void);

/* The context of g's innermost instrumented frame. */
uint32_t det_ctx_of(struct det_g *g);

/* A det_g for the calling OS thread, which acts outside any goroutine (hb/goroutine.c). */
struct det_g *det_thread_create(void);

#endif
