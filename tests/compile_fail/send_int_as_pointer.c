#define CSP_SHORT_NAMES
#include <csp.h>

void f(chan(const char *) c) {
	chan_send(c, 5); //@ error
}
