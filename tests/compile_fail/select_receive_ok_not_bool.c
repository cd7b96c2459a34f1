#define CSP_SHORT_NAMES
#include <csp.h>

int f(chan(int) c) {
	int v, ok;
	return choose(CSP_ON_RECV(c, &v, &ok)); //@ error
}
