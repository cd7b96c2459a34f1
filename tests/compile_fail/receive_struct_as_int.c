#define CSP_SHORT_NAMES
#include <csp.h>

typedef struct { int id; double cost; } job;

int f(chan(job) c) {
	return chan_recv(c); //@ error
}
