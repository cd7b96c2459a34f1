/* The .cspr file: docs/schedules.md. Line by line, a word that says what the line is, then its fields; unknown words are refused, for a schedule
 * that is followed in parts is another one. Goroutines are written as paths: 1 is main, 1.2 the second it started; t… one that a timer
 * started, by its hash. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "schedule/schedule.h"

static const char *const choice_names[] = { "case", "waiter", "timer", "user" };
_Static_assert(sizeof(choice_names) / sizeof(choice_names[0]) == RT_CHOOSE_N_, "a name for each kind of choice");

static const char *const at_names[] = {
	"start", "resume", "yield", "send", "recv", "try-send", "try-recv", "close", "select", "lock", "try-lock", "unlock", "rlock", "try-rlock",
	"cond-wait", "signal", "broadcast", "wg-add", "wg-wait", "once", "acquire", "try-acquire", "context", "timer", "io", "load", "store", "rmw", "read", "write",
};
_Static_assert(sizeof(at_names) / sizeof(at_names[0]) == RT_AT_N_, "a name for each kind of point");

/* --- writing ---------------------------------------------------------------------------------------------------------- */

static const struct det_schedule_g *
by_path(const struct schedule *s, uint64_t path)
{
	for (uint32_t i = 0; i < s->head.n_goroutines; i++)
		if (s->gs[i].path == path)
			return &s->gs[i];
	return NULL;
}

static void
print_g(const struct schedule *s, const struct det_schedule_g *g, FILE *f)
{
	if (g->nth == 0) {
		if (g->path == RT_PATH_MAIN)
			fputs("1", f);
		else
			fprintf(f, "t%016" PRIx64, g->path);
		return;
	}
	print_g(s, &s->gs[g->parent], f);
	fprintf(f, ".%u", g->nth);
}

static void
print_path(const struct schedule *s, uint64_t path, FILE *f)
{
	const struct det_schedule_g *g = by_path(s, path);

	if (g)
		print_g(s, g, f);
	else if (path == RT_PATH_MAIN)
		fputs("1", f);
	else
		fprintf(f, "t%016" PRIx64, path);
}

static void
print_deviation(const struct schedule *s, const struct det_deviation *d, FILE *f)
{
	bool pick = d->kind == DET_DECIDES_PICK;

	fprintf(f, "%s %" PRIu64 " ", pick ? "pick" : d->kind < RT_CHOOSE_N_ ? choice_names[d->kind] : "?", d->step);
	print_path(s, d->who, f);
	fprintf(f, " %u ", d->nth);
	if (pick) {
		print_path(s, d->target, f);
		fprintf(f, " %s", d->at < RT_AT_N_ ? at_names[d->at] : "?");
	} else {
		fprintf(f, "%" PRIu64, d->target);
	}
	fprintf(f, " %u %08x\n", d->of, d->hash);
}

int
schedule_write(const struct schedule *s, FILE *f)
{
	if (s->head.lost_deviations) {
		errno = EFBIG;
		return -1;
	}
	fprintf(f, "cspr 1\n# What this run did differently from the default schedule. To run it again: cspcheck replay FILE PROGRAM\n");
	fprintf(f, "strategy %s\nseed 0x%" PRIx64 "\nindex %" PRIu64 "\n", s->head.strategy, s->head.seed, s->head.index);
	fprintf(f, "steps %" PRIu64 "\nchoices %" PRIu64 "\nhash %016" PRIx64 "\nhb %016" PRIx64 "\npreemptions %u\n", s->head.steps, s->head.choices, s->head.hash, s->head.hb_hash,
		s->head.n_preemptions);
	fprintf(f, "# pick STEP WHO-RAN ITS-NTH-PICK WHO-RUNS-NEXT TO-DO OF HASH; case, waiter, timer, user STEP WHO ITS-NTH-CHOICE CHOSEN OF HASH\n");
	for (uint32_t i = 0; i < s->head.n_deviations; i++)
		print_deviation(s, &s->deviations[i], f);
	fputs("end\n", f);
	return ferror(f) ? -1 : 0;
}

/* --- reading ---------------------------------------------------------------------------------------------------------- */

static bool
parse_path(const char *text, uint64_t *path)
{
	char *end;

	if (*text == 't') {
		*path = strtoull(text + 1, &end, 16);
		if (end != text + 17)
			return false;
	} else {
		*path = RT_PATH_MAIN;
		end = (char *)text + 1;
		if (*text != '1')
			return false;
	}
	while (*end == '.') {
		text = end + 1;
		unsigned long nth = strtoul(text, &end, 10);
		if (end == text || nth == 0 || nth > UINT32_MAX)
			return false;
		*path = rt_path_child(*path, nth);
	}
	return !*end;
}

