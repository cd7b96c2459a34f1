/* Programs of plain pthreads and of libc calls, one per name, each 0 findings or at least one. Order that the detector must not see comes
 * from pipes, which it does not know.
 * usage: threads NAME */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int hidden[2];
static void hand_over(void) { char c = 0; if (write(hidden[1], &c, 1) != 1) _exit(99); }
static void take_over(void) { char c; if (read(hidden[0], &c, 1) != 1) _exit(99); }

static int value;
static char *block;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static sem_t sem;
static char text[64];

static void two(void *(*a)(void *), void *(*b)(void *))
{
	pthread_t t[2];

	pthread_create(&t[0], NULL, a, NULL);
	pthread_create(&t[1], NULL, b, NULL);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
}

static void *under_mutex(void *a) { for (int i = 0; i < 100; i++) { pthread_mutex_lock(&mutex); value++; pthread_mutex_unlock(&mutex); } return a; }
static void clean_mutex(void) { two(under_mutex, under_mutex); value++; }

static void *wait_for_it(void *a) { pthread_mutex_lock(&mutex); while (!value) pthread_cond_wait(&cond, &mutex); value++; pthread_mutex_unlock(&mutex); return a; }
static void *signal_it(void *a) { pthread_mutex_lock(&mutex); value = 1; pthread_cond_signal(&cond); pthread_mutex_unlock(&mutex); return a; }
static void clean_cond(void) { two(wait_for_it, signal_it); }

static void *post(void *a) { value = 1; sem_post(&sem); return a; }
static void *await(void *a) { sem_wait(&sem); value++; return a; }
static void clean_semaphore(void) { sem_init(&sem, 0, 0); two(post, await); }

static int halves[2];
static void *first_half(void *a) { halves[0] = 1; pthread_barrier_wait(&barrier); value = halves[1]; return a; }
static void *second_half(void *a) { halves[1] = 1; pthread_barrier_wait(&barrier); return halves[0] ? a : NULL; }
static void clean_barrier(void) { pthread_barrier_init(&barrier, NULL, 2); two(first_half, second_half); }

static void set_up(void) { value = 7; }
static void *use_once(void *a) { pthread_once(&once, set_up); return value == 7 ? a : NULL; }
static void clean_once(void) { two(use_once, use_once); }

static void *rw_reader(void *a) { pthread_rwlock_rdlock(&rwlock); int v = value; pthread_rwlock_unlock(&rwlock); return v ? a : NULL; }
static void *rw_writer(void *a) { pthread_rwlock_wrlock(&rwlock); value++; pthread_rwlock_unlock(&rwlock); return a; }
static void clean_rwlock(void) { two(rw_reader, rw_writer); }
static void *write_under_rdlock_1(void *a) { pthread_rwlock_rdlock(&rwlock); value++; pthread_rwlock_unlock(&rwlock); hand_over(); return a; }
static void *write_under_rdlock_2(void *a) { take_over(); pthread_rwlock_rdlock(&rwlock); value++; pthread_rwlock_unlock(&rwlock); return a; }
static void race_rwlock(void) { two(write_under_rdlock_1, write_under_rdlock_2); }

static void *plain_write(void *a) { value = 1; hand_over(); return a; }
static void *plain_read(void *a) { take_over(); return value ? a : NULL; }
static void race_plain(void) { two(plain_write, plain_read); }

/* The first thread has ended before the second reads: its access is not forgotten. */
static _Atomic pid_t ended;
static void *write_and_end(void *a) { atomic_store_explicit(&ended, gettid(), memory_order_relaxed); return plain_write(a); }
static void race_ended(void)
{
	pthread_t t;

	pthread_create(&t, NULL, write_and_end, NULL);
	pthread_detach(t);
	take_over();
	while (syscall(SYS_tgkill, getpid(), atomic_load_explicit(&ended, memory_order_relaxed), 0) == 0)
		sched_yield();
	printf("%d\n", value);
}

static void *free_it(void *a) { take_over(); free(block); return a; }
static void *grow_it(void *a) { take_over(); block = realloc(block, 4000); return a; }
static void *read_and_tell(void *a) { int v = *(volatile char *)(block + 8); hand_over(); return v ? a : NULL; }
static void race_free(void) { block = calloc(1, 40); two(read_and_tell, free_it); }
static void race_realloc(void) { block = calloc(1, 40); two(read_and_tell, grow_it); free(block); }

/* Memory that the allocator gives to one thread after another is nobody's race. */
static void *churn(void *a)
{
	for (int i = 0; i < 2000; i++) {
		size_t n = 16 + (size_t)i % 300;
		char *p = malloc(n);

		memset(p, i, n);
		p = realloc(p, 2 * n);
		p[n] = 1;
		free(p);
	}
	return a;
}
static void clean_churn(void) { two(churn, churn); two(churn, churn); }

static void *copy_in(void *a) { strcpy(text, "written by strcpy"); hand_over(); return a; }
static void *measure(void *a) { take_over(); return strlen(text) ? a : NULL; }
static void race_string(void) { two(copy_in, measure); }

static jmp_buf back;
__attribute__((noinline)) static void deep(int n) { if (n == 0) longjmp(back, 1); value += n; deep(n - 1); value++; }
static void clean_longjmp(void)
{
	for (volatile int i = 0; i < 100000; i++)
		if (!setjmp(back))
			deep(20);
}

static void clean_fork(void)
{
	int status;
	pid_t child;

	value = 1;
	child = fork();
	if (child == 0) {
		value++;
		free(malloc(100));
		_exit(value == 2 ? 0 : 9);
	}
	if (waitpid(child, &status, 0) != child || status != 0)
		exit(98);
}

static volatile sig_atomic_t ticks;
static volatile int in_handler;
static void on_alarm(int sig) { ticks++; in_handler++; }
static void clean_signals(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &sa, NULL);
	for (int i = 0; i < 200; i++) {
		ualarm(200, 0);
		for (int k = 0; k < 3000; k++)
			value += k;
	}
}

static const struct { const char *name; void (*run)(void); } programs[] = {
	{ "clean_mutex", clean_mutex }, { "clean_cond", clean_cond }, { "clean_semaphore", clean_semaphore }, { "clean_barrier", clean_barrier },
	{ "clean_once", clean_once }, { "clean_rwlock", clean_rwlock }, { "race_rwlock", race_rwlock }, { "race_plain", race_plain },
	{ "race_ended", race_ended }, { "race_free", race_free }, { "race_realloc", race_realloc }, { "clean_churn", clean_churn },
	{ "race_string", race_string }, { "clean_longjmp", clean_longjmp }, { "clean_fork", clean_fork }, { "clean_signals", clean_signals },
};

int main(int argc, char **argv)
{
	if (pipe(hidden) != 0)
		return 99;
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		if (argc == 2 && strcmp(argv[1], programs[i].name) == 0) {
			programs[i].run();
			return 0;
		}
		if (argc == 1)
			puts(programs[i].name);
	}
	return argc == 2 ? 97 : 0;
}
