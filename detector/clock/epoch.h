/* An epoch: one release-free span of one goroutine, the FastTrack "c@t".
 *
 * slot  the detector's number for a goroutine, dense from 1, never reused. A goroutine whose time would overflow goes on under a new
 *       slot that knows the old one's last time, so nothing is ever compared across a wrap.
 * time  from 1; 0 is "never". Grows by one at a release that follows an access or an acquire. */
#ifndef CSP_DETECTOR_CLOCK_EPOCH_H
#define CSP_DETECTOR_CLOCK_EPOCH_H

#include <stdint.h>

typedef struct { uint32_t slot, time; } det_epoch;

#define DET_TIME_MAX UINT32_MAX

#endif
