#define CSP_SHORT_NAMES
#include <csp.h>

typedef struct { int id; double cost; } job;

static void g(job j) { (void)j; }
void f(void) {
	go(g, 1); //@ error
}
