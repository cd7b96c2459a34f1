#define CSP_SHORT_NAMES
#include <csp.h>

bool f(chan(int) c) {
	const int v = 0;
	return chan_recv_ok(c, &v); //@ error
}
