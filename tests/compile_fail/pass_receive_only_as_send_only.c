#define CSP_SHORT_NAMES
#include <csp.h>

void g(send_chan(int) c);
void f(recv_chan(int) c) {
	g(c); //@ error
}
