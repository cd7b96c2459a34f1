/* soak [--seed N] [--seconds S] [--workers W] [--scale K] [--rounds R]
 * Runs rounds until the time is over; a failed check, a hang (60 s without the end of a round) or a report ends it. The seed of a failing
 * round is printed: --seed N --rounds 1 repeats it. */
#include "soak.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PARTS_MAX = 6, HANG_SECONDS = 60 };

static const struct { const char *name; void (*run)(struct rng); } parts[] = {
	{ "fan", soak_fan }, { "market", soak_market }, { "relay", soak_relay }, { "locks", soak_locks }, { "buffer", soak_buffer },
	{ "timers", soak_timers }, { "tickers", soak_tickers }, { "contexts", soak_contexts }, { "groups", soak_groups },
	{ "tree", soak_tree }, { "threads", soak_threads }, { "pipes", soak_pipes }, { "echo", soak_echo },
};
enum { N_PARTS = sizeof parts / sizeof parts[0] };

int soak_scale = 1;
_Atomic uint64_t soak_operations;
static _Atomic uint64_t round_seed;
static const char *only;

void soak_failed(const char *file, int line, const char *text, long long a, long long b)
{
	char out[256];
	int n = snprintf(out, sizeof out, "soak: round of seed %llu: %s:%d: expected %s (%lld, %lld)\n", (unsigned long long)atomic_load(&round_seed), file, line, text, a, b);

	if (write(STDERR_FILENO, out, (size_t)n) != n)
		_exit(3);
	_exit(1);
}

void soak_count(uint64_t n)
{
	atomic_fetch_add_explicit(&soak_operations, n, memory_order_relaxed);
}

static __attribute__((noinline)) int use_stack(struct rng *r, int depth)
{
	volatile char frame[1024];

	frame[pick(r, sizeof frame)] = 1;
	if (depth > 0)
		return use_stack(r, depth - 1) + frame[0];
	csp_yield();
	return frame[1];
}

void soak_pause(struct rng *r)
{
	switch (pick(r, 24)) {
	case 0:
		csp_yield();
		break;
	case 1:
		for (volatile int i = pick(r, 2000); i > 0; i--)
			;
		break;
	case 2:
		use_stack(r, pick(r, 16));
		break;
	case 3:
		csp_sleep(pick(r, 100) * CSP_MICROSECOND);
		break;
	case 4:
		errno = 77;
		csp_yield();
		CHECK_EQ(errno, 77);
		break;
	}
}

static void hang(int sig)
{
	char out[96];
	int saved = errno, n = snprintf(out, sizeof out, "soak: hang in the round of seed %llu\n", (unsigned long long)atomic_load(&round_seed));

	if (write(STDERR_FILENO, out, (size_t)n) == n)
		kill(getpid(), SIGQUIT);
	errno = saved;
}

static void run_part(int i, struct rng r, csp_waitgroup *wg)
{
	parts[i].run(r);
	csp_wg_done(wg);
}

static void run_round(uint64_t seed, int workers)
{
	struct rng r = { seed };
	csp_waitgroup wg = { 0 };
	int n = between(&r, 1, PARTS_MAX);

	atomic_store(&round_seed, seed);
	alarm(HANG_SECONDS);
	if (workers > 1 && pick(&r, 4) == 0)
		csp_maxprocs(between(&r, 1, workers));
	for (int i = 0; i < n; i++) {
		int chosen = pick(&r, N_PARTS);
		while (only && strcmp(parts[chosen].name, only) != 0)
			chosen = (chosen + 1) % N_PARTS;
		csp_wg_add(&wg, 1);
		csp_go(run_part, chosen, fork_rng(&r), &wg);
	}
	csp_wg_wait(&wg);
	/* Who has done the last thing it is waited for may still be ending. */
	for (int i = 0; csp_num_goroutines() != 1; i++) {
		CHECK(i < 10000);
		csp_sleep(i < 100 ? 10 * CSP_MICROSECOND : CSP_MILLISECOND);
	}
	csp_maxprocs(workers);
}

int main(int argc, char **argv)
{
	uint64_t seed = (uint64_t)csp_now_ns();
	long seconds = 10, rounds = -1, workers = csp_maxprocs(0), done = 0;

	for (int i = 1; i < argc; i += 2) {
		long value = i + 1 < argc ? strtol(argv[i + 1], NULL, 10) : 0;
		if (i + 1 < argc && strcmp(argv[i], "--seed") == 0) {
			seed = strtoull(argv[i + 1], NULL, 10);
		} else if (i + 1 < argc && strcmp(argv[i], "--seconds") == 0) {
			seconds = value;
		} else if (i + 1 < argc && strcmp(argv[i], "--workers") == 0) {
			workers = value;
		} else if (i + 1 < argc && strcmp(argv[i], "--scale") == 0) {
			soak_scale = (int)value;
		} else if (i + 1 < argc && strcmp(argv[i], "--rounds") == 0) {
			rounds = value;
		} else if (i + 1 < argc && strcmp(argv[i], "--part") == 0) {
			only = argv[i + 1];
		} else {
			fprintf(stderr, "usage: soak [--seed N] [--seconds S] [--workers W] [--scale K] [--rounds R] [--part NAME]\n");
			return 64;
		}
	}
	csp_maxprocs((int)workers);
	signal(SIGALRM, hang);
	printf("soak: seed %llu, %ld workers\n", (unsigned long long)seed, workers);
	fflush(stdout);
	int64_t until_ns = csp_now_ns() + seconds * CSP_SECOND;
	for (; done != rounds && (rounds > 0 || csp_now_ns() < until_ns); done++, seed++)
		run_round(seed, (int)workers);
	alarm(0);
	printf("soak: %ld rounds, %llu operations\n", done, (unsigned long long)atomic_load(&soak_operations));
	return 0;
}
