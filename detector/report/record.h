/* The record stream: format in docs/record-stream.md. One record is built at a time, in a buffer of our own under one lock, and leaves
 * by one write(2); nothing here allocates from malloc, so records can be written from inside malloc, with the runtime's spin locks
 * held, or while the process dies.
 *
 *   det_record_begin("finding");
 *   det_record_u64("n", 1);
 *   det_record_open("parts", '['); det_record_open(NULL, '{'); … det_record_close(); det_record_close();
 *   det_record_end();
 *
 * Without $CSPCHECK_SPOOL there is no stream: begin returns false and the rest must be skipped. */
#ifndef CSP_DETECTOR_REPORT_RECORD_H
#define CSP_DETECTOR_REPORT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "finding.h"

/* Take the lock and begin a record of type t. Opens the stream (hello first) if this process has none yet; writes the modules that
 * were loaded since they were last written. Returns false, without the lock, if there is no stream. */
bool det_record_begin(const char *t);
void det_record_end(void);

/* Members; key is NULL inside an array. Text is passed through as UTF-8, with broken bytes replaced by U+FFFD. */
void det_record_str(const char *key, const char *text);
void det_record_u64(const char *key, uint64_t v);
void det_record_i64(const char *key, int64_t v);
void det_record_bool(const char *key, bool v);
void det_record_addr(const char *key, uintptr_t v);
void det_record_null(const char *key);
void det_record_pcs(const char *key, const struct det_stack *stack);    /* NULL: an empty array */
void det_record_open(const char *key, char bracket);                    /* '[' or '{' */
void det_record_close(void);

/* Is there a stream (is $CSPCHECK_SPOOL set and its file open)? Opens it. */
bool det_record_stream(void);

/* Has this very process a stream already? */
bool det_record_stream_is_open(void);

/* Around fork, by the event of that name: no record may be half built when the child is copied. */
void det_record_fork(int phase);

int64_t det_now_ns(void);       /* monotonic, the clock of csp_now_ns */

/* The CRC of the frame: Castagnoli, reflected, initial value and final xor all ones. */
uint32_t det_crc32c(const void *data, size_t bytes);

/* modules.c: what is loaded. The counter changes whenever an object is loaded or unloaded. */
struct det_module { const char *path; uintptr_t bias, lo, hi; const uint8_t *build_id; size_t build_id_bytes; };
uint64_t det_modules_version(void);
void det_modules_each(void (*visit)(const struct det_module *m, void *arg), void *arg);
/* Does the executable, or any library it came with, call the instrumentation (an undefined __tsan_init)? */
bool det_modules_instrumented(void);
/* The range of the library this function is in: detector code, data and bss. */
void det_modules_own(uintptr_t *lo, uintptr_t *hi);

#endif
