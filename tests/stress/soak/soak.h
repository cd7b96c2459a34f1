/* Soak: rounds of random programs made of parts. A part is a system of goroutines that ends by construction, whatever the schedule, and knows
 * what must have happened when it has. Parts of a round run together; the random choices come from the seed, the schedule does not. */
#ifndef CSP_TESTS_STRESS_SOAK_H
#define CSP_TESTS_STRESS_SOAK_H

#include <csp.h>

#include <stdatomic.h>
#include <stdint.h>

struct rng { uint64_t state; };

static inline uint64_t rng_next(struct rng *r)
{
	uint64_t x = r->state += UINT64_C(0x9E3779B97F4A7C15);          /* splitmix64 */

	x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
	return x ^ (x >> 31);
}

static inline int pick(struct rng *r, int n) { return (int)(rng_next(r) % (uint64_t)n); }
static inline int between(struct rng *r, int low, int high) { return low + pick(r, high - low + 1); }
static inline struct rng fork_rng(struct rng *r) { return (struct rng){ rng_next(r) }; }

/* Scale of a part: 1 is small. */
extern int soak_scale;
extern _Atomic uint64_t soak_operations;

_Noreturn void soak_failed(const char *file, int line, const char *text, long long a, long long b);
#define CHECK(cond) do { if (!(cond)) soak_failed(__FILE__, __LINE__, #cond, 0, 0); } while (0)
#define CHECK_EQ(a, b) do { long long a_ = (a), b_ = (b); if (a_ != b_) soak_failed(__FILE__, __LINE__, #a " == " #b, a_, b_); } while (0)

/* Now and then: yield, compute, use stack, sleep, touch errno's neighbours. */
void soak_pause(struct rng *r);
void soak_count(uint64_t n);

/* The parts. Each returns when all goroutines it started have ended, or are about to. */
void soak_fan(struct rng r);            /* producers, consumers, closed channels */
void soak_market(struct rng r);         /* selects that send and receive at once */
void soak_relay(struct rng r);          /* chains of channels, of channels */
void soak_locks(struct rng r);
void soak_buffer(struct rng r);         /* a bounded buffer on a condition variable; semaphores */
void soak_timers(struct rng r);
void soak_tickers(struct rng r);
void soak_contexts(struct rng r);
void soak_groups(struct rng r);
void soak_tree(struct rng r);           /* goroutines that start goroutines, and end early */
void soak_threads(struct rng r);        /* pinned, blocking and foreign */
void soak_pipes(struct rng r);
void soak_echo(struct rng r);

#endif
