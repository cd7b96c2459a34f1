/* A shadow cell: what is remembered of four bytes.
 *
 *   w   0: never written · id of the last plain write · DET_TAG | ref: the four bytes differ, ref names a det_bytes and r is 0
 *   r   0: nothing · id of one access · DET_TAG | ref: several, ref names a det_set
 *
 * r holds what was done since that write and is not a plain write: plain reads, atomic reads, atomic writes (atomics do not race with
 * each other, so several of them may stand unordered). Descriptor ids have bit 31 clear.
 * Written under the lock of the cell's line (check.c). Read without it only to compare with the reader's own present span, which
 * nobody else can write into a cell. */
#ifndef CSP_DETECTOR_SHADOW_CELL_H
#define CSP_DETECTOR_SHADOW_CELL_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define DET_TAG 0x80000000u

struct det_cell { uint32_t w, r; };
static_assert(sizeof(struct det_cell) == 8, "two shadow bytes per byte");

/* A cell whose bytes differ: one cell per byte. */
struct det_bytes { struct det_cell of[4]; };

/* Accesses of more than one epoch. Entries that a newer one of the set stands for are dropped when n reaches prune_at. */
struct det_set {
	uint32_t n, room, prune_at;
	uint32_t n_plain_reads, n_atomic_writes;        /* counts by kind, so that most checks skip the scan */
	uint32_t unused;
	uint32_t id[];
};

static inline bool det_is_tagged(uint32_t word) { return (word & DET_TAG) != 0; }

#endif
