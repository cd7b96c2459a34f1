#define CSP_SHORT_NAMES
#include <csp.h>

bool f(recv_chan(int) c) {
	return csp_chan_try_send(c, 1); //@ error
}
