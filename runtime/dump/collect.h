/* Pass one of a dump: the stacks of all goroutines as pcs, and what else is told of each, while nothing moves. */
#ifndef CSP_RUNTIME_DUMP_COLLECT_H
#define CSP_RUNTIME_DUMP_COLLECT_H

#include "dump.h"

#define RT_DUMP_PCS_MAX (RT_DUMP_FRAMES_MAX + 28)

struct rt_dump_block {
	uint64_t id, parent_id;
	int64_t  since_ns;
	void    *go_pc, *entry_pc, *obj;
	size_t   stack_bytes, stack_used;       /* used 0: unknown */
	char     name[32];
	uint8_t  state, wait;
	bool     locked, exact0, first;
	uint32_t n;
	void    *pcs[];
};

struct rt_dump_set {
	struct rt_dump_block **blocks;          /* top's first, the others by id; NULL: none, or no memory */
	size_t n;
	/* The rest is collect.c's own. */
	char  *mem;
	size_t len, cap;
	const struct rt_dump_top *top;
	enum rt_traceback mode;
	bool   only_top;
};

void rt_dump_collect(struct rt_dump_set *set, const struct rt_dump_top *top, bool only_top);
void rt_dump_release(struct rt_dump_set *set);

#endif
