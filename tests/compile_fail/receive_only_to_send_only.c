#define CSP_SHORT_NAMES
#include <csp.h>

void f(recv_chan(int) c) {
	send_chan(int) d = c; //@ error
	chan_close(d);
}
