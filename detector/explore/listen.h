/* What a step does besides the operation it began with: unlocks, dones, releases. */
#ifndef CSP_DETECTOR_EXPLORE_LISTEN_H
#define CSP_DETECTOR_EXPLORE_LISTEN_H

#include "../../runtime/event/event.h"

/* Put ourselves in front of the observer's functions. */
void det_explore_listen(struct rt_observer *observer);

#endif
