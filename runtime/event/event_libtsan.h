/* The observer for the compilers' thread sanitizer; see event_libtsan.c. */
#ifndef CSP_RUNTIME_EVENT_EVENT_LIBTSAN_H
#define CSP_RUNTIME_EVENT_EVENT_LIBTSAN_H

#include "event.h"

/* NULL without libtsan. After rt_fiber_init. */
const struct rt_observer *rt_libtsan_observer(void);

#endif
