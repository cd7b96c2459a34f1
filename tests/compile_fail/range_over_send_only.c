#define CSP_SHORT_NAMES
#include <csp.h>

void f(send_chan(int) c) {
	chan_for(v, c) //@ error
		(void)v;
}
