#define CSP_SHORT_NAMES
#include <csp.h>

static void g(recv_chan(int) c) { chan_recv(c); }
void f(chan(double) c) {
	go(g, c); //@ error
}
