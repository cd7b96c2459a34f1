#define CSP_SHORT_NAMES
#include <csp.h>

int f(chan(int) c, const char *s) {
	return choose(CSP_ON_SEND(c, s), CSP_ON_DEFAULT); //@ error
}
