/* Delta debugging over the deviations (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", TSE 2002): leave out ever
 * smaller chunks. A run that failed in the same way replaces the schedule by what was really done, so a deviation that was never met goes too. */
#include "launch/shrink.h"

#include <stdlib.h>
#include <string.h>

#include "launch/child.h"

#define PATIENCE_NS INT64_C(2000000000)

struct shrink {
	struct server *server;
	const struct failure *wanted;
	struct det_serve_order order;
	char    *path;
	int64_t  until_ns;
	unsigned runs;
};

/* Run s with deviations [from, to) left out. True: it failed as wanted, and *s is now what was done. */
static bool
try_without(struct shrink *k, struct schedule *s, uint32_t from, uint32_t to)
{
	struct schedule less = { .head = s->head, .gs = s->gs }, done;
	struct det_serve_result r;
	struct failure f;

	less.head.n_deviations = s->head.n_deviations - (to - from);
	less.deviations = malloc((less.head.n_deviations + 1) * sizeof(*less.deviations));
	if (!less.deviations)
		return false;
	memcpy(less.deviations, s->deviations, from * sizeof(*less.deviations));
	memcpy(less.deviations + from, s->deviations + to, (s->head.n_deviations - to) * sizeof(*less.deviations));
	bool ok = schedule_write_replay(&less, k->path) == 0 && server_order(k->server, &k->order) && server_result(k->server, &r);
	free(less.deviations);
	if (!ok)
		return false;
	k->runs++;
	f = (struct failure){ .status = r.status, .timed_out = r.timed_out };
	witness_read(&f.w, k->server->dir);
	if (f.w.any)
		witness_clear(k->server->dir);
	const struct det_schedule *head = server_schedule(k->server);
	if (failure_key(&f) != failure_key(k->wanted) || head->n_deviations >= s->head.n_deviations || !server_copy_schedule(k->server, &done))
		return false;
	strcpy(done.head.strategy, s->head.strategy);
	schedule_finish(s);
	*s = done;
	return true;
}

unsigned
shrink_schedule(struct server *server, struct schedule *s, const struct failure *wanted, uint64_t max_steps, int64_t timeout_ns)
{
	struct shrink k = { .server = server, .wanted = wanted, .until_ns = child_now_ns() + PATIENCE_NS };

	if (asprintf(&k.path, "%s/shorter", server->dir) < 0)
		return 0;
	k.order = (struct det_serve_order){ .seed = s->head.seed, .index = s->head.index, .max_steps = max_steps, .timeout_ns = timeout_ns };
	if ((size_t)snprintf(k.order.strategy, sizeof(k.order.strategy), "replay:%s", k.path) < sizeof(k.order.strategy)) {
		uint32_t chunk = (s->head.n_deviations + 1) / 2;
		while (chunk > 0 && child_now_ns() < k.until_ns) {
			bool shorter = false;
			for (uint32_t at = 0; at < s->head.n_deviations && child_now_ns() < k.until_ns;) {
				uint32_t end = s->head.n_deviations - at < chunk ? s->head.n_deviations : at + chunk;
				if (try_without(&k, s, at, end))
					shorter = true;
				else
					at = end;
			}
			if (!shorter || chunk > s->head.n_deviations)
				chunk = chunk == 1 && shorter ? 1 : chunk / 2;
		}
	}
	free(k.path);
	return k.runs;
}
