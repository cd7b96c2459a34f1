/* What the files of the benchmark share (bench.c). */
#ifndef BENCH_H
#define BENCH_H

#include <csp.h>

long bench_scaled(long n);              /* divided by $SCALE, 64 at least */
double bench_wall_ns(void);
void bench_begin(void);
void bench_end(const char *name, long operations);
void bench_print(const char *name, double value, const char *unit);
void bench_check(bool right, const char *name);

/* delay.c */
void bench_echo(void);
void bench_spawn1000(void);
void bench_hog(void);
void bench_block(void);

#endif
