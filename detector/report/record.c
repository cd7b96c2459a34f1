/* The stream's writer. Everything below the line "state" is guarded by `lock`.
 *
 * The file may be opened, lost (the program closes all its descriptors) and opened again; every write first makes sure that the
 * descriptor is still the file it was. The file is O_APPEND and written by one process, so a short write (disk full) is undone by
 * truncating to the size before it: what a reader sees is whole records. */
#include "record.h"

#include <errno.h>
#include <stdatomic.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../shadow/arena.h"
#include "lock.h"

#define FRAME_HEAD 12u
#define BUFFER_BYTES (16u << 20)        /* the format's limit; committed as it is touched */
#define DEPTH_MAX 16

static struct det_lock lock;
/* --- state --- */
static char    *buffer;
static size_t   used;                   /* bytes of the record being built, frame head included */
static bool     overflow;               /* it did not fit */
static char     closers[DEPTH_MAX];
static unsigned depth;
static bool     need_comma;
static int      stream_fd = -1;
static pid_t    stream_pid;             /* who opened it */
static dev_t    stream_dev;
static ino_t    stream_ino;
static bool     failed;                 /* gave up on the stream of stream_pid */
static uint64_t modules_version;

int64_t det_now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

uint32_t det_crc32c(const void *data, size_t bytes)
{
	static _Atomic bool ready;
	static uint32_t table[256];

	/* Racing initialisers store the same values. */
	if (!atomic_load_explicit(&ready, memory_order_acquire)) {
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t c = i;
			for (int k = 0; k < 8; k++)
				c = (c & 1) != 0 ? 0x82f63b78u ^ (c >> 1) : c >> 1;
			table[i] = c;
		}
		atomic_store_explicit(&ready, true, memory_order_release);
	}
	const uint8_t *p = data;
	uint32_t crc = ~0u;
	for (size_t i = 0; i < bytes; i++)
		crc = table[(crc ^ p[i]) & 0xff] ^ (crc >> 8);
	return ~crc;
}

/* --- building the payload ---------------------------------------------------------------------------------------------- */

static void put(const char *s, size_t n)
{
	if (overflow || used + n + 1 > BUFFER_BYTES) {
		overflow = true;
		return;
	}
	memcpy(buffer + used, s, n);
	used += n;
}

static void put_char(char c) { put(&c, 1); }

/* Length of the well-formed UTF-8 sequence at s, 0 if there is none. */
static size_t utf8_length(const uint8_t *s)
{
	static const struct { uint8_t mask, lead; uint32_t least; } forms[] = { { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 } };
	if (s[0] < 0x80)
		return 1;
	for (size_t f = 0; f < 3; f++) {
		if ((s[0] & forms[f].mask) != forms[f].lead)
			continue;
		uint32_t code = s[0] & (uint8_t)~forms[f].mask;
		for (size_t i = 1; i <= f + 1; i++) {
			if ((s[i] & 0xc0) != 0x80)
				return 0;
			code = code << 6 | (s[i] & 0x3f);
		}
		return code < forms[f].least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : f + 2;
	}
	return 0;
}

