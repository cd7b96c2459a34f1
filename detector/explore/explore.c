/* The policy: asks the strategy, and writes down what was done. */
#include "explore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#include "../report/loss.h"
#include "../shadow/arena.h"
#include "objects.h"
#include "strategy.h"

enum { STEPS_GUESS = 200, GS_MAX = DET_SCHEDULE_GS_MAX };

static const struct det_strategy *const strategies[] = {
	&det_strategy_fifo, &det_strategy_lifo, &det_strategy_rr, &det_strategy_rev, &det_strategy_random, &det_strategy_pos, &det_strategy_pct,
	&det_strategy_delay, &det_strategy_dfs, &det_strategy_replay,
};

static const struct det_strategy *strategy;
struct det_schedule *det_schedule;
struct det_deciding det_deciding;
const uint16_t *det_schedule_prefix;

static struct det_schedule_g *gs;
static struct det_deviation *deviations;
static struct det_tape_entry *tape;

/* Per goroutine, by number. */
static struct det_slots indices;                /* 1 + its place in gs */
static struct det_slots births;                 /* how many it has started */
static struct det_slots decisions;              /* picks << 32 | choices */
static struct det_slots hb_hashes;              /* of its last step */
static bool served;
static uint64_t running = 1;                    /* number of who runs, or ran last */
static uint64_t running_hb;                     /* hash of its step */

/* --- slots ------------------------------------------------------------------------------------------------------------ */

uint64_t *det_slot(struct det_slots *s, uint64_t gid)
{
	if (gid >= GS_MAX || (s->words == NULL && (s->words = det_reserve(GS_MAX * sizeof *s->words)) == NULL))
		return NULL;
	return &s->words[gid];
}

void det_slots_clear(struct det_slots *s)
{
	if (s->words != NULL)
		madvise(s->words, GS_MAX * sizeof *s->words, MADV_DONTNEED);
}

int det_strategy_bound(const char *parameter, int fallback, int max, uint64_t *steps)
{
	char *end;
	long n = fallback;

	*steps = STEPS_GUESS;
	if (parameter[0] != 0) {
		n = strtol(parameter, &end, 10);
		if (end == parameter || n < 1 || n > max)
			return -1;
		if (*end == ':')
			*steps = strtoull(end + 1, &end, 10);
		if (*end != 0 || *steps == 0)
			return -1;
	}
	return (int)n;
}

/* --- what conflicts --------------------------------------------------------------------------------------------------- */

static bool only_reads(uint32_t at)
{
	return at == RT_AT_ATOMIC_LOAD || at == RT_AT_READ || at == RT_AT_RLOCK || at == RT_AT_TRY_RLOCK;
}

static bool is_chan(uint32_t at) { return at >= RT_AT_SEND && at <= RT_AT_SELECT; }

/* A select may look at any channel. */
bool det_points_conflict(const struct rt_candidate *a, const struct rt_candidate *b)
{
	if ((a->at == RT_AT_SELECT && is_chan(b->at)) || (b->at == RT_AT_SELECT && is_chan(a->at)))
		return true;
	return a->obj != NULL && a->obj == b->obj && !(only_reads(a->at) && only_reads(b->at));
}

/* --- writing it down -------------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t x = (a ^ b) * 0x9E3779B97F4A7C15ull;

	return x ^ x >> 29;
}

static uint64_t path_of(uint64_t gid)
{
	uint64_t *at = det_slot(&indices, gid);

	return at != NULL && *at != 0 ? gs[*at - 1].path : 0;
}

static void deviate(uint8_t kind, uint32_t nth, uint64_t target, uint32_t of, uint32_t at)
{
	if (det_schedule->n_deviations == DET_SCHEDULE_DEVIATIONS_MAX) {
		det_schedule->lost_deviations++;
		return;
	}
	deviations[det_schedule->n_deviations] = (struct det_deviation){
		.who = det_deciding.who, .target = target, .step = det_schedule->steps, .nth = nth, .hash = (uint32_t)(det_schedule->hash >> 32),
		.of = of > UINT16_MAX ? UINT16_MAX : (uint16_t)of, .kind = kind, .at = (uint8_t)at,
	};
	__atomic_store_n(&det_schedule->n_deviations, det_schedule->n_deviations + 1, __ATOMIC_RELEASE);
}

static void deciding(bool pick)
{
	uint64_t *n = det_slot(&decisions, running);

	if (n != NULL)
		*n += pick ? UINT64_C(1) << 32 : 1;
	det_deciding = (struct det_deciding){ path_of(running), n != NULL ? (uint32_t)(*n >> 32) : 0, n != NULL ? (uint32_t)*n : 0 };
}

/* c runs next: its step, in the order of what it depends on. */
static void begin_step(const struct rt_candidate *c)
{
	uint64_t *last = det_slot(&hb_hashes, c->g->id);

	uint64_t *at = det_slot(&indices, c->g->id);
	if (at != NULL && *at != 0)
		gs[*at - 1].path = c->path;             /* of those a timer started the runtime knows it alone */
	running = c->g->id;
	running_hb = mix(mix(c->path, last != NULL ? *last : 0), c->at + 1);
	if (c->obj != NULL && c->at != RT_AT_SELECT)
		running_hb = det_hb_touch(c->obj, !only_reads(c->at), running_hb);
	if (last != NULL)
		*last = running_hb;
	det_schedule->hb_hash += running_hb;
}

