/* Conservative marking on the frozen copy (reach.h).
 *
 * A word is a pointer if it lies in a live heap block (interior or one past the end) or in a goroutine's stack. A stack that is pointed
 * to is memory like any other (somebody shares a local variable) and is looked into, but its goroutine is not alive for that.
 * Channels: their header (queues of waiters) is skipped, the buffer is looked into. What is marked tells the graph which objects became
 * reachable by it (targets.c). */
#include "reach.h"

#include <pthread.h>
#include <signal.h>

#include "../shadow/arena.h"

#define WORK_MAX (UINT64_C(1) << 28)
#define PAGE     UINT64_C(4096)
#define SWITCH_BYTES 64u                /* what the switch pushes */
#define SAVED_WORDS  5

bool det_mark_init(void)
{
	det_reach.work = det_reserve(WORK_MAX * sizeof *det_reach.work);
	return det_reach.work != NULL;
}

void det_mark_range(uintptr_t lo, uintptr_t hi)
{
	lo = (lo + 7) & ~(uintptr_t)7;
	if (lo >= hi)
		return;
	if (det_reach.n_work >= WORK_MAX) {
		det_reach.given_up = "leak check: mark stack exhausted";
		return;
	}
	det_reach.work[det_reach.n_work++] = (struct det_range){ lo, hi };
}

/* The frames of the runtime between the stack pointer and the first frame of the program, by their frame pointers; the registers that a
 * function saves lie right below its own. */
static void mark_saved_registers(const struct det_member *m)
{
	const uintptr_t *fp = (const uintptr_t *)m->bp;

	det_mark_range(m->live_lo, m->live_lo + SWITCH_BYTES);
	while ((uintptr_t)fp > m->live_lo && (uintptr_t)fp < m->sure_lo) {
		det_mark_range((uintptr_t)(fp - SAVED_WORDS), (uintptr_t)(fp + 1));
		fp = (const uintptr_t *)*fp;
	}
}

void det_mark_stack(struct det_member *m, uintptr_t from)
{
	if (m->marked_stack)
		return;
	m->marked_stack = true;
	m->from = from;
	if (det_reach.graph.phase == 0 && m->sure_lo > m->live_lo) {
		mark_saved_registers(m);
		det_mark_range(m->sure_lo, m->stack_hi);
	} else {
		m->sure_lo = m->live_lo;
		det_mark_range(m->live_lo, m->stack_hi);
	}
	det_targets_reached(&m->targets);
}

void det_mark_doubtful(void)
{
	for (uint32_t i = 0; i < det_reach.graph.n_nodes; i++) {
		struct det_member *m = &det_reach.members[i];
		if (m->marked_stack && m->live_lo < m->sure_lo)
			det_mark_range(m->live_lo, m->sure_lo);
	}
	det_mark_drain();
}

bool det_mark_is_marked(uint32_t id) { return (det_reach.marked[id / 64] >> (id % 64) & 1) != 0; }

static void set_marked(uint32_t id, uintptr_t from)
{
	det_reach.marked[id / 64] |= UINT64_C(1) << (id % 64);
	if (det_reach.block_from != NULL)
		det_reach.block_from[id] = from;
	if (det_reach.block_targets[id] != 0)
		det_targets_reached(&det_reach.block_targets[id]);
}

static void mark_block(const struct det_heap_block *b, uintptr_t from)
{
	struct det_chan c;

	if (b->id >= det_reach.heap_ids || det_mark_is_marked(b->id))
		return;
	set_marked(b->id, from);
	det_reach.heap_bytes += b->size;
	/* A channel may be one block of its own; its waiters' queues are the runtime's affair. */
	if (det_chan_get(b->start, &c))
		det_mark_range(b->start + c.header_bytes, b->start + b->size);
	else
		det_mark_range(b->start, b->start + b->size);
}

/* The runtime's own blocks in the heap (its workers): marked beforehand, so that they are never looked into. */
void det_mark_pass_over(uintptr_t lo, uintptr_t hi, void *arg)
{
	struct det_heap_block b;

	if (det_heap_find(lo, &b) && b.id < det_reach.heap_ids)
		set_marked(b.id, 0);
}

void det_mark_word(uintptr_t word, uintptr_t at)
{
	struct det_heap_block b;
	struct det_member *m;

	for (int i = 0; i < 2; i++)
		if (word - det_reach.heaps[i].lo <= det_reach.heaps[i].hi - det_reach.heaps[i].lo) {
			if (!det_heap_find_near(word, &b))
				continue;
			mark_block(&b, at);
			return;
		}
	m = det_stacks_find(word);
	if (m != NULL && word >= m->live_lo)
		det_mark_stack(m, at);
}

/* malloc's arena in libc's data names chunks by their headers, and the header of a free chunk (or of the top) is where the block before it
 * ends, or its last word. Nobody else in libc keeps a pointer to just there without one to the block's start. */
static bool is_of_malloc(uintptr_t word)
{
	struct det_heap_block b;

	if ((word & 15) != 0 || (!det_heap_find(word, &b) && !det_heap_find(word - 1, &b)))
		return false;
	size_t chunk = ((const size_t *)b.start)[-1] & ~(size_t)7;
	return word == b.start - 2 * sizeof(size_t) + chunk;
}

/* A page of a writable mapping may still be unreadable (guards made by madvise, files cut short): the rest of it is passed over. Nothing
 * of the program can be kept there. */
static void *unreadable[5];

static void on_fault(int sig) { __builtin_longjmp(unreadable, 1); }

void det_mark_catch_faults(void)
{
	struct sigaction sa = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };
	sigset_t set;

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	sigaddset(&set, SIGBUS);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void det_mark_drain(void)
{
	static struct det_range r;          /* survives the jump */
	static volatile uintptr_t at;
	static volatile bool libc;

	if (__builtin_setjmp(unreadable) != 0)
		at = (at & ~(PAGE - 1)) + PAGE;
	else
		at = r.hi = 0;
	while (det_reach.given_up == NULL) {
		for (; at + sizeof(uintptr_t) <= r.hi; at += sizeof(uintptr_t)) {
			uintptr_t word = *(const uintptr_t *)at;
			/* Into the range itself: it is marked. Most words of a stack that look like addresses are such. */
			if (word - r.lo >= r.hi - r.lo && (!libc || !is_of_malloc(word)))
				det_mark_word(word, at);
		}
		if (det_reach.n_work == 0)
			return;
		r = det_reach.work[--det_reach.n_work];
		at = r.lo;
		libc = r.lo < det_reach.libc_hi && r.hi > det_reach.libc_lo;
	}
}