static void put_text(const char *text)
{
	put_char('"');
	for (const uint8_t *s = (const uint8_t *)text; *s != 0;) {
		size_t n = utf8_length(s);
		if (n == 0) {
			put("\xef\xbf\xbd", 3);
			s++;
		} else if (*s == '"' || *s == '\\') {
			char escape[2] = { '\\', (char)*s++ };
			put(escape, 2);
		} else if (*s < 0x20 || *s == 0x7f) {
			char escape[8];
			put(escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", *s++));
		} else {
			put((const char *)s, n);
			s += n;
		}
	}
	put_char('"');
}

static void put_key(const char *key)
{
	if (need_comma)
		put_char(',');
	need_comma = true;
	if (key != NULL) {
		put_text(key);
		put_char(':');
	}
}

static void put_hex(uintptr_t v)
{
	char digits[2 + 16 + 2];
	size_t at = sizeof digits;
	digits[--at] = '"';
	do {
		digits[--at] = "0123456789abcdef"[v & 15];
		v >>= 4;
	} while (v != 0);
	digits[--at] = 'x';
	digits[--at] = '0';
	put_char('"');
	put(digits + at, sizeof digits - at);
}

void det_record_u64(const char *key, uint64_t v)
{
	char digits[24];
	size_t at = sizeof digits;
	put_key(key);
	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	put(digits + at, sizeof digits - at);
}

void det_record_i64(const char *key, int64_t v)
{
	if (v >= 0) {
		det_record_u64(key, (uint64_t)v);
		return;
	}
	put_key(key);
	put_char('-');
	need_comma = false;
	det_record_u64(NULL, -(uint64_t)v);
}

void det_record_str(const char *key, const char *text) { put_key(key); put_text(text != NULL ? text : ""); }
void det_record_bool(const char *key, bool v) { put_key(key); put(v ? "true" : "false", v ? 4 : 5); }
void det_record_addr(const char *key, uintptr_t v) { put_key(key); put_hex(v); }
void det_record_null(const char *key) { put_key(key); put("null", 4); }

void det_record_open(const char *key, char bracket)
{
	put_key(key);
	put_char(bracket);
	if (depth < DEPTH_MAX)
		closers[depth++] = bracket == '[' ? ']' : '}';
	need_comma = false;
}

void det_record_close(void)
{
	if (depth > 0)
		put_char(closers[--depth]);
	need_comma = true;
}

void det_record_pcs(const char *key, const struct det_stack *stack)
{
	det_record_open(key, '[');
	for (uint32_t i = 0; stack != NULL && i < stack->n && i < DET_STACK_MAX; i++)
		det_record_addr(NULL, stack->pc[i]);
	det_record_close();
}

static void start_payload(const char *t)
{
	used = FRAME_HEAD;
	overflow = false;
	depth = 0;
	need_comma = false;
	det_record_open(NULL, '{');
	det_record_str("t", t);
}

/* --- the file ---------------------------------------------------------------------------------------------------------- */

static void put_le32(char *at, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		at[i] = (char)(v >> 8 * i);
}

static bool still_ours(void)
{
	struct stat st;
	return stream_fd >= 0 && fstat(stream_fd, &st) == 0 && st.st_dev == stream_dev && st.st_ino == stream_ino;
}

static void write_frame(void)
{
	struct stat before;
	size_t done = 0;

	if (stream_fd < 0 || fstat(stream_fd, &before) != 0)
		return;
	while (done < used) {
		ssize_t n = write(stream_fd, buffer + done, used - done);
		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (ftruncate(stream_fd, before.st_size) != 0)
			failed = true;          /* a damaged tail: nothing may follow it */
		break;
	}
}

static void finish_payload(void)
{
	while (depth > 0)
		det_record_close();
	if (overflow) {                         /* larger than the format allows: the loss is told in its place */
		start_payload("loss");
		det_record_str("what", "record too large");
		det_record_u64("count", 1);
		det_record_close();
	}
	uint32_t bytes = (uint32_t)(used - FRAME_HEAD);
	memcpy(buffer, "CSPR", 4);
	put_le32(buffer + 4, bytes);
	put_le32(buffer + 8, det_crc32c(buffer + FRAME_HEAD, bytes));
	buffer[used++] = '\n';
	write_frame();
}

static void put_argv(void)
{
	static char line[64 << 10];
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, line, sizeof line - 1) : 0;

	if (fd >= 0)
		close(fd);
	line[n > 0 ? n : 0] = 0;
	det_record_open("argv", '[');
	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(line + at) + 1)
		det_record_str(NULL, line + at);
	det_record_close();
}

static const char *executable(void)
{
	static char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	path[n > 0 ? n : 0] = 0;
	return path;
}

static uint64_t env_u64(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	return text != NULL && *text != 0 ? strtoull(text, NULL, 0) : otherwise;
}