static void record(uint8_t kind, uint32_t n, uint32_t chosen, uint32_t usual)
{
	if (n < 2)
		return;
	if (det_schedule->n_tape == DET_SCHEDULE_TAPE_MAX || n > UINT16_MAX) {
		det_schedule->lost_tape++;
		return;
	}
	tape[det_schedule->n_tape++] = (struct det_tape_entry){ det_schedule->hb_hash, (uint16_t)n, (uint16_t)chosen, (uint16_t)usual, kind, 0 };
}

/* The command wants no longer runs: the program is ended where it stands, without its exit handlers. */
static void cut_if_long(void)
{
	if (det_schedule->max_steps == 0 || det_schedule->steps < det_schedule->max_steps)
		return;
	det_schedule->was_cut = 1;
	_exit(0);
}

static uint32_t pick(void *self, const struct rt_candidate *list, uint32_t n, int32_t current)
{
	uint32_t usual = current != RT_NO_CURRENT ? (uint32_t)current : 0;

	deciding(true);
	uint32_t chosen = strategy->pick(list, n, current);
	const struct rt_candidate *c = &list[chosen];
	record(DET_DECIDES_PICK, n, chosen, usual);
	if (chosen != usual) {
		deviate(DET_DECIDES_PICK, det_deciding.nth_pick, c->path, n, c->at);
		det_schedule->n_preemptions += current != RT_NO_CURRENT;
	}
	det_schedule->hash = mix(mix(det_schedule->hash, c->path), (uint64_t)c->at << 32 | n);
	det_schedule->steps++;
	if (n > det_schedule->max_runnable)
		det_schedule->max_runnable = n;
	begin_step(c);
	cut_if_long();
	return chosen;
}

static uint32_t choose(void *self, enum rt_choice kind, uint32_t n)
{
	deciding(false);
	uint32_t chosen = strategy->choose(kind, n);
	record((uint8_t)kind, n, chosen, 0);
	if (chosen != 0)
		deviate((uint8_t)kind, det_deciding.nth_choice, chosen, n, 0);
	det_schedule->hash = mix(det_schedule->hash, (uint64_t)(kind + 1) << 48 | (uint64_t)n << 24 | chosen);
	det_schedule->choices++;
	running_hb = mix(running_hb, (uint64_t)(kind + 1) << 32 | chosen);
	det_schedule->hb_hash += running_hb;
	return chosen;
}

void det_explore_touch(const void *obj, bool writes)
{
	if (strategy == NULL)
		return;
	running_hb = det_hb_touch(obj, writes, running_hb);
	det_schedule->hb_hash += running_hb;
	uint64_t *last = det_slot(&hb_hashes, running);
	if (last != NULL)
		*last = running_hb;
}

void det_explore_forget(const void *obj)
{
	if (strategy != NULL)
		det_hb_forget(obj);
}

/* Paths are counted as the runtime counts them: only what a goroutine itself starts. */
void det_explore_go(struct rt_gview *parent, struct rt_gview *child)
{
	if (strategy == NULL)
		return;
	uint32_t n = det_schedule->n_goroutines;
	uint64_t *at = det_slot(&indices, child->id), *born = parent != NULL ? det_slot(&births, parent->id) : NULL;
	if (n == GS_MAX || at == NULL) {
		det_loss("goroutines in the recorded schedule", 1);
		return;
	}
	struct det_schedule_g *g = &gs[n];
	g->parent = n;
	if (born != NULL && *det_slot(&indices, parent->id) != 0) {
		g->parent = (uint32_t)*det_slot(&indices, parent->id) - 1;
		g->nth = (uint32_t)++*born;
		g->path = rt_path_child(gs[g->parent].path, g->nth);
	} else {
		g->path = child->id == 1 ? RT_PATH_MAIN : 0;
	}
	*at = n + 1;
	__atomic_store_n(&det_schedule->n_goroutines, n + 1, __ATOMIC_RELEASE);
}

/* --- beginning and end ------------------------------------------------------------------------------------------------ */

static uint64_t env_u64(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL && *text != 0 ? strtoull(text, NULL, 0) : otherwise;
}

static _Noreturn void cannot(const char *what, const char *why)
{
	fprintf(stderr, "cspcheck: cannot run this schedule: %s: %s\n", what, why);
	_exit(EX_UNAVAILABLE);
}

