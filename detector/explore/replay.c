/* Follows the deviations of a recorded schedule (schedule.h) and the default schedule in between. It never repairs: what cannot be followed is
 * counted, and the run goes on by default, so that the command can say how far it agreed. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../shadow/arena.h"
#include "strategy.h"

static const struct det_deviation *deviations;
static uint32_t *table, mask;           /* open addressing: index + 1 of a deviation by (who, nth, kind) */

static uint32_t slot_of(uint64_t who, uint32_t nth, bool pick)
{
	uint64_t h = (who ^ ((uint64_t)nth << 1 | pick)) * 0x9E3779B97F4A7C15ull;

	return (uint32_t)(h >> 32) & mask;
}

static bool is_pick(const struct det_deviation *d) { return d->kind == DET_DECIDES_PICK; }

static const struct det_deviation *find(uint64_t who, uint32_t nth, bool pick)
{
	for (uint32_t i = slot_of(who, nth, pick); table[i]; i = (i + 1) & mask) {
		const struct det_deviation *d = &deviations[table[i] - 1];
		if (d->who == who && d->nth == nth && is_pick(d) == pick)
			return d;
	}
	return NULL;
}

static bool build_table(uint32_t n)
{
	uint32_t size = 16;

	while (size < 2 * n + 1)
		size *= 2;
	if (!(table = det_reserve(size * sizeof *table)))
		return false;
	mask = size - 1;
	for (uint32_t k = 0; k < n; k++) {
		uint32_t i = slot_of(deviations[k].who, deviations[k].nth, is_pick(&deviations[k]));
		while (table[i])
			i = (i + 1) & mask;
		table[i] = k + 1;
	}
	return true;
}

static bool begin(const struct det_strategy_start *start)
{
	int fd = open(start->parameter, O_RDONLY | O_CLOEXEC);
	struct stat st;
	const char *map;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) < 0 || st.st_size < (off_t)DET_SCHEDULE_DEVIATIONS_AT) {
		close(fd);
		return false;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return false;
	const struct det_schedule *recorded = (const void *)map;
	if (memcmp(recorded->magic, DET_SCHEDULE_MAGIC, sizeof recorded->magic) != 0 ||
	    (uint64_t)st.st_size < DET_SCHEDULE_DEVIATIONS_AT + recorded->n_deviations * (uint64_t)sizeof *deviations)
		return false;
	deviations = (const void *)(map + DET_SCHEDULE_DEVIATIONS_AT);
	return build_table(recorded->n_deviations);
}

static void met(const struct det_deviation *d, bool feasible)
{
	if (det_schedule->drift_step == 0 && d->hash != (uint32_t)(det_schedule->hash >> 32))
		det_schedule->drift_step = det_schedule->steps + 1;
	if (feasible) {
		det_schedule->n_followed++;
		return;
	}
	det_schedule->n_infeasible++;
	if (det_schedule->infeasible_step == 0)
		det_schedule->infeasible_step = det_schedule->steps + 1;
}

static uint32_t pick(const struct rt_candidate *list, uint32_t n, int32_t current)
{
	const struct det_deviation *d = find(det_deciding.who, det_deciding.nth_pick, true);

	for (uint32_t i = 0; d != NULL && i < n; i++)
		if (list[i].path == d->target) {
			met(d, true);
			return i;
		}
	if (d != NULL)
		met(d, false);
	return current != RT_NO_CURRENT ? (uint32_t)current : 0;
}

static uint32_t choose(enum rt_choice kind, uint32_t n)
{
	const struct det_deviation *d = find(det_deciding.who, det_deciding.nth_choice, false);

	if (d == NULL)
		return 0;
	bool feasible = d->kind == kind && d->target < n;
	met(d, feasible);
	return feasible ? (uint32_t)d->target : 0;
}

const struct det_strategy det_strategy_replay = { "replay", begin, pick, choose };
