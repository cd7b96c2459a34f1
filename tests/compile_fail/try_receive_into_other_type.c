#define CSP_SHORT_NAMES
#include <csp.h>

bool f(chan(int) c) {
	short v;
	return csp_chan_try_recv(c, &v); //@ error
}
