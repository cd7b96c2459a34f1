#define CSP_SHORT_NAMES
#include <csp.h>

typedef struct { int id; double cost; } job;

void f(chan(int) c, job j) {
	chan_send(c, j); //@ error
}
