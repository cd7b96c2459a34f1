/* What tests of csp.h let goroutines do. */
#ifndef CSP_TESTS_LIB_GOROUTINES_H
#define CSP_TESTS_LIB_GOROUTINES_H

#include <csp.h>

/* Until the goroutines just started had their chance to wait: certain with one worker, likely with several. No result may depend on it. */
static inline void settle(void)
{
	for (int i = 0; i < 20; i++)
		csp_yield();
}

static inline void send_one(csp_send_chan(int) c, int v)
{
	csp_chan_send(c, v);
}

static inline void recv_into(csp_recv_chan(int) c, csp_send_chan(int) out)
{
	csp_chan_send(out, csp_chan_recv(c));
}

#endif
