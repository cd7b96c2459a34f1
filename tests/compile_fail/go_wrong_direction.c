#define CSP_SHORT_NAMES
#include <csp.h>

static void g(send_chan(int) c) { chan_send(c, 1); }
void f(recv_chan(int) c) {
	go(g, c); //@ error
}
