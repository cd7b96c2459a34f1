/* What a race is, written down as plainly as possible: full vector clocks in arrays, the whole history of every byte, channel edges by
 * the numbers of the operations. No cleverness, no shared code with the detector; race_programs.c compares the two.
 *
 * Sources: Go memory model (June 2022), C11 5.1.2.4 and 7.17.3. */
#ifndef CSP_TESTS_MODEL_RACE_REFERENCE_H
#define CSP_TESTS_MODEL_RACE_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REF_G     24            /* goroutines per program */
#define REF_BYTES 192
#define REF_SYNCS 64            /* sync objects of all kinds */
#define REF_OPS   4096          /* operations per channel; accesses per byte */

enum ref_kind { REF_READ, REF_WRITE, REF_ATOMIC_READ, REF_ATOMIC_WRITE, REF_FREE };

struct ref_clock { uint32_t of[REF_G]; };

void ref_reset(void);
void ref_go(int parent, int child);     /* parent -1: the first */

/* Returns the number of bytes of [at, at + n) that race now for the first time; racy[] (indexed like the bytes) tells which bytes have
 * raced, now[] which in this access. */
int ref_access(int g, size_t at, size_t n, enum ref_kind kind, bool now[REF_BYTES]);
void ref_fresh(size_t at, size_t n);
/* Was there an access to byte `at` by goroutine `by` that conflicts with `kind` and is not ordered before g's present? */
bool ref_is_partner(int g, size_t at, enum ref_kind kind, int by);
bool ref_is_racy(size_t at);

void ref_acquire(int g, int s);         /* C = C ⊔ S */
void ref_release_store(int g, int s);   /* S = C */
void ref_release_join(int g, int s);    /* S = S ⊔ C */
void ref_clear(int s);

/* C11 atomics on object s, after the value was read / written. */
void ref_atomic_load(int g, int s, bool acquire);
void ref_atomic_store(int g, int s, bool release);
void ref_atomic_rmw(int g, int s, bool acquire, bool release);
void ref_fence(int g, bool acquire, bool release);

/* Channels. ref_send_begin numbers the send; ref_recv_begin the receive. The _end calls add the edges into g. */
int  ref_send_begin(int g, int ch);
int  ref_recv_begin(int g, int ch);
void ref_send_end(int g, int ch, int k, int cap);
void ref_recv_end(int g, int ch, int k);

#endif
