#define CSP_SHORT_NAMES
#include <csp.h>

void f(recv_chan(int) c) {
	chan_close(c); //@ error
}
