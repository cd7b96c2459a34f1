#define CSP_SHORT_NAMES
#include <csp.h>

typedef struct { int id; double cost; } job;

static job g(int i) { return (job){ i, 0 }; }
void f(void) {
	go(g, 1); //@ error
}
