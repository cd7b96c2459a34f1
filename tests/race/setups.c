/* Programs for setups.py: what processes do around the checks. Goroutines are ordered by a pipe, which the detector does not follow here,
 * or not at all.
 * usage: setups NAME [ARGUMENT] */
#include <csp.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int value, hidden[2];
static const char *argument;

static void hand_over(void) { char c = 0; if (write(hidden[1], &c, 1) != 1) _exit(99); }
static void take_over(void) { char c; if (read(hidden[0], &c, 1) != 1) _exit(99); }

static void *write_value(void *a) { value = 1; hand_over(); return a; }
static void race_once(void)
{
	pthread_t t;

	pthread_create(&t, NULL, write_value, NULL);
	take_over();
	value = 2;
	pthread_join(t, NULL);
}

static void deadlock(void)
{
	csp_chan(int) c = csp_make_chan(int);

	csp_chan_recv(c);
}

static void wait_for_ever(void) { csp_chan(int) c = csp_make_chan(int); csp_chan_send(c, 1); }
static void leak(void)
{
	csp_go(wait_for_ever);
	csp_sleep(20 * CSP_MILLISECOND);
}

static void segv(void) { race_once(); *(volatile int *)(uintptr_t)8 = 1; }
static void aborted(void) { race_once(); abort(); }

static void quick_exit_by_signal(void) { race_once(); raise(SIGKILL); }

static void exec_again(void)
{
	race_once();
	execl("/proc/self/exe", "setups", "race", (char *)NULL);
	_exit(98);
}

static void idle(csp_chan(int) stop) { csp_chan_recv(stop); }
static void check_child(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child || status != 0)
		exit(97);
}

/* The child of a process with more than one goroutine runs unchecked, and says so. */
static void fork_from_many(void)
{
	csp_chan(int) stop = csp_make_chan(int);
	pid_t child;

	for (int i = 0; i < 5; i++)
		csp_go(idle, stop);
	csp_yield();
	child = fork();
	if (child == 0) {
		value++;
		free(malloc(1000));
		_exit(value == 1 ? 0 : 1);
	}
	check_child(child);
	csp_chan_close(stop);
	csp_sleep(CSP_MILLISECOND);
}

/* What such a child executes is checked again. */
static void fork_and_exec(void)
{
	csp_chan(int) stop = csp_make_chan(int);
	pid_t child;

	csp_go(idle, stop);
	csp_yield();
	child = fork();
	if (child == 0) {
		execl("/proc/self/exe", "setups", "race", (char *)NULL);
		_exit(98);
	}
	check_child(child);
	csp_chan_close(stop);
	csp_sleep(CSP_MILLISECOND);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *count(void *a) { pthread_mutex_lock(&mutex); value++; pthread_mutex_unlock(&mutex); return a; }
static void thousand_threads(void)
{
	static pthread_t t[1000];

	for (int i = 0; i < 1000; i++)
		if (pthread_create(&t[i], NULL, count, NULL) != 0)
			exit(96);
	for (int i = 0; i < 1000; i++)
		pthread_join(t[i], NULL);
	if (value != 1000)
		exit(95);
}

/* Both the race inside the plug-in and whatever is mapped later at its addresses. */
static void (*plugin_call)(int *);
static void *call_plugin(void *a) { plugin_call(&value); hand_over(); return a; }
static void plugin(void)
{
	for (int i = 0; i < 3; i++) {
		void *lib = dlopen(argument, RTLD_NOW);
		pthread_t t;

		if (!lib)
			exit(94);
		*(void **)&plugin_call = dlsym(lib, "plugin_call");
		pthread_create(&t, NULL, call_plugin, NULL);
		take_over();
		plugin_call(&value);
		pthread_join(t, NULL);
		dlclose(lib);
	}
}

/* One thread at a time, joined: silent however often the plug-in comes and goes. */
static void plugin_clean(void)
{
	for (int i = 0; i < 20; i++) {
		void *lib = dlopen(argument, RTLD_NOW);
		pthread_t t;

		if (!lib)
			exit(94);
		*(void **)&plugin_call = dlsym(lib, "plugin_call");
		plugin_call(&value);
		pthread_create(&t, NULL, call_plugin, NULL);
		pthread_join(t, NULL);
		take_over();
		dlclose(lib);
	}
}

static const struct { const char *name; void (*run)(void); } programs[] = {
	{ "race", race_once }, { "deadlock", deadlock }, { "leak", leak }, { "segv", segv }, { "abort", aborted }, { "kill", quick_exit_by_signal },
	{ "exec", exec_again }, { "fork", fork_from_many }, { "fork_exec", fork_and_exec }, { "threads", thousand_threads },
	{ "plugin", plugin }, { "plugin_clean", plugin_clean },
};

int main(int argc, char **argv)
{
	if (argc < 2 || pipe(hidden) != 0)
		return 99;
	argument = argc > 2 ? argv[2] : NULL;
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		if (strcmp(argv[1], programs[i].name) == 0) {
			programs[i].run();
			return 0;
		}
	}
	return 93;
}
