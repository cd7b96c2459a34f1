#include "launch/witness.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/stream.h"

static uint64_t
hash(uint64_t h, const char *text)
{
	for (; text && *text; text++)   /* FNV-1a */
		h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return h * 31;
}

/* Races name the two accesses in the order in which they happened: not part of what the race is. */
static uint64_t
key_of(const json_t *record)
{
	uint64_t key = hash(UINT64_C(0xcbf29ce484222325), "") + (uint64_t)json_integer_value(json_object_get(record, "rule")), sum = 0;
	size_t i, k;
	json_t *part, *pc;

	json_array_foreach(json_object_get(record, "parts"), i, part) {
		uint64_t h = 1;
		json_array_foreach(json_object_get(part, "pcs"), k, pc)
			h = hash(h, json_string_value(pc));
		sum += h * h;
	}
	return key ^ sum;
}

static void
on_record(void *arg, int pid, const json_t *record)
{
	struct witness *w = arg;
	const char *t = json_string_value(json_object_get(record, "t"));

	(void)pid;
	if (t && !strcmp(t, "panic"))
		w->panic = true;
	if (t && !strcmp(t, "loss"))
		w->losses += (uint64_t)json_integer_value(json_object_get(record, "count"));
	if (!t || strcmp(t, "finding"))
		return;
	uint64_t key = key_of(record);
	if (!json_is_true(json_object_get(record, "gate"))) {
		w->notes += key;
		return;
	}
	for (unsigned i = 0; i < w->n; i++)
		if (w->key[i] == key)
			return;
	if (w->n < WITNESS_KEYS)
		w->key[w->n++] = key;
}

static bool
is_stream(const char *name)
{
	const char *dot = strrchr(name, '.');
	return dot && !strcmp(dot, ".csptrace");
}

static bool
has_streams(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	bool any = false;

	while (d && !any && (e = readdir(d)))
		any = is_stream(e->d_name);
	if (d)
		closedir(d);
	return any;
}

void
witness_read(struct witness *w, const char *dir)
{
	struct stream *s;

	memset(w, 0, sizeof(*w));
	w->any = has_streams(dir);
	if (!w->any || !(s = stream_open(dir)))
		return;
	stream_poll(s, on_record, w);
	stream_close(s);
}

void
witness_clear(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	while (d && (e = readdir(d)))
		if (is_stream(e->d_name))
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}

uint64_t
failure_key(const struct failure *f)
{
	uint64_t key = 0;

	for (unsigned i = 0; i < f->w.n; i++)
		key += f->w.key[i];
	return f->w.n ? key : f->timed_out ? 1 : 2 + (uint64_t)(unsigned)f->status;
}
