/* A record that is not complete yet stays in the buffer until the rest arrives. The first damaged one ends its file for good: what
 * follows has no trustworthy start. */
#include "store/stream.h"

#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER_BYTES 12
#define PAYLOAD_MAX  (16u << 20)

struct trace {
	struct trace *next;
	char  *name;
	int    pid, fd;
	bool   damaged;
	char  *buf;
	size_t len, room;
};

struct stream { char *dir; struct trace *traces; };

static uint32_t
crc32c(const unsigned char *p, size_t n)
{
	static uint32_t table[256];
	uint32_t crc = ~0u;

	for (uint32_t i = 0; !table[255] && i < 256; i++) { /* filled once: the last entry is not 0 */
		uint32_t c = i;
		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
		table[i] = c;
	}
	while (n--)
		crc = table[(crc ^ *p++) & 0xff] ^ crc >> 8;
	return ~crc;
}

struct stream *
stream_open(const char *dir)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (s && !(s->dir = strdup(dir))) {
		free(s);
		s = NULL;
	}
	return s;
}

void
stream_close(struct stream *s)
{
	if (!s)
		return;
	for (struct trace *t = s->traces, *next; t; t = next) {
		next = t->next;
		close(t->fd);
		free(t->name);
		free(t->buf);
		free(t);
	}
	free(s->dir);
	free(s);
}

static void
adopt(struct stream *s, const char *name)
{
	struct trace **end = &s->traces, *t;
	char *path;

	for (; *end; end = &(*end)->next)
		if (!strcmp((*end)->name, name))
			return;
	if (!(t = calloc(1, sizeof(*t))) || asprintf(&path, "%s/%s", s->dir, name) < 0) {
		free(t);
		return;
	}
	t->fd = open(path, O_RDONLY | O_CLOEXEC);
	free(path);
	if (t->fd < 0) {
		free(t);
		return;
	}
	t->pid = atoi(name);
	t->name = strdup(name);
	*end = t;
}

static void
find_traces(struct stream *s)
{
	DIR *d = opendir(s->dir);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		const char *dot = strrchr(e->d_name, '.');
		if (dot && !strcmp(dot, ".csptrace"))
			adopt(s, e->d_name);
	}
	if (d)
		closedir(d);
}

static bool
read_more(struct trace *t)
{
	if (t->room - t->len < 65536) {
		size_t room = t->room ? 2 * t->room : 131072;
		char *buf = realloc(t->buf, room);
		if (!buf)
			return false;
		t->buf = buf;
		t->room = room;
	}
	ssize_t n = read(t->fd, t->buf + t->len, t->room - t->len);
	if (n > 0)
		t->len += (size_t)n;
	return n > 0;
}

/* Size of the record at p, 0 if it is not complete, -1 if it is no record. */
static ssize_t
record_bytes(const char *p, size_t have)
{
	uint32_t n, crc;

	if (have < HEADER_BYTES)
		return memcmp(p, "CSPR", have < 4 ? have : 4) ? -1 : 0;
	memcpy(&n, p + 4, 4);
	memcpy(&crc, p + 8, 4);
	n = le32toh(n);
	if (memcmp(p, "CSPR", 4) || n == 0 || n > PAYLOAD_MAX)
		return -1;
	if (have < HEADER_BYTES + (size_t)n + 1)
		return 0;
	if (crc32c((const unsigned char *)p + HEADER_BYTES, n) != le32toh(crc) || p[HEADER_BYTES + n] != '\n')
		return -1;
	return (ssize_t)(HEADER_BYTES + (size_t)n + 1);
}

static void
hand_on(struct trace *t, stream_record_fn fn, void *arg)
{
	size_t at = 0;
	ssize_t n = 0;

	while (!t->damaged && at < t->len && (n = record_bytes(t->buf + at, t->len - at)) > 0) {
		json_t *record = json_loadb(t->buf + at + HEADER_BYTES, (size_t)n - HEADER_BYTES - 1, 0, NULL);
		if (record)
			fn(arg, t->pid, record);
		t->damaged |= !record;
		json_decref(record);
		at += (size_t)n;
	}
	t->damaged |= n < 0;
	t->len -= at;
	memmove(t->buf, t->buf + at, t->len);
}

void
stream_poll(struct stream *s, stream_record_fn fn, void *arg)
{
	find_traces(s);
	for (struct trace *t = s->traces; t; t = t->next)
		while (!t->damaged && read_more(t))
			hand_on(t, fn, arg);
}

unsigned
stream_damaged(const struct stream *s)
{
	unsigned n = 0;
	for (const struct trace *t = s->traces; t; t = t->next)
		n += t->damaged || t->len > 0;
	return n;
}
