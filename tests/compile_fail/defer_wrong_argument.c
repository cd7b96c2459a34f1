#define CSP_SHORT_NAMES
#include <csp.h>

static void g(const char *s) { (void)s; }
void f(double *d) {
	defer(g, d); //@ error
}
