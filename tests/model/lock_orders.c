/* Predicted orders of locks against all interleavings, on random programs.
 *
 *   lock_orders [COUNT [FIRST_SEED]]
 *
 * A program has a main goroutine and two or three others, each a list of a few operations: lock, unlock (of mutexes and rwmutexes), and
 * in main also start and join. One interleaving that ends well is played to the detector. Every chain it tells must be a state that some
 * interleaving reaches: each goroutine of it stands at the operation named and waits there. One that is not is a false prediction, and
 * the test fails. A program that can deadlock and of which nothing is told is counted as missed: one run does not show everything (what
 * was ordered by the run's luck is not, but who joined whom is).
 *
 * The plain part (`reach`) knows nothing of clocks: it is a search over program counters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../detector/hb/hb.h"
#include "../../detector/hb/hbcore.h"
#include "../../detector/order/chain.h"

#define GS      4
#define LOCKS   4
#define OPS     14
#define PER_PROCESS 3000u

enum op_kind { LOCK, RLOCK, UNLOCK, RUNLOCK, START, JOIN, END };
struct op { enum op_kind kind; int what; };

static struct op program[GS][OPS];
static int n_g;
static bool is_rw[LOCKS];
static uint64_t seed, state;

static uint32_t rnd(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 33) % n;
}

/* --- programs ----------------------------------------------------------------------------------------------------------------- */

static int add_locking(struct op *ops, int n, int room)
{
	int held[3], modes[3], n_held = 0;

	while (n + n_held + 2 < room && rnd(8) != 0) {
		if (n_held < 3 && (n_held == 0 || rnd(5) < 3)) {
			int lock = (int)rnd(LOCKS), again = 0;
			bool read = is_rw[lock] && rnd(2);
			for (int i = 0; i < n_held; i++)
				again |= held[i] == lock && !(read && modes[i] == RLOCK && rnd(2));
			if (again)
				continue;
			held[n_held] = lock;
			modes[n_held++] = read ? RLOCK : LOCK;
			ops[n++] = (struct op){ read ? RLOCK : LOCK, lock };
		} else if (n_held != 0) {
			int k = rnd(3) != 0 ? n_held - 1 : (int)rnd((uint32_t)n_held);
			ops[n++] = (struct op){ modes[k] == RLOCK ? RUNLOCK : UNLOCK, held[k] };
			n_held--;
			held[k] = held[n_held];
			modes[k] = modes[n_held];
		}
	}
	while (n_held-- > 0)
		ops[n++] = (struct op){ modes[n_held] == RLOCK ? RUNLOCK : UNLOCK, held[n_held] };
	return n;
}

static void make_program(void)
{
	int n = 0, joined = 0;
	bool guards = rnd(3) == 0;

	n_g = 3 + (int)rnd(2);
	for (int i = 0; i < LOCKS; i++)
		is_rw[i] = rnd(3) == 0;
	for (int g = 1; g < n_g; g++)
		program[g][add_locking(program[g], 0, 10)] = (struct op){ END, 0 };
	if (guards)
		program[0][n++] = (struct op){ LOCK, 0 };
	for (int g = 1; g < n_g; g++) {
		program[0][n++] = (struct op){ START, g };
		if (rnd(4) == 0 && joined < g)
			program[0][n++] = (struct op){ JOIN, ++joined };
	}
	if (guards && rnd(2))
		program[0][n++] = (struct op){ UNLOCK, 0 };
	while (joined < n_g - 1)
		program[0][n++] = (struct op){ JOIN, ++joined };
	if (guards && program[0][n - n_g + 1].kind != UNLOCK) {
		bool unlocked = false;
		for (int i = 0; i < n; i++)
			unlocked |= program[0][i].kind == UNLOCK;
		if (!unlocked)
			program[0][n++] = (struct op){ UNLOCK, 0 };
	}
	program[0][n] = (struct op){ END, 0 };
}

