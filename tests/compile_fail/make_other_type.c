#define CSP_SHORT_NAMES
#include <csp.h>

void f(void) {
	chan(int) c = make_chan(long); //@ error
	chan_close(c);
}