static void write_hello(void)
{
	struct timespec wall;
	clock_gettime(CLOCK_REALTIME, &wall);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	start_payload("hello");
	det_record_u64("version", 1);
	det_record_i64("pid", getpid());
	det_record_i64("ppid", getppid());
	det_record_str("exe", executable());
	put_argv();
	det_record_i64("start_ns", wall.tv_sec * INT64_C(1000000000) + wall.tv_nsec);
	det_record_bool("instrumented", det_modules_instrumented());
	det_record_u64("procs", env_u64("CSPMAXPROCS", cpus > 0 ? (uint64_t)cpus : 1));
	det_record_u64("seed", env_u64("CSPCHECK_SEED", 0));
	finish_payload();
}

static void write_module(const struct det_module *m, void *arg)
{
	char hex[2 * 64 + 1] = "";
	for (size_t i = 0; i < m->build_id_bytes && i < 64; i++) {
		hex[2 * i] = "0123456789abcdef"[m->build_id[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[m->build_id[i] & 15];
		hex[2 * i + 2] = 0;
	}
	start_payload("module");
	det_record_str("path", m->path[0] != 0 ? m->path : executable());
	det_record_str("build_id", hex);
	det_record_addr("bias", m->bias);
	det_record_addr("lo", m->lo);
	det_record_addr("hi", m->hi);
	finish_payload();
}

/* A descriptor far from those the program counts on getting. */
static int move_away(int fd)
{
	for (int floor = 1000; floor >= 50; floor /= 2) {
		int high = fcntl(fd, F_DUPFD_CLOEXEC, floor);
		if (high >= 0) {
			close(fd);
			return high;
		}
	}
	return fd;
}

static bool open_file(void)
{
	const char *dir = getenv("CSPCHECK_SPOOL");
	char path[4096];
	struct stat st;

	if (dir == NULL || *dir == 0 || snprintf(path, sizeof path, "%s/%d.csptrace", dir, (int)getpid()) >= (int)sizeof path)
		return false;
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	stream_fd = move_away(fd);
	if (fstat(stream_fd, &st) != 0)
		return false;
	stream_dev = st.st_dev;
	stream_ino = st.st_ino;
	return true;
}

/* Make the stream of this very process usable; false if there is none. */
static bool ready_stream(void)
{
	pid_t pid = getpid();

	if (stream_pid == pid && failed)
		return false;
	if (buffer == NULL) {
		buffer = det_reserve(BUFFER_BYTES);
		if (buffer == NULL)
			return false;
	}
	if (stream_pid != pid) {                /* first use, or a forked child: a stream of its own */
		if (stream_fd >= 0 && still_ours())
			close(stream_fd);
		stream_fd = -1;
		stream_pid = pid;
		modules_version = 0;
		failed = !open_file();
		if (!failed)
			write_hello();
	} else if (!still_ours()) {
		stream_fd = -1;                 /* not ours to close any more */
		failed = !open_file();
	}
	return !failed;
}

bool det_record_begin(const char *t)
{
	det_lock(&lock);
	if (!ready_stream()) {
		det_unlock(&lock);
		return false;
	}
	uint64_t version = det_modules_version();
	if (version != modules_version) {
		modules_version = version;
		det_modules_each(write_module, NULL);
	}
	start_payload(t);
	return true;
}

void det_record_end(void)
{
	finish_payload();
	det_unlock(&lock);
}

bool det_record_stream(void)
{
	det_lock(&lock);
	bool ok = ready_stream();
	det_unlock(&lock);
	return ok;
}

bool det_record_stream_is_open(void) { return stream_pid == getpid() && stream_fd >= 0; }

void det_record_fork(int phase)
{
	if (phase == 0)
		det_lock(&lock);
	else if (phase == 1)
		det_unlock(&lock);
	else
		det_lock_reset(&lock);          /* the stream itself follows at the next record: its pid has changed */
}
