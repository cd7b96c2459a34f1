/* What a finding is. Rooms of the detector fill a det_finding on their stack and hand it to det_finding_emit, which numbers it,
 * drops repeats inside the process, and appends one record to the stream (record.h). Nothing here is symbolised. */
#ifndef CSP_DETECTOR_REPORT_FINDING_H
#define CSP_DETECTOR_REPORT_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum det_rule {
	DET_RACE = 1001, DET_RACE_ATOMIC = 1002, DET_RACE_FREE = 1003,
	DET_DEADLOCK = 2001, DET_DEADLOCK_PARTIAL = 2002, DET_NIL_CHAN = 2003, DET_EMPTY_SELECT = 2004, DET_LOCK_ORDER = 2005,
	DET_SELF_LOCK = 2006, DET_BAD_UNLOCK = 2007,
	DET_LEAK = 3001, DET_ALIVE_AT_EXIT = 3002, DET_BLOCKED_LONG = 3003,
	DET_SEND_ON_CLOSED = 4001, DET_DOUBLE_CLOSE = 4002, DET_CLOSE_NIL = 4003, DET_WG_NEGATIVE = 4004, DET_WG_REUSE = 4005,
	DET_PANIC = 4090 /* any other panic or fatal error of the runtime: named, counts as misuse */,
	DET_STACK_OVERFLOW = 5001, DET_TIMEOUT = 5002
};

/* A stack: raw return addresses, innermost first. The first is the exact pc if exact0, else a return address. */
#define DET_STACK_MAX 64
struct det_stack { uint32_t n; bool exact0; uintptr_t pc[DET_STACK_MAX]; };

/* One party of a finding: an access, a blocked goroutine, a close site … */
struct det_part {
	const char *role;               /* "access" "previous" "blocked" "holder" "close" "create" "previous close" "unlock" … */
	const char *op;                 /* "read" "write" "atomic read" "atomic write" "free"; Go's wait text for blocked */
	uint64_t    gid;
	uintptr_t   addr; size_t size;  /* accesses: first byte touched and width */
	const struct det_stack *stack;
	const char *note;               /* one more sentence, or NULL ("holds mutex 0x…", "last ordered at …") */
	uintptr_t   objects[8];         /* objects waited for (blocked) or locks held (access) */
	const char *object_kinds[8];    /* "chan" "mutex" … parallel to objects */
	uint32_t    n_objects;
};

struct det_goroutine {
	uint64_t    gid, parent_gid;
	const char *name;               /* "" if none */
	const char *state;              /* Go's words: "running", "finished", "chan receive" … */
	int64_t     blocked_ns;         /* -1: not blocked */
	uintptr_t   entry_pc;
	const struct det_stack *created_at;     /* NULL for goroutine 1 */
};

struct det_object {
	const char *kind;               /* "global" "heap" "stack" "chan" "mutex" "rwmutex" "waitgroup" "cond" "once" "sema" "fd" "unknown" */
	uintptr_t   addr; size_t size;  /* of the block (0 unknown) */
	uint64_t    gid;                /* allocated by / whose stack */
	const struct det_stack *created_at;     /* allocation or creation site, or NULL */
	const struct det_stack *closed_at;
	uint64_t    cap, len; bool closed;      /* channels */
};

struct det_edge {                       /* wait-for graph: from → to */
	uint64_t  from_gid; uintptr_t from_obj; /* exactly one of the two is set */
	uint64_t  to_gid;   uintptr_t to_obj;
	const char *label;              /* "waits to lock", "held by", "waits to receive from" … */
	const struct det_stack *stack;  /* where, or NULL */
};

struct det_finding {
	enum det_rule rule;
	const char   *proof;            /* "P0" "P1" "P2" "P3" "S1" "S2" "L" or NULL (races, misuse) */
	bool          gate;             /* counts for the exit status */
	const char   *cause;            /* one sentence, or NULL */
	const struct det_part      *parts;      uint32_t n_parts;
	const struct det_goroutine *goroutines; uint32_t n_goroutines;
	const struct det_object    *objects;    uint32_t n_objects;   /* [0] is what the finding is about */
	const struct det_edge      *edges;      uint32_t n_edges;
};

/* Returns the number of the finding in this process (from 1), or 0 if it repeats one already emitted (its count was raised).
 * Takes a lock of its own; callable with runtime spin locks held; does not allocate from malloc. */
uint32_t det_finding_emit(const struct det_finding *f);

/* What tells repeats; and so many more of one that has been emitted, told without being made again. */
uint64_t det_finding_key(const struct det_finding *f);
void det_finding_repeat(uint64_t key, uint64_t count);

#endif
