/* What inspect.h offers to an observer, for the rooms inside the runtime. */
#ifndef CSP_RUNTIME_SCHED_WALK_H
#define CSP_RUNTIME_SCHED_WALK_H

#include "inspect.h"

void rt_inspect_each(bool (*visit)(const struct rt_ginfo *info, void *arg), void *arg);        /* door->g_each */
const char *rt_wait_text(enum rt_wait wait);                                                    /* door->wait_text */

#endif
