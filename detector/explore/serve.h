/* The fork server: a checked process that has come up to main and goes no further; every schedule the command wants runs in a child of it.
 * Asked for by CSPCHECK_SERVE=FD (a stream socket) together with CSPCHECK_SCHEDULE; the file of the schedule is shared with all children.
 *
 *   command → server    struct det_serve_order
 *   server → command    struct det_serve_result
 * The server ends when the socket is closed. */
#ifndef CSP_DETECTOR_EXPLORE_SERVE_H
#define CSP_DETECTOR_EXPLORE_SERVE_H

#include <stdint.h>

enum { DET_SERVE_READY = 0x63737031 };

struct det_serve_order {
	char     strategy[64];
	uint64_t seed, index, max_steps;
	int64_t  timeout_ns;            /* real time; 0: none */
};

/* The first one, sent unasked with pid 0 and status DET_SERVE_READY, says that the server has come up. */
struct det_serve_result {
	int32_t  pid, status;           /* as from waitpid */
	int32_t  timed_out, unused;
	int64_t  run_ns;
};

#endif
