#define CSP_SHORT_NAMES
#include <csp.h>

typedef struct { int id; double cost; } job;

typedef struct { int id; double cost; } bill;

void f(chan(job) c, bill b) {
	chan_send(c, b); //@ error
}
