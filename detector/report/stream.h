/* The records that frame a process's findings: panic, repeats and losses, bye; and the stream across fork. */
#ifndef CSP_DETECTOR_REPORT_STREAM_H
#define CSP_DETECTOR_REPORT_STREAM_H

#include <stdbool.h>
#include <stdint.h>

void det_stream_panic(const char *text);
void det_stream_flush(void);            /* repeats and losses counted since they were last written */
bool det_stream_is_open(void);          /* has this process written anything? */
void det_stream_bye(uint64_t goroutines_started, uint64_t goroutines_alive);    /* flushes first */
void det_stream_fork(int phase);        /* 0 before, 1 parent after, 2 child after */

#endif
