/* An observer that listens to nothing; see event_none.c. */
#ifndef CSP_RUNTIME_EVENT_EVENT_NONE_H
#define CSP_RUNTIME_EVENT_EVENT_NONE_H

#include "event.h"

extern const struct rt_observer rt_event_none __attribute__((visibility("hidden")));

#endif
