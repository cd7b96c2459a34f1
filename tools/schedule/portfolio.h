/* Which strategy for the i-th schedule of a test. */
#ifndef CSP_TOOLS_SCHEDULE_PORTFOLIO_H
#define CSP_TOOLS_SCHEDULE_PORTFOLIO_H

#include <stdbool.h>
#include <stdint.h>

/* `auto`, or one strategy for all. */
bool portfolio_is_known(const char *name);

/* The four fixed schedules first, then in turn random, POS, PCT of growing depth, delays: no strategy finds everything, and what one finds at once
 * another may never. `steps` is how many the longest run had so far. Writes the name. */
void portfolio_strategy(const char *wish, uint64_t i, uint64_t steps, char name[64]);

enum { PORTFOLIO_FIXED = 4 };

#endif
