/* The reader of record streams (docs/record-stream.md): follows all files of one spool directory while processes write them. */
#ifndef CSP_TOOLS_STORE_STREAM_H
#define CSP_TOOLS_STORE_STREAM_H

#include <jansson.h>
#include <stdbool.h>

struct stream;

struct stream *stream_open(const char *dir);
void stream_close(struct stream *s);    /* accepts NULL */

/* One whole record of the process; the object lives during the call. */
typedef void (*stream_record_fn)(void *arg, int pid, const json_t *record);

/* Hand on every record that is complete by now, oldest first in each file. */
void stream_poll(struct stream *s, stream_record_fn fn, void *arg);

/* Files whose tail had to be dropped: a record half written when its process was killed, or damaged bytes. */
unsigned stream_damaged(const struct stream *s);

#endif
