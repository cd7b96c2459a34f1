#define CSP_SHORT_NAMES
#include <csp.h>

typedef struct { int id; double cost; } job;

void f(chan(job) c) {
	chan_send(c, 1); //@ error
}
