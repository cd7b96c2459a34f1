#define CSP_SHORT_NAMES
#include <csp.h>

void f(void) {
	chan(int) c = make_chan(double, 4); //@ error
	chan_close(c);
}
