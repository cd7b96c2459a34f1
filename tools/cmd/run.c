/* cspcheck run and replay: from the words on the command line to a program, its environment, and one checked run. */
#include "cmd/cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/options.h"
#include "cmd/target.h"
#include "launch/check.h"
#include "schedule/schedule.h"

enum { KEY_RACE = 0x2000, KEY_LEAK, KEY_DEADLOCK, KEY_TIMEOUT, KEY_PROCS, KEY_SEED, KEY_FAIL_ON, KEY_SCHEDULE, KEY_SAVE, KEY_LEAK_INTERVAL, KEY_SUSPECTS };

struct run {
	struct options options;
	const char *race, *leak, *deadlock, *procs, *schedule, *leak_interval, *suspects;
	bool     race_asked;            /* --race=on said by the user: then it must be possible */
	enum fail_on fail_on;
	int64_t  timeout_ns;
	uint64_t seed, index;           /* of the schedules of that seed */
	bool     has_seed;
	bool     replays;               /* cspcheck replay: the first word names the schedule */
	const char *schedule_word, *save;
	struct schedule recorded;       /* of a file */
	struct replay replay;
	int      argc; char **argv;     /* target and its arguments */
};

static const struct argp_option table[] = {
	{ "race", KEY_RACE, "on|off", 0, "detect data races (default on)", 1 },
	{ "leak", KEY_LEAK, "exit|off", 0, "report goroutines that can never end (default exit)", 1 },
	{ "deadlock", KEY_DEADLOCK, "fatal|warn|off", 0, "what a deadlock of some goroutines does (default fatal)", 1 },
	{ "leak-interval", KEY_LEAK_INTERVAL, "DUR", 0, "how often to look for leaks while the program runs (default 200ms, rarer where it would cost over 1 %; 0: only at the end)", 1 },
	{ "suspects", KEY_SUSPECTS, "on|off", 0, "note goroutines that only a global or an unknown thread keeps from being proven leaked (default off)", 1 },
	{ "timeout", KEY_TIMEOUT, "DUR", 0, "stop after DUR (10s, 2m, 500ms) with a goroutine dump; status 124", 2 },
	{ "procs", KEY_PROCS, "N", 0, "run goroutines on N threads at once", 2 },
	{ "seed", KEY_SEED, "N", 0, "seed of every random choice", 2 },
	{ "schedule", KEY_SCHEDULE, "WHICH", 0, "native (default), or one schedule of our choice on one thread with virtual time: random, pos, pct:D, delay:K, fifo, lifo, rr, rev, replay:FILE", 2 },
	{ "save-schedule", KEY_SAVE, "FILE", 0, "write what this run did differently from the default schedule (.cspr)", 2 },
	{ "fail-on", KEY_FAIL_ON, "WHAT", 0, "new, any or none: which findings change the exit status (default new)", 3 },
	{ 0 }
};

static const char replay_doc[] =
	"Run a program again under a schedule that was seen before: a token that cspcheck printed, or a .cspr file.\v"
	"Says how the replay went: EXACT, SAME-HB (other steps, the same order of all that depends on each other), DRIFTED at step S, or INFEASIBLE at step S "
	"(the goroutine that ran then cannot run now).\n\n"
	"Exit status: as of `cspcheck run' if the replay was EXACT or SAME-HB, else 3; 65 if the file is no schedule.";

static const char doc[] =
	"Compile if source, run, check for data races, deadlocks, leaks and misuse, store and report.\v"
	"Examples:\n"
	"  cspcheck run prog.c                      compile and check (CC=clang for clang)\n"
	"  cspcheck run main.c queue.c -- 10 fast   several sources, arguments after --\n"
	"  cspcheck run ./prog 10 fast              an existing program\n"
	"  cspcheck run --timeout 30s --format json -o found.json prog.c\n\n"
	"Every long option is also an environment variable: --procs 4 is CSPCHECK_PROCS=4.\n"
	"CFLAGS, CPPFLAGS, LDFLAGS and LDLIBS are used when sources are compiled.\n\n"
	"Exit status: the program's own; 66 race, 67 leak, 68 deadlock, panic or misuse (68 over 66 over 67); 124 time limit; "
	"1 cannot compile; 64 usage; 65 bad database; 69 cannot check; 73 cannot write the database; 126 not executable; 127 not found; 128+N killed by signal N.";

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct run *r = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &r->options; break;
	case KEY_RACE:
		r->race = options_choice(state, "race", arg, "on off");
		r->race_asked = !strcmp(arg, "on");
		break;
	case KEY_LEAK: r->leak = options_choice(state, "leak", arg, "exit off"); break;
	case KEY_DEADLOCK: r->deadlock = options_choice(state, "deadlock", arg, "fatal warn off"); break;
	case KEY_TIMEOUT: r->timeout_ns = options_duration_ns(state, "timeout", arg, 1); break;
	case KEY_LEAK_INTERVAL:
		options_duration_ns(state, "leak-interval", arg, 0);
		r->leak_interval = arg;
		break;
	case KEY_SUSPECTS: r->suspects = options_choice(state, "suspects", arg, "on off"); break;
	case KEY_PROCS:
		if (options_number(state, "procs", arg, 4096) == 0)
			options_refuse(state->name, "--procs wants at least 1");
		r->procs = arg;
		break;
	case KEY_SEED:
		r->seed = options_number(state, "seed", arg, UINT64_MAX);
		r->has_seed = true;
		break;
	case KEY_SCHEDULE:
		if (!strncmp(arg, "replay:", 7) && !r->replays)
			r->schedule_word = arg + 7;
		else if (!schedule_is_known(arg) || r->replays)
			options_refuse(state->name, "--schedule is native, " SCHEDULE_NAMES ", or replay:FILE, not '%s'", arg);
		r->schedule = arg;
		break;
	case KEY_SAVE: r->save = arg; break;
	case KEY_FAIL_ON:
		options_choice(state, "fail-on", arg, "new any none");
		r->fail_on = !strcmp(arg, "new") ? FAIL_NEW : !strcmp(arg, "any") ? FAIL_ANY : FAIL_NONE;
		break;
	case ARGP_KEY_ARG: /* the target: all that follows is its own */
		if (r->replays && !r->schedule_word) {
			r->schedule_word = arg;
			break;
		}
		r->argv = state->argv + state->next - 1;
		r->argc = state->argc - state->next + 1;
		state->next = state->argc;
		break;
	case ARGP_KEY_END:
		if (!r->argv)
			options_refuse(state->name, r->replays && !r->schedule_word ? "no token or schedule file given" : "no program or source file given");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static void
