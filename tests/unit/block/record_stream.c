/* The record stream read back by a parser of its own: frames, checksums, repeats, a damaged tail, broken text. */
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../detector/report/finding.h"
#include "../../../detector/report/record.h"
#include "../../../detector/report/stream.h"

static unsigned failed;
static void check(bool ok, const char *what)
{
	if (!ok) {
		printf("not so: %s\n", what);
		failed++;
	}
}

/* By the polynomial, bit by bit: no table shared with the writer. */
static uint32_t plain_crc(const unsigned char *p, size_t n)
{
	uint32_t crc = ~0u;
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < 8; k++) {
			uint32_t bit = (crc ^ (uint32_t)(p[i] >> k)) & 1;
			crc = crc >> 1 ^ (bit != 0 ? 0x82f63b78u : 0);
		}
	return ~crc;
}

static unsigned char file[4 << 20];
static size_t file_bytes;

static void load(const char *dir, pid_t pid)
{
	char path[300];
	snprintf(path, sizeof path, "%s/%d.csptrace", dir, (int)pid);
	FILE *f = fopen(path, "rb");
	file_bytes = f != NULL ? fread(file, 1, sizeof file - 1, f) : 0;
	if (f != NULL)
		fclose(f);
	unlink(path);
}

/* Whole records that contain `text`, up to the first damaged one. */
static unsigned count(const char *text, size_t bytes)
{
	unsigned n = 0;
	for (size_t at = 0; at + 12 <= bytes;) {
		uint32_t size = file[at + 4] | file[at + 5] << 8 | file[at + 6] << 16 | (uint32_t)file[at + 7] << 24;
		uint32_t crc = file[at + 8] | file[at + 9] << 8 | file[at + 10] << 16 | (uint32_t)file[at + 11] << 24;
		if (memcmp(file + at, "CSPR", 4) != 0 || at + 13 + size > bytes || plain_crc(file + at + 12, size) != crc || file[at + 12 + size] != '\n')
			break;
		file[at + 12 + size] = 0;
		n += strstr((char *)file + at + 12, text) != NULL;
		file[at + 12 + size] = '\n';
		at += 13 + size;
	}
	return n;
}

static uint32_t emit(enum det_rule rule, uintptr_t a, uintptr_t b)
{
	struct det_stack one = { .n = 2, .pc = { a, 0x1000 } }, two = { .n = 1, .pc = { b } };
	struct det_part parts[2] = { { .role = "access", .op = "read", .gid = 1, .stack = &one, .note = "quote \" back \\ bell \a broken \xff\xc3 fine \xc3\xa4" },
		{ .role = "previous", .op = "write", .gid = 2, .stack = &two } };
	struct det_finding f = { .rule = rule, .gate = true, .cause = "because", .parts = parts, .n_parts = 2 };
	return det_finding_emit(&f);
}

int main(void)
{
	char dir[] = "/tmp/record_stream.XXXXXX";

	if (mkdtemp(dir) == NULL)
		return 77;
	setenv("CSPCHECK_SPOOL", dir, 1);
	check(det_crc32c("123456789", 9) == 0xe3069283u, "the check value of CRC-32C");
	check(emit(DET_RACE, 0x10, 0x20) == 1, "the first finding is number 1");
	check(emit(DET_RACE, 0x10, 0x20) == 0, "a repeat has no number");
	check(emit(DET_RACE, 0x10, 0x30) == 2, "another stack is another finding");
	check(emit(DET_RACE_FREE, 0x10, 0x20) == 3, "another rule is another finding");

	pid_t pid = fork();
	if (pid == 0) {                         /* a stream of its own, and killed in the middle of things */
		det_stream_fork(2);
		_exit(emit(DET_RACE, 0x40, 0x50) == 1 ? kill(getpid(), 9) : 1);
	}
	int status = 0;
	waitpid(pid, &status, 0);
	check(WIFSIGNALED(status), "the child was killed");
	load(dir, pid);
	check(count("\"t\":\"hello\"", file_bytes) == 1 && count("\"t\":\"finding\"", file_bytes) == 1, "the killed child's finding is there");

	det_stream_bye(5, 2);
	load(dir, getpid());
	check(count("\"t\":\"hello\"", file_bytes) == 1, "one hello");
	check(count("\"t\":\"module\"", file_bytes) >= 2, "modules");
	check(count("\"t\":\"finding\"", file_bytes) == 3, "three findings");
	check(count("\"t\":\"again\",\"n\":1,\"count\":1", file_bytes) == 1, "one repeat of the first");
	check(count("quote \\\" back \\\\ bell \\u0007 broken \xef\xbf\xbd\xef\xbf\xbd fine \xc3\xa4", file_bytes) == 3, "text is escaped and whole");
	check(count("\"t\":\"bye\"", file_bytes) == 1, "bye");
	check(count("\"goroutines_started\":5,\"goroutines_alive\":2,\"findings\":3", file_bytes) == 1, "bye's counts");
	for (size_t cut = 1; cut < 40; cut++)
		check(count("\"t\":\"bye\"", file_bytes - cut) == 0 && count("\"t\":\"finding\"", file_bytes - cut) == 3, "a cut tail loses the last record only");
	rmdir(dir);
	return failed != 0;
}
