/* A short program that uses most of the library, for runs in which the system refuses something. What a call refuses is told and ends the
 * program with status 3: that is correct use. Otherwise its output is always the same.
 *   program [end]    end: "return" (default), "panic", "deadlock", "quit" (SIGQUIT), "fork" (a child uses the runtime, too) */
#include <csp.h>

#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SENDERS = 8, VALUES = 20, CLIENTS = 4, MESSAGES = 5 };

static _Noreturn void handled(const char *what, long result)
{
	char line[128];
	int n = snprintf(line, sizeof line, "handled: %s: %ld\n", what, result);

	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		_exit(4);
	_exit(3);
}

static long must(const char *what, long result)
{
	if (result < 0)
		handled(what, result);
	return result;
}

static void *must_have(const char *what, void *p)
{
	if (!p)
		handled(what, 0);
	return p;
}

static _Noreturn void wrong(const char *what)
{
	printf("WRONG: %s\n", what);
	fflush(stdout);
	_exit(5);
}

static void send_values(csp_send_chan(int) to, int first)
{
	for (int i = 0; i < VALUES; i++)
		csp_chan_send(to, first + i);
}

static void use_channels(void)
{
	csp_chan(int) unbuffered = csp_make_chan(int), buffered = csp_make_chan(int, 4);
	int v, sum = 0;

	for (int i = 0; i < SENDERS; i++)
		csp_go(send_values, i % 2 ? unbuffered : buffered, i);
	for (int i = 0; i < SENDERS * VALUES; i++) {
		switch (csp_select(CSP_ON_RECV(unbuffered, &v), CSP_ON_RECV(buffered, &v), CSP_ON_AFTER(20 * CSP_SECOND))) {
		case 2:
			wrong("channels");
		default:
			sum += v;
		}
	}
	csp_chan_unref(unbuffered);
	csp_chan_unref(buffered);
	printf("channels %d\n", sum);
}

static void select_many(void)
{
	enum { N = 40 };
	csp_chan(int) ch[N];
	csp_case cases[N] = { 0 };
	int v = 0;

	for (int i = 0; i < N; i++) {
		ch[i] = csp_make_chan(int, 1);
		cases[i] = CSP_ON_RECV(ch[i], &v);
	}
	csp_chan_send(ch[17], 17);
	if (csp_select_v(cases, N) != 17 || v != 17)
		wrong("select");
	for (int i = 0; i < N; i++)
		csp_chan_unref(ch[i]);
	printf("select %d\n", v);
}

static void note_call(void *arg)
{
	csp_sema_release(arg);
}

static void use_time(void)
{
	csp_sema called = { 0 };
	csp_timer *once = must_have("csp_timer_start", csp_timer_start(CSP_MILLISECOND));
	csp_timer *func = must_have("csp_timer_func", csp_timer_func(CSP_MILLISECOND, note_call, &called));
	csp_ticker *ticker = must_have("csp_ticker_start", csp_ticker_start(CSP_MILLISECOND / 2));
	csp_recv_chan(int64_t) after = csp_after(CSP_MILLISECOND), dropped = csp_after(CSP_MILLISECOND);

	csp_chan_unref(dropped);
	csp_sleep(CSP_MILLISECOND);
	csp_chan_recv(csp_timer_chan(once));
	csp_sema_acquire(&called);
	csp_chan_recv(csp_ticker_chan(ticker));
	csp_chan_recv(csp_ticker_chan(ticker));
	csp_chan_recv(after);
	csp_chan_unref(after);
	csp_timer_free(once);
	csp_timer_free(func);
	csp_ticker_free(ticker);
	printf("time\n");
}

static int member(void *arg)
{
	int *n = arg;

	__atomic_fetch_add(n, 1, __ATOMIC_RELAXED);
	csp_yield();
	return 0;
}

static void task(void *arg)
{
	member(arg);
}

static void use_context(void)
{
	csp_context *root = must_have("csp_context_with_cancel", csp_context_with_cancel(NULL));
	csp_context *late = must_have("csp_context_with_timeout", csp_context_with_timeout(root, CSP_MILLISECOND));
	csp_context *value = must_have("csp_context_with_value", csp_context_with_value(root, &root, root));
	csp_group group = { 0 };
	csp_waitgroup wg = { 0 };
	csp_sema called = { 0 };
	int n = 0;

	csp_context_after_func(value, note_call, &called);
	csp_chan_recv(csp_context_done(late));
	if (csp_context_err(late) != -ETIMEDOUT || csp_context_err(root) != 0)
		wrong("context");
	csp_context *of_group = must_have("csp_group_with_context", csp_group_with_context(&group, root));
	csp_group_set_limit(&group, 2);
	for (int i = 0; i < 6; i++) {
		csp_group_go(&group, member, &n);
		csp_wg_go(&wg, task, &n);
	}
	csp_group_wait(&group);
	csp_wg_wait(&wg);
	csp_context_free(of_group);
	csp_context_cancel(root);
	csp_sema_acquire(&called);
	csp_context_free(value);
	csp_context_free(late);
	csp_context_free(root);
	printf("context %d\n", n);
}

static void echo(int conn, csp_waitgroup *wg)
{
	char buf[64];
	long n;

	while ((n = must("csp_read", csp_read(conn, buf, sizeof buf))) > 0)
		must("csp_write", csp_write(conn, buf, (size_t)n));
	csp_close_fd(conn);
	csp_wg_done(wg);
}

static void serve(int listener, csp_waitgroup *wg)
{
	for (int i = 0; i < CLIENTS; i++)
		csp_go(echo, (int)must("csp_accept", csp_accept(listener, NULL, NULL)), wg);
}

