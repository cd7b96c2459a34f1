/* Text that is gathered and written in large pieces, with memory that is not malloc's: the heap may be what broke. */
#ifndef CSP_RUNTIME_DUMP_OUT_H
#define CSP_RUNTIME_DUMP_OUT_H

#include <stdbool.h>
#include <stddef.h>

#define RT_DUMP_FLUSH_BYTES (256 * 1024)

struct rt_dump_out {
	int    fd;
	int    err;                             /* of the last write that failed; 0: none */
	char  *buf;                             /* NULL at first; munmap(buf, cap) ends it */
	size_t len, cap;
};
void rt_dump_flush(struct rt_dump_out *o);
__attribute__((format(printf, 2, 3))) void rt_dump_printf(struct rt_dump_out *o, const char *fmt, ...);
/* Make *mem, which has *cap bytes, at least `need` long. */
bool rt_dump_reserve(char **mem, size_t *cap, size_t need);

#endif
