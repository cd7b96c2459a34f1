/* What start-up saw, for the rooms above. */
#ifndef CSP_DETECTOR_ABI_START_H
#define CSP_DETECTOR_ABI_START_H

#include <stdint.h>

/* The thread control block of the thread that loaded us, main's; 0 while the detector is off. Constant from then on. */
extern uintptr_t det_main_tcb __attribute__((visibility("hidden")));

#endif