/* --- all interleavings ---------------------------------------------------------------------------------------------------------- */

/* Where everybody is. A writer first queues (the flag), which shuts out new readers, then takes the lock. */
struct place { signed char pc[GS]; bool queued[GS]; };

static bool holds(const struct place *s, int g, int lock, bool *write)
{
	int depth = 0, writes = 0;

	for (int i = 0; i < s->pc[g]; i++) {
		const struct op *o = &program[g][i];
		if (o->kind <= RUNLOCK && o->what == lock) {
			depth += o->kind == LOCK || o->kind == RLOCK ? 1 : -1;
			writes += o->kind == LOCK ? 1 : o->kind == UNLOCK ? -1 : 0;
		}
	}
	*write = writes > 0;
	return depth > 0;
}

static bool waits_at_lock(const struct place *s, int g)
{
	const struct op *o = &program[g][(int)s->pc[g]];
	bool write;

	for (int h = 0; h < n_g; h++) {
		if (o->kind == LOCK && (h != g || is_rw[o->what]) && holds(s, h, o->what, &write))
			return true;
		if (o->kind == RLOCK && ((holds(s, h, o->what, &write) && write) || (h != g && s->queued[h] && program[h][(int)s->pc[h]].what == o->what)))
			return true;
	}
	return false;
}

/* Is goroutine g started? Its start is in main's past. */
static bool started(const struct place *s, int g)
{
	for (int i = 0; g != 0 && i < s->pc[0]; i++)
		if (program[0][i].kind == START && program[0][i].what == g)
			return true;
	return g == 0;
}

static bool step(struct place *s, int g)
{
	const struct op *o = &program[g][(int)s->pc[g]];

	if (!started(s, g) || o->kind == END)
		return false;
	if (o->kind == JOIN && program[o->what][(int)s->pc[o->what]].kind != END)
		return false;
	if (o->kind == LOCK && is_rw[o->what] && !s->queued[g]) {
		for (int h = 0; h < n_g; h++)           /* writers queue one behind the other */
			if (s->queued[h] && program[h][(int)s->pc[h]].what == o->what)
				return false;
		s->queued[g] = true;
		return true;
	}
	if ((o->kind == LOCK || o->kind == RLOCK) && waits_at_lock(s, g))
		return false;
	s->queued[g] = false;
	s->pc[g]++;
	return true;
}

static unsigned char seen[1u << 20];    /* bits by encoded place */
static struct place stack[1u << 20];
static struct place stuck[4096];
static int n_stuck;

static uint32_t encode(const struct place *s)
{
	uint32_t e = 0;

	for (int g = 0; g < n_g; g++)
		e = e * (2 * OPS) + (uint32_t)s->pc[g] * 2 + s->queued[g];
	return e;
}

/* Every place where somebody waits for a lock for ever is found; places where all wait or have ended are kept. */
static void reach(bool (*visit)(const struct place *s))
{
	int n = 1;

	memset(seen, 0, sizeof seen);
	stack[0] = (struct place){ 0 };
	while (n > 0) {
		struct place at = stack[--n];
		if (visit(&at))
			return;
		for (int g = 0; g < n_g; g++) {
			struct place next = at;
			if (!step(&next, g))
				continue;
			uint32_t e = encode(&next);
			if (seen[e / 8 % sizeof seen] >> (e % 8) & 1)
				continue;
			seen[e / 8 % sizeof seen] |= (unsigned char)(1 << (e % 8));
			stack[n++] = next;
		}
	}
}

static bool keep_if_stuck(const struct place *s)
{
	bool waiting = false;

	for (int g = 0; g < n_g; g++) {
		struct place next = *s;
		if (step(&next, g))
			return false;
		waiting |= started(s, g) && program[g][(int)s->pc[g]].kind <= RLOCK;
	}
	if (waiting && n_stuck < 4096)
		stuck[n_stuck++] = *s;
	return false;
}

/* --- what the detector tells ------------------------------------------------------------------------------------------------------ */

