/* Everything that must compile without a warning. Not run. */
#define CSP_SHORT_NAMES
#include <csp.h>
#include <stdlib.h>
#include <stdio.h>
typedef struct { int id; double cost; } job;

static void worker(int id, recv_chan(job) jobs, send_chan(double) results) {
	chan_for(j, jobs)                                   /* until closed and drained */
		chan_send(results, j.cost * id);
}
static void none(void) {}
static void pointer(void *p) { (void)p; }
static long many(int a, double b, job j, long c, long d, long e, long f, long g, const char *s, long double ld) { return a + (long)(b + j.cost + (double)ld) + c + d + e + f + g + s[0]; }
int main(void) {
	chan(job) jobs = make_chan(job, 16);                /* element type, capacity (default 0) */
	chan(double) results = make_chan(double, 16);
	chan(bool) done = make_chan(bool);
	for (int i = 0; i < 4; i++) go(worker, i, jobs, results);   /* any function, any arguments, type-checked */
	for (int i = 0; i < 10; i++) chan_send(jobs, (job){ i, 0.5 });
	chan_close(jobs);
	double r; bool quit; enum { RESULT, QUIT, LATE };
	switch (choose([RESULT] = CSP_ON_RECV(results, &r), [QUIT] = CSP_ON_RECV(done, &quit), [LATE] = CSP_ON_AFTER(100 * CSP_MILLISECOND))) {
	case RESULT: printf("%f\n", r); break;
	default: break;
	}
	int k = 0;
	go(none);
	go(many, 1, 2.0, (job){ 1, 2 }, 3, 4, 5, 6, k++, "x", 3);
	csp_go_options o = { .name = "x" };
	csp_go_opt(&o, many, 1, 2.0, (job){ 1, 2 }, 3, 4, 5, 6, 7, "x", 3.0L);
	chan(chan(int)) cc = make_chan(chan(int), 1);
	chan_send(cc, make_chan(int, 1));
	chan(int) ci = chan_recv(cc);
	chan(chan(int)) cs[2] = { cc, cc };
	chan_send(cs[k++ & 1], ci);
	chan_send(chan_recv(cc), 4);
	chan_recv(ci);
	(void)chan_recv(ci);
	chan(const char *) s = make_chan(const char *, 1);
	chan_send(s, "a");
	const char *t = chan_recv(s);
	bool ok;
	int arr[3];
	if (chan_recv_ok(ci, &arr[k++])) return 1;
	if (chan_recv_ok(ci, arr)) return 1;
	if (chan_recv_ok(ci, NULL)) return 1;
	if (csp_chan_try_send(ci, 1) && csp_chan_try_recv(ci, &arr[0])) return 1;
	csp_case list[3];
	int val = 3; const int cval = 4;
	list[0] = CSP_ON_RECV(s, &t, &ok); list[1] = CSP_ON_SEND_PTR(ci, &val); list[2] = CSP_ON_SEND_PTR(ci, &cval);
	switch (csp_select_v(list, 3)) { default: break; }
	switch (csp_select(CSP_ON_SEND(jobs, (job){ 1, 2 }), CSP_ON_DEFAULT, CSP_ON_RECV(ci))) { case 0: break; default: break; }
	recv_chan(int64_t) a = csp_after(3);
	chan_for(tm, a) chan_for(x, ci) { if (x == tm) continue; break; }
	void *buf = malloc(3);
	defer(free, buf);
	recv_chan(int) ri = ci; send_chan(int) const si = ci;
	chan_send(si, 2); chan_close(si);
	csp_recv_chan(int) r2 = csp_chan_ref(ri);
	csp_chan_unref(r2); csp_chan_free(ci);
	if (errno) return (int)(chan_len(ri) + chan_cap(si));
	int *q = arr;
	go(pointer, buf); go(pointer, &(int){ 1 }); go(pointer, ((void)0, buf)); go(pointer, q++);
	void (*fp[2])(void) = { none, none };
	go(fp[k++ & 1]);
	return 0;
}
