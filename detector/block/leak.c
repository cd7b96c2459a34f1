/* Leaks: goroutines that can never go on although the program does. */
#include "block.h"

#include "../report/lock.h"

static struct det_lock check_lock;      /* one check at a time */

void det_block_expect_leak(struct rt_gview *g)
{
	struct det_bg *b = det_block_door != NULL ? det_bg_of(g->id, true) : NULL;

	if (b != NULL)
		atomic_store(&b->expect_leak, true);
}

static bool count_leaked(struct det_bg *b, void *arg)
{
	*(int *)arg += atomic_load(&b->verdict) != DET_PROOF_NONE && !b->ended;
	return true;
}

int det_block_leak_check(void *pc)
{
	int n = 0;

	if (det_block_door != NULL)
		det_bg_each(count_leaked, &n);
	return n;
}

void det_block_leak_fork(int phase)
{
	if (phase == 0)
		det_lock(&check_lock);
	else if (phase == 1)
		det_unlock(&check_lock);
	else
		det_lock_reset(&check_lock);
}
