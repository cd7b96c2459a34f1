/* Conservative marking on the frozen copy (reach.h).
 *
 * A word is a pointer if it lies in a live heap block (interior or one past the end) or in a goroutine's stack. A stack that is pointed
 * to is memory like any other (somebody shares a local variable) and is looked into, but its goroutine is not alive for that.
 * Channels: their header (queues of waiters) is skipped, the buffer is looked into. */
#include "reach.h"

#include <pthread.h>
#include <signal.h>

#include "../shadow/arena.h"

#define WORK_MAX (UINT64_C(1) << 28)
#define PAGE     UINT64_C(4096)

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

static struct det_member *member_at(uintptr_t addr)
{
	uint32_t lo = 0, hi = det_reach.graph.n_nodes;

	if (addr < det_reach.stacks_lo || addr >= det_reach.stacks_hi)
		return NULL;
	while (hi - lo > 1) {                   /* the last with stack_lo <= addr */
		uint32_t mid = lo + (hi - lo) / 2;
		if (det_reach.members[det_reach.by_stack[mid]].stack_lo <= addr)
			lo = mid;
		else
			hi = mid;
	}
	struct det_member *m = hi > 0 ? &det_reach.members[det_reach.by_stack[lo]] : NULL;
	return m != NULL && m->stack_lo <= addr && addr < m->stack_hi ? m : NULL;
}

void det_mark_stack(struct det_member *m)
{
	if (m->marked_stack)
		return;
	m->marked_stack = true;
	det_mark_range(m->live_lo, m->stack_hi);
}

static bool is_marked(uint32_t id) { return (det_reach.marked[id / 64] >> (id % 64) & 1) != 0; }

static void mark_block(const struct det_heap_block *b)
{
	struct det_chan c;

	if (b->id >= det_reach.heap_ids || is_marked(b->id))
		return;
	det_reach.marked[b->id / 64] |= UINT64_C(1) << (b->id % 64);
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

	if (lo >= det_reach.heap_lo && lo < det_reach.heap_hi && det_heap_find(lo, &b) && b.id < det_reach.heap_ids)
		det_reach.marked[b.id / 64] |= UINT64_C(1) << (b.id % 64);
}

void det_mark_word(uintptr_t word)
{
	struct det_heap_block b;
	struct det_member *m;

	if (word >= det_reach.heap_lo && word <= det_reach.heap_hi) {
		if (det_heap_find(word, &b))
			mark_block(&b);
		/* One past the end of a block: the byte before lies in it. */
		if (word > det_reach.heap_lo && det_heap_find(word - 1, &b) && b.start + b.size == word)
			mark_block(&b);
	}
	m = member_at(word);
	if (m != NULL && word >= m->live_lo)
		det_mark_stack(m);
}

/* malloc's arena in libc's data names chunks by their headers, and the header of a free chunk (or of the top) is where the block before it
 * ends, or its last word. Nobody else in libc keeps a pointer to just there without one to the block's start. */
static bool is_of_malloc(uintptr_t word)
{
	struct det_heap_block b;

	if (word <= det_reach.heap_lo || word > det_reach.heap_hi || (word & 15) != 0 || (!det_heap_find(word, &b) && !det_heap_find(word - 1, &b)))
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
			if (!libc || !is_of_malloc(word))
				det_mark_word(word);
		}
		if (det_reach.n_work == 0)
			return;
		r = det_reach.work[--det_reach.n_work];
		at = r.lo;
		libc = r.lo < det_reach.libc_hi && r.hi > det_reach.libc_lo;
	}
}

/* --- the question of the graph ---------------------------------------------------------------------------------------------- */

bool det_mark_reached(uintptr_t object, void *arg)
{
	struct det_heap_block b;
	struct det_member *m;

	if (object == 0)
		return false;
	if (object >= det_reach.heap_lo && object < det_reach.heap_hi && det_heap_find(object, &b))
		return b.id >= det_reach.heap_ids || is_marked(b.id);
	m = member_at(object);
	if (m != NULL)
		return m->marked_stack;
	return true;                    /* a global, or memory we know nothing of: any code may get at it */
}
