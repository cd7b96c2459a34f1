#define CSP_SHORT_NAMES
#include <csp.h>

void g(send_chan(int) c);
void f(chan(long) c) {
	g(c); //@ error
}
