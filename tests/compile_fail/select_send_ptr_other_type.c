#define CSP_SHORT_NAMES
#include <csp.h>

int f(chan(int) c, long *p) {
	return choose(CSP_ON_SEND_PTR(c, p)); //@ error
}
