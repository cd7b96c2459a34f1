#define CSP_SHORT_NAMES
#include <csp.h>

bool f(send_chan(int) c) {
	int v;
	return chan_recv_ok(c, &v); //@ error
}
