/* The program of the design page, as a user would type it. */
#define CSP_SHORT_NAMES
#include <csp.h>
#include <stdio.h>
typedef struct { int id; double cost; } job;

static void worker(int id, recv_chan(job) jobs, send_chan(double) results) {
	chan_for(j, jobs)                                   /* until closed and drained */
		chan_send(results, j.cost * id);
}
int main(void) {
	chan(job) jobs = make_chan(job, 16);                /* element type, capacity (default 0) */
	chan(double) results = make_chan(double, 16);
	chan(bool) done = make_chan(bool);
	int received = 0;
	for (int i = 0; i < 4; i++) go(worker, i, jobs, results);   /* any function, any arguments, type-checked */
	for (int i = 0; i < 10; i++) chan_send(jobs, (job){ i, 0.5 });
	chan_close(jobs);
	double r; bool quit; enum { RESULT, QUIT, LATE };
	for (;;) {
		switch (choose([RESULT] = CSP_ON_RECV(results, &r), [QUIT] = CSP_ON_RECV(done, &quit), [LATE] = CSP_ON_AFTER(100 * CSP_MILLISECOND))) {
		case RESULT: received += r >= 0 && r <= 1.5; continue;
		case QUIT:   return 1;
		case LATE:   break;
		}
		break;
	}
	printf("%d results\n", received);
	return received != 10;
}
