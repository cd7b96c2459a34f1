/* The functions behind our interposers are looked up once, at start-up. */
#include "libc.h"

#include <malloc.h>

void det_libc_init(void)
{
	mallopt(M_ARENA_MAX, 1);
	det_string_init();
}
