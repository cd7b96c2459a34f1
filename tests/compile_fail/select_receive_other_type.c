#define CSP_SHORT_NAMES
#include <csp.h>

int f(chan(int) c) {
	long v;
	return choose(CSP_ON_RECV(c, &v)); //@ error
}
