/* What inspect.h shows of the objects of this room. */
#ifndef CSP_RUNTIME_SYNC_INFO_H
#define CSP_RUNTIME_SYNC_INFO_H

#include "../sched/inspect.h"

enum rt_once_state { RT_ONCE_FRESH, RT_ONCE_RUNNING, RT_ONCE_AWAITED, RT_ONCE_DONE };

/* Fill *out for RT_OBJ_MUTEX, RWMUTEX, WAITGROUP, COND, ONCE, SEMA; false for other kinds. Exact while the world is stopped. */
bool rt_sync_info(enum rt_obj_kind kind, void *obj, struct rt_objinfo *out);

#endif
