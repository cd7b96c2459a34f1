#define CSP_SHORT_NAMES
#include <csp.h>

int f(send_chan(int) c) {
	return chan_recv(c); //@ error
}
