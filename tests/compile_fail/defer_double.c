#define CSP_SHORT_NAMES
#include <csp.h>

static void g(double d) { (void)d; }
void f(void) {
	defer(g, 1.5); //@ error
}