struct told { int n, g[DET_CYCLE], pc[DET_CYCLE], n_writers, writer[DET_CYCLE], writer_pc[DET_CYCLE]; };

static struct rt_gview view[GS];
static uint64_t first_gid;
static struct told told[256];
static int n_told;
static const struct told *sought;
static bool found;

static void on_cycle(const struct det_cycle *c)
{
	struct told *t = &told[n_told < 255 ? n_told++ : 255];

	*t = (struct told){ .n = (int)c->n };
	for (uint32_t i = 0; i < c->n; i++) {
		t->g[i] = (int)(c->of[i]->gid - first_gid);
		t->pc[i] = (int)det_dep_of(c->of[i])->want.ctx - 1;
		if (c->writer[i] != NULL) {
			t->writer[t->n_writers] = (int)(c->writer[i]->gid - first_gid);
			t->writer_pc[t->n_writers++] = (int)det_dep_of(c->writer[i])->want.ctx - 1;
		}
	}
}

static void on_kept(uint64_t gid, const struct det_lockref *lock) {}

static bool is_sought(const struct place *s)
{
	for (int i = 0; i < sought->n; i++)
		if (s->pc[sought->g[i]] != sought->pc[i] || !waits_at_lock(s, sought->g[i]))
			return false;
	for (int i = 0; i < sought->n_writers; i++)
		if (s->pc[sought->writer[i]] != sought->writer_pc[i] || !s->queued[sought->writer[i]])
			return false;
	return found = true;
}

static void print_program(void)
{
	static const char *const words[] = { "lock", "rlock", "unlock", "runlock", "start", "join", "end" };

	for (int g = 0; g < n_g; g++) {
		printf("  g%d:", g);
		for (int i = 0; i < OPS; i++) {
			printf(" %s%s%c", words[program[g][i].kind], program[g][i].kind <= RUNLOCK && is_rw[program[g][i].what] ? " rw" : "",
				program[g][i].kind <= RUNLOCK ? 'A' + program[g][i].what : '0' + program[g][i].what);
			if (program[g][i].kind == END)
				break;
		}
		putchar('\n');
	}
}

/* --- one run ------------------------------------------------------------------------------------------------------------------------ */

static void tell_detector(int g, const struct op *o, int pc, char *locks, char *wgs)
{
	struct det_g *d = det_of(&view[g]);
	bool rw = o->kind <= RUNLOCK && is_rw[o->what], write = o->kind == LOCK || o->kind == UNLOCK;
	void *lock = locks + o->what * 64;

	switch (o->kind) {
	case LOCK:
	case RLOCK:
		if (rw)
			det_hb_rw_lock(&view[g], lock, write, NULL);
		else
			det_hb_mutex_lock(&view[g], lock, NULL);
		det_order_took(d, (uintptr_t)lock, rw ? RT_OBJ_RWMUTEX : RT_OBJ_MUTEX, write, false, (uint32_t)pc + 1);
		break;
	case UNLOCK:
	case RUNLOCK:
		if (rw)
			det_hb_rw_unlock(&view[g], lock, write, NULL);
		else
			det_hb_mutex_unlock(&view[g], lock, NULL);
		det_order_gives(d, (uintptr_t)lock, write);
		break;
	case START:
		view[o->what].id = first_gid + (uint64_t)o->what;
		view[o->what].det = NULL;
		det_hb_g_go(&view[g], &view[o->what], NULL);
		break;
	case JOIN:
		det_hb_wg_waited(&view[g], wgs + o->what * 64);
		break;
	case END:
		break;
	}
}

