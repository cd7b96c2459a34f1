#include <csp.h>

static void produce(csp_chan(int) out)
{
	for (int i = 0; i < 3; i++)
		csp_chan_send(out, i);
#ifdef MENDED
	csp_chan_close(out);            /* whoever sends says that there is no more */
#endif
}

int main(void)
{
	csp_chan(int) values = csp_make_chan(int);
	int sum = 0;

	csp_go(produce, values);
	csp_chan_for(v, values)         /* until closed */
		sum += v;
	return sum != 3;
}
