#include "launch/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_MS 20000

static void
become(const struct server *s, const char *program, char *const *argv, int socket, int report, pid_t parent)
{
	char number[16];
	int null = open("/dev/null", O_RDONLY);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(126);
	setpgid(0, 0);
	int fd = dup(socket);           /* without close-on-exec */
	snprintf(number, sizeof(number), "%d", fd);
	setenv("CSPCHECK_SERVE", number, 1);
	setenv("CSPCHECK_SPOOL", s->dir, 1);
	dup2(null, STDIN_FILENO);
	dup2(s->out_fd, STDOUT_FILENO);
	dup2(s->out_fd, STDERR_FILENO);
	signal(SIGQUIT, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	execv(program, argv);
	int error = errno;
	ssize_t n = write(report, &error, sizeof(error));
	(void)n;
	_exit(126);
}

static bool
map_schedule(struct server *s)
{
	char *path;
	int fd = -1;

	if (asprintf(&path, "%s/%d.schedule", s->dir, (int)s->pid) >= 0) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		free(path);
	}
	if (fd < 0)
		return false;
	s->map = mmap(NULL, DET_SCHEDULE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (s->map == MAP_FAILED)
		s->map = NULL;
	return s->map != NULL;
}

static bool
is_ready(struct server *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	struct det_serve_result r;

	return poll(&p, 1, READY_MS) > 0 && server_result(s, &r) && r.pid == 0 && r.status == DET_SERVE_READY && map_schedule(s);
}

int
server_start(struct server *s, const char *program, char *const *argv, const char *dir, int *status)
{
	int pair[2], report[2], error = 0;
	char *out;
	pid_t parent = getpid();

	*s = (struct server){ .fd = -1, .out_fd = -1 };
	*status = 0;
	if (mkdir(dir, 0700) < 0 || !(s->dir = strdup(dir)) || asprintf(&out, "%s/output", dir) < 0)
		return errno;
	s->out_fd = open(out, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	free(out);
	if (s->out_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return errno;
	if (pipe2(report, O_CLOEXEC) < 0) {
		error = errno;
		close(pair[0]);
		close(pair[1]);
		return error;
	}
	s->fd = pair[0];
	s->pid = fork();
	if (s->pid == 0)
		become(s, program, argv, pair[1], report[1], parent);
	if (s->pid < 0)
		error = errno;
	close(pair[1]);
	close(report[1]);
	if (s->pid > 0 && read(report[0], &error, sizeof(error)) == sizeof(error)) {
		waitpid(s->pid, NULL, 0);
		s->pid = 0;
	}
	close(report[0]);
	if (error)
		return error;
	if (is_ready(s))
		return 0;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, status, 0);
	s->pid = 0;
	return -1;
}

void
server_stop(struct server *s)
{
	if (s->fd >= 0)
		close(s->fd);           /* it ends by itself; its present child does not */
	if (s->pid > 0) {
		kill(-s->pid, SIGKILL);
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
	}
	if (s->map)
		munmap(s->map, DET_SCHEDULE_BYTES);
	if (s->out_fd >= 0)
		close(s->out_fd);
	free(s->dir);
	*s = (struct server){ .fd = -1, .out_fd = -1 };
}

bool
server_order(struct server *s, const struct det_serve_order *order)
{
	if (ftruncate(s->out_fd, 0) < 0)
		return false;
	return send(s->fd, order, sizeof(*order), MSG_NOSIGNAL) == sizeof(*order);
}

bool
server_result(struct server *s, struct det_serve_result *r)
{
	for (size_t done = 0; done < sizeof(*r);) {
		ssize_t n = read(s->fd, (char *)r + done, sizeof(*r) - done);
		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		done += n > 0 ? (size_t)n : 0;
	}
	return true;
}

struct det_schedule *
server_schedule(const struct server *s)
{
	return (struct det_schedule *)s->map;
}

const struct det_tape_entry *
server_tape(const struct server *s)
{
	return (const struct det_tape_entry *)(s->map + DET_SCHEDULE_TAPE_AT);
}

uint16_t *
server_prefix(const struct server *s)
{
	return (uint16_t *)(s->map + DET_SCHEDULE_PREFIX_AT);
}

static void *
copy(const void *p, size_t bytes)
{
	void *q = malloc(bytes + 1);
	if (q)
		memcpy(q, p, bytes);
	return q;
}

bool
server_copy_schedule(const struct server *s, struct schedule *out)
{
	out->head = *server_schedule(s);
	out->gs = copy(s->map + DET_SCHEDULE_GS_AT, out->head.n_goroutines * sizeof(*out->gs));
	out->deviations = copy(s->map + DET_SCHEDULE_DEVIATIONS_AT, out->head.n_deviations * sizeof(*out->deviations));
	if (out->gs && out->deviations)
		return true;
	schedule_finish(out);
	return false;
}

char *
server_output(const struct server *s, size_t max)
{
	off_t end = lseek(s->out_fd, 0, SEEK_END), from = end > (off_t)max ? end - (off_t)max : 0;
	char *text = end > 0 ? malloc((size_t)(end - from) + 1) : NULL;

	if (!text)
		return NULL;
	ssize_t n = pread(s->out_fd, text, (size_t)(end - from), from);
	text[n > 0 ? n : 0] = '\0';
	return text;
}
