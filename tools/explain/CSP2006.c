#include <csp.h>

static csp_mutex lock;
static int total;

static void add_locked(int n) { total += n; }

static void add(int n)
{
	csp_mutex_lock(&lock);
	add_locked(n);
	csp_mutex_unlock(&lock);
}

int main(void)
{
	csp_mutex_lock(&lock);
#ifdef MENDED
	add_locked(1);
#else
	add(1);                         /* locks what its caller holds */
#endif
	csp_mutex_unlock(&lock);
	add(1);
	return total != 2;
}