set_environment(const struct run *r, const char *spool)
{
	setenv("CSPCHECK_SPOOL", spool, 1);
	setenv("CSPCHECK_RACE", r->race, 1);
	setenv("CSPCHECK_LEAK", r->leak, 1);
	setenv("CSPCHECK_DEADLOCK", r->deadlock, 1);
	if (r->leak_interval)
		setenv("CSPCHECK_LEAK_INTERVAL", r->leak_interval, 1);
	if (r->suspects)
		setenv("CSPCHECK_SUSPECTS", r->suspects, 1);
	if (r->procs)
		setenv("CSPMAXPROCS", r->procs, 1);
	schedule_environment(r->schedule, r->seed, r->index);
}

/* What is to be followed: of a token its strategy is run again; of a file the deviations are. Returns the status. */
static int
find_schedule(struct run *r)
{
	struct det_schedule *wanted = &r->replay.wanted;

	if (schedule_parse_token(r->schedule_word, wanted)) {
		r->replay.is_token = true;
		r->schedule = wanted->strategy;
		r->seed = wanted->seed;
		r->index = wanted->index;
		return 0;
	}
	const char *wrong = schedule_read(&r->recorded, r->schedule_word);
	if (wrong) {
		fprintf(stderr, "cspcheck: %s is no schedule: %s\n", r->schedule_word, wrong);
		return EX_DATAERR;
	}
	*wanted = r->recorded.head;
	r->seed = wanted->seed;
	return 0;
}

static int
hand_over_schedule(struct run *r, const char *work)
{
	static char name[4096];         /* lives on as the schedule's name */

	snprintf(name, sizeof(name), "replay:%s/followed", work);
	if (schedule_write_replay(&r->recorded, name + strlen("replay:")) < 0) {
		fprintf(stderr, "cspcheck: cannot write %s: %s\n", name + strlen("replay:"), strerror(errno));
		return EX_IOERR;
	}
	r->schedule = name;
	return 0;
}

static int
run_in(struct run *r, const struct home *h, const char *work, int tool_argc, char **tool_argv, bool *keep)
{
	struct target t;
	int status = target_prepare(&t, h, &(struct target_wish){ r->race, r->race_asked, r->options.verbose }, work, r->argc, r->argv);

	if (status == 0 && r->recorded.head.steps)
		status = hand_over_schedule(r, work);
	if (status == 0) {
		set_environment(r, work);
		status = check_run(&(struct check_plan){
			.options = &r->options, .fail_on = r->fail_on, .timeout_ns = r->timeout_ns, .seed = r->seed, .program = t.program, .argv = t.argv,
			.spool = work, .replay = r->schedule_word ? &r->replay : NULL, .save = r->save, .target = r->argv[0], .tool_argc = tool_argc, .tool_argv = tool_argv,
		}, keep);
	}
	target_finish(&t);
	return status;
}

static int
run_or_replay(const struct argp *argp, bool replays, int argc, char **argv)
{
	struct run r = { .race = "on", .leak = "exit", .deadlock = "fatal", .schedule = "native", .replays = replays };
	struct home h;
	bool keep = false;

	options_init(&r.options);
	options_parse(argp, argc, argv, &r, &r.options);
	if (r.schedule_word) {
		int status = find_schedule(&r);
		if (status)
			return status;
	} else if (!r.has_seed && getrandom(&r.seed, 4, 0) != 4) {
		r.seed = (uint64_t)getpid();
	}
	if (home_find(&h) < 0)
		return EX_UNAVAILABLE;
	char *work = target_make_work_dir();
	if (!work)
		return EX_CANTCREAT;
	int status = run_in(&r, &h, work, argc, argv, &keep);
	if (!keep)
		target_remove_work_dir(work);
	free(work);
	schedule_finish(&r.recorded);
	home_finish(&h);
	return status;
}

int
cmd_run(int argc, char **argv)
{
	static const struct argp_child children[] = { { &options_argp, 0, "Results and output:", 10 }, { 0 } };
	static const struct argp argp = { table, parse, "PROG|FILE.c... [[--] ARG...]", doc, children, NULL, NULL };

	return run_or_replay(&argp, false, argc, argv);
}

int
cmd_replay(int argc, char **argv)
{
	static const struct argp_child children[] = { { &options_argp, 0, "Results and output:", 10 }, { 0 } };
	static const struct argp argp = { table, parse, "TOKEN|FILE.cspr PROG|FILE.c... [[--] ARG...]", replay_doc, children, NULL, NULL };

	return run_or_replay(&argp, true, argc, argv);
}
