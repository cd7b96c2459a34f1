#define CSP_SHORT_NAMES
#include <csp.h>

int f(recv_chan(int) c) {
	return choose(CSP_ON_SEND(c, 1), CSP_ON_DEFAULT); //@ error
}
