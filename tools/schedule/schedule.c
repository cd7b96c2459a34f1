#include "schedule/schedule.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <unistd.h>

bool
schedule_is_native(const char *name)
{
	return !strcmp(name, "native");
}

/* N or N:STEPS. */
static bool
is_bound(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || n < 1 || n > 100)
		return false;
	if (*end != ':')
		return !*end;
	text = end + 1;
	return strtoll(text, &end, 10) >= 1 && end != text && !*end;
}

bool
schedule_is_known(const char *name)
{
	static const char *const plain[] = { "native", "random", "pos", "pct", "delay", "fifo", "lifo", "rr", "rev" };

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (!strcmp(name, plain[i]))
			return true;
	if (!strncmp(name, "dfs:", 4)) /* the decisions of one run, a digit each */
		return name[4] && strspn(name + 4, "0123456789abcdefghijklmnopqrstuvwxyz") == strlen(name + 4);
	return (!strncmp(name, "pct:", 4) && is_bound(name + 4)) || (!strncmp(name, "delay:", 6) && is_bound(name + 6));
}

void
schedule_environment(const char *name, uint64_t seed, uint64_t index)
{
	char number[24];

	setenv("CSPCHECK_SCHEDULE", name, 1);
	snprintf(number, sizeof(number), "0x%lx", (unsigned long)seed);
	setenv("CSPCHECK_SEED", number, 1);
	snprintf(number, sizeof(number), "%lu", (unsigned long)index);
	setenv("CSPCHECK_SCHEDULE_INDEX", number, 1);
	if (!schedule_is_native(name))
		personality((unsigned long)personality(0xffffffff) | ADDR_NO_RANDOMIZE);
}

/* --- what a process left ---------------------------------------------------------------------------------------------- */

static void *
read_at(int fd, uint64_t at, uint64_t bytes)
{
	char *p = malloc(bytes + 1);
	uint64_t done = 0;

	while (p && done < bytes) {
		ssize_t n = pread(fd, p + done, bytes - done, (off_t)(at + done));
		if (n <= 0) {
			free(p);
			return NULL;
		}
		done += (uint64_t)n;
	}
	return p;
}

bool
schedule_load(struct schedule *s, const char *spool, int pid)
{
	char *path;
	int fd = -1;

	memset(s, 0, sizeof(*s));
	if (asprintf(&path, "%s/%d.schedule", spool, pid) >= 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		free(path);
	}
	if (fd < 0)
		return false;
	bool ok = pread(fd, &s->head, sizeof(s->head), 0) == sizeof(s->head) && !memcmp(s->head.magic, DET_SCHEDULE_MAGIC, sizeof(s->head.magic)) &&
	          s->head.n_goroutines <= DET_SCHEDULE_GS_MAX && s->head.n_deviations <= DET_SCHEDULE_DEVIATIONS_MAX &&
	          (s->gs = read_at(fd, DET_SCHEDULE_GS_AT, s->head.n_goroutines * sizeof(*s->gs))) &&
	          (s->deviations = read_at(fd, DET_SCHEDULE_DEVIATIONS_AT, s->head.n_deviations * (uint64_t)sizeof(*s->deviations)));
	close(fd);
	s->head.strategy[sizeof(s->head.strategy) - 1] = '\0';
	if (!ok)
		schedule_finish(s);
	return ok;
}

void
schedule_finish(struct schedule *s)
{
	free(s->gs);
	free(s->deviations);
	memset(s, 0, sizeof(*s));
}

int
schedule_write_replay(const struct schedule *s, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t bytes = s->head.n_deviations * sizeof(*s->deviations);

	if (fd < 0)
		return -1;
	bool ok = ftruncate(fd, (off_t)(DET_SCHEDULE_DEVIATIONS_AT + bytes)) == 0 && pwrite(fd, &s->head, sizeof(s->head), 0) == sizeof(s->head) &&
	          pwrite(fd, s->deviations, bytes, DET_SCHEDULE_DEVIATIONS_AT) == (ssize_t)bytes;
	return close(fd) == 0 && ok ? 0 : -1;
}

/* --- tokens ----------------------------------------------------------------------------------------------------------- */

static void
change(char *text, char from, char to)
{
	for (; *text; text++)
		if (*text == from)
			*text = to;
}

bool
schedule_token(const struct schedule *s, char token[SCHEDULE_TOKEN_BYTES])
{
	char name[sizeof(s->head.strategy)];

	if (!schedule_is_known(s->head.strategy))
		return false;
	strcpy(name, s->head.strategy);
	change(name, ':', '.');
	return snprintf(token, SCHEDULE_TOKEN_BYTES, "csp1-%s-%lx-%lu-%06lx", name, (unsigned long)s->head.seed, (unsigned long)s->head.index,
		(unsigned long)(s->head.hash >> (64 - SCHEDULE_TOKEN_HASH_BITS))) < SCHEDULE_TOKEN_BYTES;
}

bool
schedule_parse_token(const char *token, struct det_schedule *head)
{
	char name[sizeof(head->strategy)] = "";
	unsigned long seed, index, hash;
	int used = 0;

	memset(head, 0, sizeof(*head));
	if (sscanf(token, "csp1-%63[a-z0-9.]-%lx-%lu-%lx%n", name, &seed, &index, &hash, &used) != 4 || token[used] || hash >> SCHEDULE_TOKEN_HASH_BITS)
		return false;
	change(name, '.', ':');
	strcpy(head->strategy, name);
	head->seed = seed;
	head->index = index;
	head->hash = (uint64_t)hash << (64 - SCHEDULE_TOKEN_HASH_BITS);
	return schedule_is_known(name) && !schedule_is_native(name);
}

/* --- verdicts --------------------------------------------------------------------------------------------------------- */

enum schedule_verdict
schedule_compare(const struct schedule *done, const struct det_schedule *wanted, bool wanted_is_token, uint64_t *step)
{
	const struct det_schedule *d = &done->head;

	*step = 0;
	if (wanted_is_token)
		return d->hash >> (64 - SCHEDULE_TOKEN_HASH_BITS) == wanted->hash >> (64 - SCHEDULE_TOKEN_HASH_BITS) ? SCHEDULE_EXACT : SCHEDULE_DRIFTED;
	if (d->hash == wanted->hash && d->steps == wanted->steps)
		return SCHEDULE_EXACT;
	if (d->infeasible_step) {
		*step = d->infeasible_step - 1;
		return SCHEDULE_INFEASIBLE;
	}
	if (d->hb_hash == wanted->hb_hash)
		return SCHEDULE_SAME_HB;
	*step = d->drift_step ? d->drift_step - 1 : d->steps < wanted->steps ? d->steps : wanted->steps;
	return SCHEDULE_DRIFTED;
}

const char *
schedule_verdict_name(enum schedule_verdict v)
{
	static const char *const names[] = { "EXACT", "SAME-HB", "DRIFTED", "INFEASIBLE" };

	return names[v];
}
