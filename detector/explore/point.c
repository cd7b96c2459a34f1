/* Apart from the rest, for the entry points are tested without a runtime. */
#include "explore.h"

void (*det_explore_point_fn)(enum rt_point at, const void *obj);
bool det_explore_keep_shared;
