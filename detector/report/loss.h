/* Where precision was given up. Never silent: each kind is counted, and written to the record stream as `loss`. */
#ifndef CSP_DETECTOR_REPORT_LOSS_H
#define CSP_DETECTOR_REPORT_LOSS_H

#include <stdint.h>

/* `what` is a static text such as "access descriptors". Callable anywhere, lock-free. */
void det_loss(const char *what, uint64_t count);

/* Visit all kinds counted so far. */
void det_loss_each(void (*visit)(const char *what, uint64_t count, void *arg), void *arg);

#endif
