#include "filter/baseline.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define obstack_chunk_alloc malloc
#define obstack_chunk_free  free

static int
by_fp(const void *a, const void *b)
{
	return strcmp(((const struct baseline_entry *)a)->fp, ((const struct baseline_entry *)b)->fp);
}

static size_t
lower_bound(const struct baseline *b, const char *fp)
{
	size_t lo = 0, hi = b->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (strcmp(b->entries[mid].fp, fp) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool
baseline_has(const struct baseline *b, const char *fp)
{
	size_t at = lower_bound(b, fp);
	return at < b->n && !strcmp(b->entries[at].fp, fp);
}

static bool
append(struct baseline *b, struct baseline_entry e)
{
	if (b->n == b->room) {
		size_t room = b->room ? 2 * b->room : 64;
		struct baseline_entry *more = realloc(b->entries, room * sizeof(*more));
		if (!more)
			return false;
		b->entries = more;
		b->room = room;
	}
	b->entries[b->n++] = e;
	return true;
}

bool
baseline_add(struct baseline *b, struct baseline_entry e)
{
	size_t at = lower_bound(b, e.fp);

	if ((at < b->n && !strcmp(b->entries[at].fp, e.fp)) || !append(b, e))
		return false;
	memmove(&b->entries[at + 1], &b->entries[at], (b->n - 1 - at) * sizeof(e));
	b->entries[at] = e;
	return true;
}

void
baseline_remove(struct baseline *b, size_t i)
{
	memmove(&b->entries[i], &b->entries[i + 1], (--b->n - i) * sizeof(*b->entries));
}

static const char *
text(const json_t *o, const char *key, struct obstack *mem)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? obstack_copy0(mem, s, (int)strlen(s)) : "";
}

static bool
parse_line(struct baseline *b, const char *line, unsigned number, struct obstack *mem)
{
	json_error_t e;
	struct baseline_entry entry;

	if (line[strspn(line, " \t\r\n")] == '\0')
		return true;
	if (!strncmp(line, "<<<<<<<", 7) || !strncmp(line, "=======", 7) || !strncmp(line, ">>>>>>>", 7)) {
		snprintf(b->error, sizeof(b->error), "%s:%u: a merge conflict; keep the lines of both sides", b->file, number);
		return false;
	}
	json_t *o = json_loads(line, 0, &e);
	if (!json_is_object(o)) {
		snprintf(b->error, sizeof(b->error), "%s:%u: no JSON object (%.100s); delete the line or write the file anew with `cspcheck baseline create --force'", b->file, number,
			o ? "another value" : e.text);
		json_decref(o);
		return false;
	}
	entry = (struct baseline_entry){ text(o, "fp", mem), text(o, "rule", mem), text(o, "title", mem), text(o, "site", mem), text(o, "since", mem) };
	json_decref(o);
	if (strlen(entry.fp) != 32 || strspn(entry.fp, "0123456789abcdef") != 32) {
		snprintf(b->error, sizeof(b->error), "%s:%u: \"fp\" is no fingerprint of 32 hexadecimal digits; delete the line", b->file, number);
		return false;
	}
	return append(b, entry);
}

int
baseline_read(struct baseline *b, const char *file, struct obstack *mem)
{
	char *line = NULL;
	size_t room = 0;
	bool good = true;

	*b = (struct baseline){ .file = file };
	FILE *in = fopen(file, "re");
	if (!in) {
		snprintf(b->error, sizeof(b->error), "cannot read %s: %s", file, strerror(errno));
		return errno == ENOENT ? EX_NOINPUT : EX_DATAERR;
	}
	errno = 0;
	for (unsigned number = 1; good && getline(&line, &room, in) >= 0; number++)
		good = parse_line(b, line, number, mem);
	if (good && ferror(in)) {
		snprintf(b->error, sizeof(b->error), "cannot read %s: %s", file, strerror(errno));
		good = false;
	}
	free(line);
	fclose(in);
	if (good) /* merged by hand or by git: order and repeats do not matter */
		qsort(b->entries, b->n, sizeof(*b->entries), by_fp);
	return good ? 0 : EX_DATAERR;
}

static bool
write_entries(FILE *to, const struct baseline *b)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct baseline_entry *e = &b->entries[i];
		json_t *o = json_pack("{ss ss ss ss ss}", "fp", e->fp, "rule", e->rule, "title", e->title, "site", e->site, "since", e->since);
		if (i > 0 && !strcmp(e->fp, b->entries[i - 1].fp)) {
			json_decref(o);
			continue;
		}
		if (!o || json_dumpf(o, to, 0) < 0 || fputc('\n', to) == EOF) {
			json_decref(o);
			return false;
		}
		json_decref(o);
	}
	return fflush(to) == 0 && fsync(fileno(to)) == 0;
}

int
baseline_write(struct baseline *b, const char *file)
{
	char *temporary;
	int status = EX_CANTCREAT;

	if (asprintf(&temporary, "%s.XXXXXX", file) < 0)
		return EX_OSERR;
	int fd = mkostemp(temporary, O_CLOEXEC);
	FILE *to = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (to) {
		mode_t mask = umask(0);
		umask(mask);
		fchmod(fd, 0666 & ~mask);
		status = write_entries(to, b) ? 0 : EX_IOERR;
		if (fclose(to) != 0)
			status = EX_IOERR;
		if (status == 0 && rename(temporary, file) < 0)
			status = EX_CANTCREAT;
	} else if (fd >= 0) {
		close(fd);
	}
	if (status != 0) {
		snprintf(b->error, sizeof(b->error), "cannot write %s: %s", file, strerror(errno));
		if (fd >= 0)
			unlink(temporary);
	}
	free(temporary);
	return status;
}

void
baseline_finish(struct baseline *b)
{
	free(b->entries);
	b->entries = NULL;
	b->n = b->room = 0;
}
