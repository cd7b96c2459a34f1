/* cspcheck dump PID: ask a live process for its goroutines and, if it is checked, for verdicts. It goes on meanwhile.
 *
 * The runtime answers a signal that carries the number of a descriptor of ours: it opens /proc/OUR-PID/fd/NUMBER, which takes the same user, writes, and
 * ends with a zero byte. Nothing is traced, so it works on processes under gdb or strace. */
#include "cmd/cmd.h"

#include <argp.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/options.h"
#include "finding/rules.h"

#define DUMP_SIGNAL (SIGRTMIN + 6)      /* runtime/dump/helper.h */
#define ANSWER_MS   30000

static const char doc[] =
	"Print the goroutines of a running libcsprt program, with verdicts if it runs under `cspcheck run', without stopping it.\v"
	"The dump is Go's text and goes to standard output. The process must belong to the same user and have used the library already.\n\n"
	"Exit status: 0 printed; 64 usage; 69 no libcsprt program, or it does not answer; 126 not permitted; 127 no such process.";

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	const char **target = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (*target)
			options_refuse(state->name, "one process at a time");
		*target = arg;
		return 0;
	case ARGP_KEY_NO_ARGS: options_refuse(state->name, "the number of a process is wanted");
	default: return ARGP_ERR_UNKNOWN;
	}
}

/* A process without the handler would be killed by the signal. */
static int
check_process(pid_t pid)
{
	char path[64], line[256];
	unsigned long long caught = 0;
	bool found = false;

	if (kill(pid, 0) < 0) {
		int error = errno;
		fprintf(stderr, "cspcheck: cannot ask process %d: %s\n", (int)pid, strerror(error));
		return error == EPERM ? STATUS_NOT_EXECUTABLE : STATUS_NOT_FOUND;
	}
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		found |= sscanf(line, "SigCgt: %llx", &caught) == 1;
	if (f)
		fclose(f);
	if (!found || !(caught >> (DUMP_SIGNAL - 1) & 1)) {
		fprintf(stderr, "cspcheck: process %d is no libcsprt program, or has not used the library yet\n", (int)pid);
		return EX_UNAVAILABLE;
	}
	return 0;
}

/* Up to the zero byte. */
static int
copy_answer(pid_t pid, int from)
{
	struct pollfd p = { .fd = from, .events = POLLIN };
	char buf[65536];

	for (;;) {
		int ready = poll(&p, 1, ANSWER_MS);
		if (ready < 0 && errno == EINTR)
			continue;
		ssize_t n = ready > 0 ? read(from, buf, sizeof(buf)) : 0;
		if (n <= 0)
			break;
		const char *end = memchr(buf, 0, (size_t)n);
		fwrite(buf, 1, end ? (size_t)(end - buf) : (size_t)n, stdout);
		if (end)
			return fflush(stdout) == 0 && !ferror(stdout) ? 0 : EX_IOERR;
	}
	fflush(stdout);
	fprintf(stderr, "cspcheck: process %d does not answer\n", (int)pid);
	return EX_UNAVAILABLE;
}

static int
dump_process(pid_t pid)
{
	int status = check_process(pid), ends[2];
	union sigval value;

	if (status)
		return status;
	if (pipe(ends) < 0) {
		fprintf(stderr, "cspcheck: %s\n", strerror(errno));
		return EX_OSERR;
	}
	value.sival_int = ends[1];
	if (sigqueue(pid, DUMP_SIGNAL, value) < 0) {
		fprintf(stderr, "cspcheck: cannot ask process %d: %s\n", (int)pid, strerror(errno));
		status = errno == EPERM ? STATUS_NOT_EXECUTABLE : STATUS_NOT_FOUND;
	} else {
		status = copy_answer(pid, ends[0]);
	}
	close(ends[0]);
	close(ends[1]);
	return status;
}

int
cmd_dump(int argc, char **argv)
{
	static const struct argp argp = { NULL, parse, "PID", doc, NULL, NULL, NULL };
	const char *target = NULL;
	char *end;

	argp_parse(&argp, argc, argv, 0, NULL, &target);
	long pid = strtol(target, &end, 10);
	if (*end || pid <= 0 || pid > INT32_MAX) {
		if (access(target, R_OK) == 0) {
			fprintf(stderr, "cspcheck: %s is a file: core files are read by gdb (`info goroutines', docs/api/debugging.md)\n", target);
			return EX_UNAVAILABLE;
		}
		options_refuse(argv[0], "'%s' is neither a process nor a file", target);
	}
	return dump_process((pid_t)pid);
}
