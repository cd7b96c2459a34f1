#include "out.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FIRST_BYTES = 2 * RT_DUMP_FLUSH_BYTES };

bool rt_dump_reserve(char **mem, size_t *cap, size_t need)
{
	if (need <= *cap)
		return true;
	size_t more = *cap != 0 ? *cap : FIRST_BYTES;
	while (more < need)
		more *= 2;
	char *p = *mem == NULL ? mmap(NULL, more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
	                       : mremap(*mem, *cap, more, MREMAP_MAYMOVE);
	if (p == MAP_FAILED)
		return false;
	*mem = p;
	*cap = more;
	return true;
}

void rt_dump_flush(struct rt_dump_out *o)
{
	size_t done = 0;
	while (done < o->len) {
		ssize_t n = write(o->fd, o->buf + done, o->len - done);
		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			poll(&(struct pollfd){ .fd = o->fd, .events = POLLOUT }, 1, -1);
		else if (n < 0 && errno != EINTR) {
			o->err = errno;
			break;
		}
	}
	o->len = 0;
}

void rt_dump_printf(struct rt_dump_out *o, const char *fmt, ...)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		va_list ap;
		va_start(ap, fmt);
		int n = vsnprintf(o->buf + o->len, o->cap - o->len, fmt, ap);
		va_end(ap);
		if (n < 0)
			return;
		if (o->len + (size_t)n < o->cap) {
			o->len += (size_t)n;
			return;
		}
		if (!rt_dump_reserve(&o->buf, &o->cap, o->len + (size_t)n + 1))
			return;
	}
}