static void open_schedule(void)
{
	const char *dir = getenv("CSPCHECK_SPOOL");
	char path[4096], *map;

	if (dir != NULL && *dir != 0 && snprintf(path, sizeof path, "%s/%d.schedule", dir, (int)getpid()) < (int)sizeof path) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0 || ftruncate(fd, (off_t)DET_SCHEDULE_BYTES) < 0)
			cannot(path, strerror(errno));
		map = mmap(NULL, DET_SCHEDULE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
		if (map == MAP_FAILED)
			cannot(path, strerror(errno));
		det_reserved_add((uintptr_t)map, DET_SCHEDULE_BYTES);
	} else if (!(map = det_reserve(DET_SCHEDULE_BYTES))) {
		cannot("its record", strerror(ENOMEM));
	}
	det_schedule = (struct det_schedule *)map;
	gs = (struct det_schedule_g *)(map + DET_SCHEDULE_GS_AT);
	deviations = (struct det_deviation *)(map + DET_SCHEDULE_DEVIATIONS_AT);
	tape = (struct det_tape_entry *)(map + DET_SCHEDULE_TAPE_AT);
	det_schedule_prefix = (const uint16_t *)(map + DET_SCHEDULE_PREFIX_AT);
}

/* The strategies' seeds: of a seed's schedules no two have the same. */
static struct det_random random_of(uint64_t seed, uint64_t index)
{
	struct det_random r = { rt_path_child(rt_path_child(seed, 1), index + 1) | 1 };

	det_random_next(&r);
	return r;
}

static const struct det_strategy *find(const char *text, size_t name_bytes)
{
	for (size_t i = 0; i < sizeof strategies / sizeof *strategies; i++)
		if (strlen(strategies[i]->name) == name_bytes && memcmp(strategies[i]->name, text, name_bytes) == 0)
			return strategies[i];
	return NULL;
}

bool det_explore_is_on(void) { return strategy != NULL; }
bool det_explore_is_served(void) { return served; }

static void begin(const char *schedule)
{
	size_t name_bytes = strcspn(schedule, ":");
	const struct det_strategy *found = find(schedule, name_bytes);

	if (found == NULL)
		cannot(schedule, "no such strategy");
	snprintf(det_schedule->strategy, sizeof det_schedule->strategy, "%s", schedule);
	struct det_strategy_start start = { schedule[name_bytes] ? schedule + name_bytes + 1 : "", random_of(det_schedule->seed, det_schedule->index) };
	if (!found->begin(&start))
		cannot(schedule, "it takes no such parameter");
	strategy = found;
	memcpy(det_schedule->magic, DET_SCHEDULE_MAGIC, sizeof det_schedule->magic);
}

void det_explore_begin(const char *schedule, uint64_t seed, uint64_t index, uint64_t max_steps)
{
	*det_schedule = (struct det_schedule){
		.seed = seed, .index = index, .max_steps = max_steps, .n_goroutines = det_schedule->n_goroutines, .n_prefix = det_schedule->n_prefix,
	};
	served = true;
	running = 1;
	running_hb = 0;
	det_slots_clear(&decisions);
	det_slots_clear(&hb_hashes);
	det_hb_clear();
	begin(schedule);
}

bool det_explore_attach(const struct rt_door *door)
{
	static struct rt_policy policy = { pick, choose, NULL, NULL };
	const char *text = getenv("CSPCHECK_SCHEDULE");

	if (text == NULL || *text == 0 || strcmp(text, "native") == 0)
		return false;
	open_schedule();
	*det_schedule = (struct det_schedule){ .seed = env_u64("CSPCHECK_SEED", 1), .index = env_u64("CSPCHECK_SCHEDULE_INDEX", 0) };
	begin(text);
	policy.n_unfair = &det_schedule->n_unfair;
	if (door->policy_set(&policy) != 0)
		cannot(text, "goroutines are running already");
	det_explore_point_fn = door->point;
	return true;
}

/* The child goes on under the same strategy and writes to memory of its own. */
void det_explore_fork(int phase)
{
	if (strategy == NULL || phase != 2 || det_explore_keep_shared)
		return;
	size_t gs_bytes = det_schedule->n_goroutines * sizeof *gs;
	char *copy = det_reserve(DET_SCHEDULE_GS_AT + gs_bytes);
	if (copy == NULL)
		cannot("the record of a forked child", strerror(ENOMEM));
	memcpy(copy, det_schedule, DET_SCHEDULE_GS_AT + gs_bytes);
	if (mmap(det_schedule, DET_SCHEDULE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		cannot("the record of a forked child", strerror(errno));
	memcpy(det_schedule, copy, DET_SCHEDULE_GS_AT + gs_bytes);
}

void det_explore_at_exit(void)
{
	if (strategy != NULL)
		det_schedule->ended = 1;
}
