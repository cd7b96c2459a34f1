/* csp.h is usable from C++, but for the typed macros. Not run. */
#include <csp.h>
static void f(void *p) { *(int *)p = 1; }
int main()
{
	int x = 0;
	csp_mutex m = CSP_MUTEX_HANDOVER_INIT;
	csp_mutex_lock(&m);
	csp_chan(int) c = (csp_chan(int))csp_chan_make_(sizeof(int), 1);
	csp_recv_chan(int64_t) t = csp_after(3);
	errno = 0;
	(void)t;
	(void)c;
	return csp_go_fn(f, &x, nullptr);
}
