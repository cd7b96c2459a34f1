/* A small append-only table of counters, keyed by the text's address or content. */
#include "loss.h"

#include <stdatomic.h>
#include <stddef.h>

#define KINDS 32

static struct { _Atomic(const char *) what; _Atomic uint64_t count; } kinds[KINDS];

void det_loss(const char *what, uint64_t count)
{
	for (unsigned i = 0; i < KINDS; i++) {
		const char *present = atomic_load_explicit(&kinds[i].what, memory_order_acquire);

		if (!present && atomic_compare_exchange_strong(&kinds[i].what, &present, what))
			present = what;
		if (present == what) {
			atomic_fetch_add_explicit(&kinds[i].count, count, memory_order_relaxed);
			return;
		}
	}
}

void det_loss_each(void (*visit)(const char *what, uint64_t count, void *arg), void *arg)
{
	for (unsigned i = 0; i < KINDS; i++) {
		const char *what = atomic_load_explicit(&kinds[i].what, memory_order_acquire);

		if (what)
			visit(what, atomic_load_explicit(&kinds[i].count, memory_order_relaxed), arg);
	}
}