static int
index_in(const char *word, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(word, names[i]))
			return (int)i;
	return -1;
}

static bool
parse_deviation(const char *line, struct det_deviation *d)
{
	char word[16], who[512], target[512], at[16];
	unsigned of;
	int used = 0;

	memset(d, 0, sizeof(*d));
	if (!strncmp(line, "pick ", 5)) {
		int n = sscanf(line, "%15s %" SCNu64 " %511s %" SCNu32 " %511s %15s %u %" SCNx32 " %n", word, &d->step, who, &d->nth, target, at, &of, &d->hash, &used);
		int known = n == 8 ? index_in(at, at_names, RT_AT_N_) : -1;
		d->kind = DET_DECIDES_PICK;
		d->at = (uint8_t)known;
		if (n != 8 || known < 0 || !parse_path(target, &d->target))
			return false;
	} else {
		int n = sscanf(line, "%15s %" SCNu64 " %511s %" SCNu32 " %" SCNu64 " %u %" SCNx32 " %n", word, &d->step, who, &d->nth, &d->target, &of, &d->hash, &used);
		int kind = n == 7 ? index_in(word, choice_names, RT_CHOOSE_N_) : -1;
		d->kind = (uint8_t)kind;
		if (kind < 0 || d->target == 0)
			return false;
	}
	d->of = of > UINT16_MAX ? UINT16_MAX : (uint16_t)of;
	return !line[used] && parse_path(who, &d->who) && d->nth > 0;
}

static bool
append(struct schedule *s, const struct det_deviation *d, size_t *room)
{
	if (s->head.n_deviations == *room) {
		size_t more = *room ? 2 * *room : 64;
		struct det_deviation *p = more <= DET_SCHEDULE_DEVIATIONS_MAX ? realloc(s->deviations, more * sizeof(*p)) : NULL;
		if (!p)
			return false;
		s->deviations = p;
		*room = more;
	}
	s->deviations[s->head.n_deviations++] = *d;
	return true;
}

/* NULL, or what is wrong with the line. */
static const char *
parse_line(struct schedule *s, const char *line, size_t *room)
{
	struct det_deviation d;
	struct det_schedule *h = &s->head;
	int used = 0;

	if (sscanf(line, "strategy %63[a-z0-9:] %n", h->strategy, &used) == 1 || sscanf(line, "seed %" SCNi64 " %n", (int64_t *)&h->seed, &used) == 1 ||
	    sscanf(line, "index %" SCNu64 " %n", &h->index, &used) == 1 || sscanf(line, "steps %" SCNu64 " %n", &h->steps, &used) == 1 ||
	    sscanf(line, "choices %" SCNu64 " %n", &h->choices, &used) == 1 || sscanf(line, "hash %" SCNx64 " %n", &h->hash, &used) == 1 ||
	    sscanf(line, "hb %" SCNx64 " %n", &h->hb_hash, &used) == 1 || sscanf(line, "preemptions %" SCNu32 " %n", &h->n_preemptions, &used) == 1)
		return used && !line[used] ? NULL : "more than one value";
	if (!parse_deviation(line, &d))
		return "not a line of a schedule";
	return append(s, &d, room) ? NULL : "too many deviations";
}

const char *
schedule_read(struct schedule *s, const char *path)
{
	static char wrong[160];
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t bytes = 0, room = 0;
	unsigned number = 0;
	bool ended = false;
	const char *why = NULL;
	ssize_t n;

	memset(s, 0, sizeof(*s));
	memcpy(s->head.magic, DET_SCHEDULE_MAGIC, sizeof(s->head.magic));
	if (!f)
		return strerror(errno);
	while (!why && (n = getline(&line, &bytes, f)) >= 0) {
		while (n > 0 && isspace((unsigned char)line[n - 1]))
			line[--n] = '\0';
		if (++number == 1)
			why = strcmp(line, "cspr 1") ? "is no schedule of a version this cspcheck knows" : NULL;
		else if (ended && *line)
			why = "something after the end";
		else if (!strcmp(line, "end"))
			ended = true;
		else if (*line && *line != '#')
			why = parse_line(s, line, &room);
	}
	if (!why && !ended)
		why = "the end is missing";
	if (why) {
		snprintf(wrong, sizeof(wrong), "line %u: %s", number, why);
		schedule_finish(s);
	}
	free(line);
	fclose(f);
	return why ? wrong : NULL;
}
