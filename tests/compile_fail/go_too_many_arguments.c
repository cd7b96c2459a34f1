#define CSP_SHORT_NAMES
#include <csp.h>

static void g(void) {}
void f(void) {
	go(g, 1); //@ error
}
