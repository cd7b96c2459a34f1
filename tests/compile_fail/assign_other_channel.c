#define CSP_SHORT_NAMES
#include <csp.h>

void f(chan(int) c, chan(long) d) {
	c = d; //@ error
	chan_close(c);
}
