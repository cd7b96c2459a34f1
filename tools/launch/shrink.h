/* Make a failing schedule shorter: fewer deviations from the default one, the same failure. */
#ifndef CSP_TOOLS_LAUNCH_SHRINK_H
#define CSP_TOOLS_LAUNCH_SHRINK_H

#include "launch/server.h"
#include "launch/witness.h"

/* Replaces *s by the shortest found within two seconds; returns how many runs that took. The server must be idle. */
unsigned shrink_schedule(struct server *server, struct schedule *s, const struct failure *wanted, uint64_t max_steps, int64_t timeout_ns);

#endif
