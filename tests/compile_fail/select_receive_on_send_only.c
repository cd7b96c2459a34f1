#define CSP_SHORT_NAMES
#include <csp.h>

int f(send_chan(int) c) {
	int v;
	return choose(CSP_ON_RECV(c, &v)); //@ error
}