/* False if it got stuck. */
static bool run_once(void)
{
	static char objects[PER_PROCESS * 10][2 * GS * 64];
	static unsigned next;
	struct place s = { 0 };
	char *locks = objects[next % (PER_PROCESS * 10)], *wgs = locks + LOCKS * 64;

	next++;
	view[0].id = first_gid;
	view[0].det = NULL;
	det_of(&view[0]);
	for (;;) {
		int can[GS], n = 0;
		for (int g = 0; g < n_g; g++) {
			struct place after = s;
			if (step(&after, g))
				can[n++] = g;
		}
		if (n == 0)
			break;
		int g = can[rnd((uint32_t)n)], pc = s.pc[g];
		step(&s, g);
		if (s.pc[g] == pc)
			continue;
		tell_detector(g, &program[g][pc], pc, locks, wgs);
		if (program[g][(int)s.pc[g]].kind == END && g != 0)
			det_hb_wg_add(&view[g], wgs + g * 64, -1, 0, NULL);
	}
	bool well = true;
	for (int g = 0; g < n_g; g++) {
		well &= program[g][(int)s.pc[g]].kind == END;
		if (view[g].det != NULL) {
			det_order_end(view[g].det, false);
			det_hb_g_end(&view[g]);
		}
	}
	return well;
}

struct totals { unsigned long programs, told, unreachable, can_hang, missed; };

static void one(struct totals *t)
{
	bool well = false;

	state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	for (int i = 0; i < 4; i++)
		rnd(2);
	make_program();
	for (int i = 0; i < 5 && !well; i++) {
		n_told = 0;
		first_gid = 100 + (seed % PER_PROCESS * 5 + (uint64_t)i) * GS;
		well = run_once();
		det_order_at_exit();
	}
	if (!well)
		return;
	t->programs++;
	n_stuck = 0;
	reach(keep_if_stuck);
	t->can_hang += n_stuck != 0;
	t->missed += n_stuck != 0 && n_told == 0;
	for (int i = 0; i < n_told; i++) {
		t->told++;
		sought = &told[i];
		found = false;
		reach(is_sought);
		if (found)
			continue;
		if (t->unreachable++ < 3) {
			printf("seed %lu: told, but no interleaving reaches it (%s):", (unsigned long)seed, n_stuck ? "another deadlock is reachable" : "none is");
			for (int k = 0; k < sought->n; k++)
				printf(" g%d at %d", sought->g[k], sought->pc[k]);
			for (int k = 0; k < sought->n_writers; k++)
				printf(" writer g%d at %d", sought->writer[k], sought->writer_pc[k]);
			putchar('\n');
			print_program();
		}
	}
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 0) : 30000;
	uint64_t from = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	static const struct det_order_tell tell = { on_cycle, on_kept };
	struct totals sum = { 0 };

	det_init();
	setvbuf(stdout, NULL, _IONBF, 0);
	/* The tables of orders are kept for the whole life of a process: so many programs for each. */
	for (unsigned long done = 0; done < count; done += PER_PROCESS) {
		struct totals t = { 0 };
		int pipes[2], status;
		if (pipe(pipes) != 0)
			return 1;
		pid_t child = fork();
		if (child == 0) {
			det_order_attach(&tell, true);
			for (uint64_t i = 0; i < PER_PROCESS && done + i < count; i++) {
				seed = from + done + i;
				one(&t);
			}
			_exit(write(pipes[1], &t, sizeof t) != sizeof t);
		}
		close(pipes[1]);
		if (read(pipes[0], &t, sizeof t) != sizeof t)
			t.unreachable = 1;
		close(pipes[0]);
		if (waitpid(child, &status, 0) < 0 || status != 0) {
			printf("the process of seeds %lu … ended with %d\n", (unsigned long)(from + done), status);
			t.unreachable++;
		}
		sum.programs += t.programs;
		sum.told += t.told;
		sum.unreachable += t.unreachable;
		sum.can_hang += t.can_hang;
		sum.missed += t.missed;
	}
	printf("%lu programs from seed %lu: %lu orders told, %lu of them unreachable (false); %lu programs can deadlock, %lu of them not told in one run\n",
		sum.programs, (unsigned long)from, sum.told, sum.unreachable, sum.can_hang, sum.missed);
	return sum.unreachable != 0;
}
