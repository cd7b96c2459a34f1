#define CSP_SHORT_NAMES
#include <csp.h>

static void g(const char *s) { (void)s; }
void f(int i) {
	go(g, i); //@ error
}
