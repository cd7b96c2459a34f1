#define CSP_SHORT_NAMES
#include <csp.h>

void f(chan(char *) c, const char *s) {
	chan_send(c, s); //@ error
}
