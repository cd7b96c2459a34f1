#define CSP_SHORT_NAMES
#include <csp.h>

void f(chan(chan(int)) c, chan(long) d) {
	chan_send(c, d); //@ error
}
