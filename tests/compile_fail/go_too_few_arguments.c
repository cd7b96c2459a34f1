#define CSP_SHORT_NAMES
#include <csp.h>

static void g(int a, int b) { (void)a; (void)b; }
void f(void) {
	go(g, 1); //@ error
}
