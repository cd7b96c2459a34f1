#define CSP_SHORT_NAMES
#include <csp.h>

void f(int *c) {
	chan_send(c, 1); //@ error
}