static void client(struct sockaddr_in addr, csp_waitgroup *wg)
{
	int fd = (int)must("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	char in[16], out[16] = "hello, 16 bytes";

	must("csp_connect", csp_connect(fd, (struct sockaddr *)&addr, sizeof addr));
	for (int i = 0; i < MESSAGES; i++) {
		must("csp_send", csp_send(fd, out, sizeof out, 0));
		if (must("csp_recv", csp_recv(fd, in, sizeof in, MSG_WAITALL)) != sizeof in || memcmp(in, out, sizeof in) != 0)
			wrong("echo");
	}
	csp_close_fd(fd);
	csp_wg_done(wg);
}

static void use_network(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t bytes = sizeof addr;
	int listener = (int)must("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), ends[2];
	csp_waitgroup wg = { 0 };
	char byte = 0;

	if (bind(listener, (struct sockaddr *)&addr, bytes) < 0 || listen(listener, 16) < 0 || getsockname(listener, (struct sockaddr *)&addr, &bytes) < 0)
		wrong("listen");
	csp_wg_add(&wg, 2 * CLIENTS);
	csp_go(serve, listener, &wg);
	for (int i = 0; i < CLIENTS; i++)
		csp_go(client, addr, &wg);
	csp_wg_wait(&wg);
	csp_close_fd(listener);

	must("pipe", pipe(ends));
	must("csp_set_deadline", csp_set_deadline(ends[0], csp_now_ns() + CSP_MILLISECOND, 0));
	long r = csp_read(ends[0], &byte, 1);
	if (r != -ETIMEDOUT)
		handled("csp_read", r);
	csp_close_fd(ends[0]);
	csp_close_fd(ends[1]);
	printf("network\n");
}

static void fill_stack(void *arg)
{
	volatile char frame[256 << 10];

	for (size_t i = 0; i < sizeof frame; i += 512)
		frame[i] = 1;
	csp_sema_release(arg);
}

static void block(void *arg)
{
	usleep(2000);
	++*(int *)arg;
}

static void *foreign_thread(void *arg)
{
	csp_chan(int) ch = arg;

	csp_chan_send(ch, 7);
	csp_chan_recv(ch);
	return NULL;
}

static void stay_on_thread(csp_sema *done)
{
	csp_lock_thread();
	csp_sleep(CSP_MILLISECOND / 4);
	csp_unlock_thread();
	csp_sema_release(done);
}

static void use_threads(void)
{
	csp_go_options large = { .stack_bytes = 1 << 20 };
	csp_sema done = { 0 };
	csp_chan(int) ch = csp_make_chan(int);
	pthread_t thread;
	int n = 0;

	for (int i = 0; i < 3; i++)
		must("csp_go_fn", csp_go_fn(fill_stack, &done, &large));
	for (int i = 0; i < 3; i++)
		csp_sema_acquire(&done);
	csp_block(block, &n);
	csp_go(stay_on_thread, &done);
	csp_sema_acquire(&done);
	if (pthread_create(&thread, NULL, foreign_thread, ch) != 0)
		wrong("pthread_create");
	n += csp_chan_recv(ch);
	csp_chan_send(ch, 1);
	pthread_join(thread, NULL);
	csp_chan_unref(ch);
	printf("threads %d\n", n);
}

/* Not those of /proc: the one used here, and those that the library's watcher opens for a moment. */
static int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	char target[64];
	int n = 0;

	while (dir && (entry = readdir(dir)) != NULL) {
		ssize_t bytes = readlinkat(dirfd(dir), entry->d_name, target, sizeof target);
		n += bytes > 0 && strncmp(target, "/proc/", 6) != 0;
	}
	if (dir)
		closedir(dir);
	return n;
}

static void nap(void *arg) { csp_sleep(20 * CSP_SECOND); }
static void wait_for_ever(csp_chan(int) ch) { csp_chan_recv(ch); }

static void in_child(void)
{
	pid_t child = fork();
	int status = 0;

	if (child < 0)
		wrong("fork");
	if (child == 0) {
		use_channels();
		use_time();
		fflush(stdout);
		_exit(0);
	}
	waitpid(child, &status, 0);
	if (WIFEXITED(status) && (WEXITSTATUS(status) == 2 || WEXITSTATUS(status) == 3))
		handled("child", WEXITSTATUS(status));
	if (status != 0)
		wrong("child");
}

int main(int argc, char **argv)
{
	const char *end = argc > 1 ? argv[1] : "return";

	setvbuf(stdout, NULL, _IOLBF, 0);
	csp_yield();
	int before = open_descriptors();
	use_channels();
	select_many();
	use_time();
	use_context();
	use_network();
	use_threads();
	/* A goroutine that has done its last word may take a moment to be gone. */
	for (int i = 0; csp_num_goroutines() != 1; i++) {
		if (i == 5000)
			wrong("goroutines left");
		csp_sleep(CSP_MILLISECOND);
	}
	if (strcmp(end, "return") == 0) {
		if (open_descriptors() != before)
			wrong("descriptors left");
		printf("end\n");
		return 0;
	}
	if (strcmp(end, "fork") == 0) {
		in_child();
		printf("end\n");
		return 0;
	}
	if (strcmp(end, "panic") == 0) {
		csp_go(nap, NULL);
		csp_yield();
		csp_chan_close((csp_chan(int))NULL);
	}
	if (strcmp(end, "deadlock") == 0) {
		csp_chan(int) ch = csp_make_chan(int);
		csp_go(wait_for_ever, ch);
		csp_chan_recv(ch);
	}
	if (strcmp(end, "quit") == 0) {
		raise(SIGQUIT);
		csp_sleep(20 * CSP_SECOND);
	}
	return 6;
}
