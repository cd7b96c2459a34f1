#define CSP_SHORT_NAMES
#include <csp.h>

void f(chan(int *) c, double *p) {
	chan_send(c, p); //@ error
}
