#define CSP_SHORT_NAMES
#include <csp.h>

void f(chan(int) c) {
	chan_send(c, 1, 2); //@ error
}
