#define CSP_SHORT_NAMES
#include <csp.h>

bool f(chan(int) c) {
	long v;
	return chan_recv_ok(c, &v); //@ error
}
