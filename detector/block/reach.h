/* Reachability (P3), on the frozen copy: what its parts share. The copy has one thread; nothing here is locked. */
#ifndef CSP_DETECTOR_BLOCK_REACH_H
#define CSP_DETECTOR_BLOCK_REACH_H

#include "../abi/heap.h"
#include "graph.h"
#include "snapshot.h"

#define DET_READERS_MAX 64              /* holders of a read lock that are looked at one by one */

struct det_range { uintptr_t lo, hi; };

/* A goroutine on the copy; parallel to graph.nodes. */
struct det_member {
	struct rt_gview *view;
	uint64_t  gid;
	int64_t   since_ns;
	uintptr_t stack_lo, stack_hi, live_lo;
	uintptr_t sure_lo;              /* below it are frames of the runtime: of what lies there only saved registers mean something for sure */
	uintptr_t bp;
	const uintptr_t *regs;
	uint32_t  n_regs;
	uint32_t  roots;                /* index + 1 into det_reach.roots: what a thread caught by a signal has beside its stack */
	uint8_t   state, wait;
	bool      system, foreign, self, active, marked_stack, skip;
	bool      settled;              /* no terms: it goes on by itself, or its verdict is known */
	uint32_t  first_wait, n_waits;
	uint32_t  targets;              /* list of those that lie in its stack */
	uintptr_t from;                 /* the word that made its stack be looked into; 0: it is alive, or a register */
};

/* An object somebody waits for; parallel to graph.things. */
struct det_target {
	uintptr_t addr;
	uint32_t  next;                 /* in the list of its block or stack, index + 1 */
	uint32_t  writer;               /* rwmutex: a goroutine queued for writing, index + 1 */
	bool      placed;               /* it is known where it lies */
};

struct det_signal_roots { struct det_range vector, handler; };

extern struct det_reach {
	unsigned char *scratch; size_t used;
	struct det_range *work; uint64_t n_work;        /* ranges still to be scanned */
	struct det_range *holes; uint32_t n_holes;      /* not roots; sorted */
	struct det_member *members;
	struct det_signal_roots *roots; uint32_t n_roots;
	struct rt_wait_entry *waits; uint32_t n_waits;
	struct det_target *targets;
	uint32_t      *target_hash; uint32_t hash_mask; /* by address; index + 1 */
	uint64_t      *marked; uint32_t heap_ids;
	uint32_t      *block_targets;           /* by id of block: list of targets in it */
	uintptr_t     *block_from;              /* by id of block: the word that named it first; NULL: nobody asked for paths */
	struct det_range heaps[2];              /* hulls of heap blocks: in the data segment, and elsewhere; empty ones match no word */
	struct det_graph graph;
	const struct det_question *question;
	const char    *given_up;
	uint64_t       heap_bytes, root_bytes;
	uintptr_t      brk_lo, brk_hi;          /* the mapping malloc's main arena lives in */
	bool           known_heap;
	/* Found out before the world is stopped, since the loader's lock is needed. */
	size_t         tls_bytes;
	uintptr_t      own_lo, own_hi;
	uintptr_t      libc_lo, libc_hi;        /* libc's writable data, malloc's main arena in it */
	uintptr_t      runtime_lo, runtime_hi;  /* the runtime's code, if it is a library of its own */
	int            pagemap_fd;
} det_reach __attribute__((visibility("hidden")));

/* reach.c */
void *det_reach_take(size_t bytes);     /* zeroed scratch; when it is used up, given_up is set and the pointer is not to be used */

/* stacks.c: whose stack is it? */
void det_stacks_index(void);            /* of all members; sorts */
struct det_member *det_stacks_find(uintptr_t addr);

/* targets.c */
bool det_targets_init(uint32_t max);
uint32_t det_target_of(uintptr_t addr);                 /* made if there is none; UINT32_MAX: no memory, given_up is set */
void det_target_place(uint32_t target);                 /* into the list of the memory it lies in; reached, if anybody can get there */
void det_targets_reached(uint32_t *list);

/* mark.c */
bool det_mark_init(void);
void det_mark_catch_faults(void);
void det_mark_range(uintptr_t lo, uintptr_t hi);        /* looked into by the next drain */
void det_mark_word(uintptr_t word, uintptr_t at);       /* marks what it may point to; at: where it was found, 0: a register */
void det_mark_stack(struct det_member *m, uintptr_t from);
void det_mark_doubtful(void);           /* what det_mark_stack left out */
void det_mark_drain(void);
bool det_mark_is_marked(uint32_t block);
void det_mark_pass_over(uintptr_t lo, uintptr_t hi, void *arg);         /* a block of the runtime's own: never looked into */

/* roots.c: marks from everything that is a root whoever is alive */
void det_roots_find(void);              /* reads the memory map; sets what is no root */
void det_roots_mark_strong(void);       /* thread-local blocks, timers, stacks of attached threads */
void det_roots_mark_mappings(void);     /* globals, and all other memory the program may write */
bool det_root_is_of_module(uintptr_t addr);

/* waits.c */
void det_waits_gather(uint32_t max);    /* the goroutines of the copy: members and nodes */
void det_waits_to_terms(void);

/* path.c: why is it not proven? */
void det_path_of(uint32_t node, struct det_answer *out, struct det_answer_g *g);

#endif
