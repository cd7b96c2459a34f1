#define CSP_SHORT_NAMES
#include <csp.h>

void f(int i) {
	go(i, 1); //@ error
}
