/* cspcheck test: programs whose main says by its status whether they passed, each under many schedules. */
#include "cmd/cmd.h"

#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/options.h"
#include "cmd/target.h"
#include "launch/explore.h"
#include "schedule/portfolio.h"
#include "schedule/schedule.h"

enum {
	KEY_RACE = 0x3000, KEY_LEAK, KEY_DEADLOCK, KEY_TIMEOUT, KEY_SEED, KEY_SCHEDULE, KEY_SCHEDULES, KEY_FOR, KEY_UNTIL, KEY_JOBS, KEY_FAILFAST, KEY_LIST,
	KEY_RUN, KEY_SKIP, KEY_MAX_STEPS, KEY_AUDIT
};

struct test {
	struct options options;
	const char *race, *leak, *deadlock, *strategy;
	bool     race_asked, failfast, list, has_seed;
	uint64_t seed, schedules, max_steps, audited;
	int64_t  for_ns, timeout_ns;
	enum until until;
	double   risk;
	int      jobs;
	const char *run, *skip;
	int      argc; char **argv;     /* targets, and after "--" their arguments */
};

static const struct argp_option table[] = {
	{ "schedules", KEY_SCHEDULES, "N", 0, "run each target under N schedules at most (default 1000)", 1 },
	{ "for", KEY_FOR, "DUR", 0, "explore each target for DUR at most (default 30s)", 1 },
	{ "until", KEY_UNTIL, "RULE", 0, "exhausted: no schedule is left; bug: the first failure; risk:P: the chance that the next schedule shows a new order is P; "
	  "time:T: as --for T (default: the budget, or 100 schedules after the first failure)", 1 },
	{ "schedule", KEY_SCHEDULE, "WHICH", 0, "auto (default), dfs (exhaustive), or one strategy for all: " SCHEDULE_NAMES, 1 },
	{ "seed", KEY_SEED, "N", 0, "seed of every random choice", 1 },
	{ "jobs", KEY_JOBS, "N", 0, "run N schedules at once (default: one per processor)", 1 },
	{ "timeout", KEY_TIMEOUT, "DUR", 0, "stop a run after DUR with a goroutine dump (default 10s)", 1 },
	{ "max-steps", KEY_MAX_STEPS, "N", 0, "cut a run off after N steps (default 1000000)", 1 },
	{ "audit", KEY_AUDIT, "N", 0, "run the first N schedules twice, and compare (default 16; each new failure is in any case)", 1 },
	{ "failfast", KEY_FAILFAST, NULL, 0, "stop at the first failure", 1 },
	{ "run", KEY_RUN, "REGEX", 0, "only targets whose name matches", 2 },
	{ "skip", KEY_SKIP, "REGEX", 0, "no targets whose name matches", 2 },
	{ "list", KEY_LIST, NULL, 0, "list the targets and run nothing", 2 },
	{ "race", KEY_RACE, "on|off", 0, "detect data races (default on)", 3 },
	{ "leak", KEY_LEAK, "exit|off", 0, "report goroutines that can never end (default exit)", 3 },
	{ "deadlock", KEY_DEADLOCK, "fatal|warn|off", 0, "what a deadlock of some goroutines does (default fatal)", 3 },
	{ 0 }
};

static const char doc[] =
	"Run test programs under many schedules, on one thread and with virtual time, with all checks on.\v"
	"A target is a program, or a C file that is compiled; it passes if its main returns 0. What is wrong under some schedule is printed once, with a token "
	"for `cspcheck replay'. The schedule that failed is shortened and written to .cspcheck/schedules.\n\n"
	"Examples:\n"
	"  cspcheck test queue_test.c ./pool_test\n"
	"  cspcheck test --for 5m --jobs 2 ./pool_test -- --size 4\n"
	"  cspcheck test --until exhausted small_test.c\n\n"
	"Exit status: 0 all passed; 1 a target failed, or a finding counts; 3 a target is not deterministic; 4 no target matched; 124 a time limit was reached, and nothing else found; "
	"64 usage; 65 bad database; 69 cannot check; 73 cannot write the database.";

static void
parse_until(struct test *t, const struct argp_state *state, const char *arg)
{
	char *end;

	if (!strcmp(arg, "exhausted")) {
		t->until = UNTIL_EXHAUSTED;
	} else if (!strcmp(arg, "bug")) {
		t->until = UNTIL_BUG;
	} else if (!strncmp(arg, "time:", 5)) {
		t->for_ns = options_duration_ns(state, "until time:", arg + 5, 1);
		t->schedules = UINT64_MAX;
	} else if (!strncmp(arg, "risk:", 5) && (t->risk = strtod(arg + 5, &end)) > 0 && t->risk < 1 && !*end) {
		t->until = UNTIL_RISK;
	} else {
		options_refuse(state->name, "--until is exhausted, bug, risk:P with P between 0 and 1, or time:T, not '%s'", arg);
	}
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct test *t = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &t->options; break;
	case KEY_RACE:
		t->race = options_choice(state, "race", arg, "on off");
		t->race_asked = !strcmp(arg, "on");
		break;
	case KEY_LEAK: t->leak = options_choice(state, "leak", arg, "exit off"); break;
	case KEY_DEADLOCK: t->deadlock = options_choice(state, "deadlock", arg, "fatal warn off"); break;
	case KEY_TIMEOUT: t->timeout_ns = options_duration_ns(state, "timeout", arg, 1); break;
	case KEY_FOR: t->for_ns = options_duration_ns(state, "for", arg, 1); break;
	case KEY_UNTIL: parse_until(t, state, arg); break;
	case KEY_SEED:
		t->seed = options_number(state, "seed", arg, UINT64_MAX);
		t->has_seed = true;
		break;
	case KEY_SCHEDULE:
		if (!portfolio_is_known(arg))
			options_refuse(state->name, "--schedule is auto, dfs, " SCHEDULE_NAMES ", not '%s'", arg);
		t->strategy = arg;
		break;
	case KEY_SCHEDULES: t->schedules = options_number(state, "schedules", arg, UINT64_MAX); break;
	case KEY_MAX_STEPS: t->max_steps = options_number(state, "max-steps", arg, UINT64_MAX); break;
	case KEY_AUDIT: t->audited = options_number(state, "audit", arg, UINT64_MAX); break;
	case KEY_JOBS: t->jobs = (int)options_number(state, "jobs", arg, 256); break;
	case KEY_FAILFAST: t->failfast = true; break;
	case KEY_LIST: t->list = true; break;
	case KEY_RUN: t->run = arg; break;
	case KEY_SKIP: t->skip = arg; break;
	case ARGP_KEY_ARG:
		if (!t->argv)
			t->argv = state->argv + state->next - 1;
		t->argc = (int)(state->argv + state->next - t->argv);
		break;
	case ARGP_KEY_END:
		if (!t->argv)
			options_refuse(state->name, "no test program or source file given");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static bool
matches(const char *regex, const char *name, const char *option)
{
	regex_t re;

	if (regcomp(&re, regex, REG_EXTENDED | REG_NOSUB) != 0)
		options_refuse("cspcheck test", "--%s is no regular expression: '%s'", option, regex);
	bool ok = regexec(&re, name, 0, NULL, 0) == 0;
	regfree(&re);
	return ok;
}

static bool
is_wanted(const struct test *t, const char *name)
{
	return (!t->run || matches(t->run, name, "run")) && (!t->skip || !matches(t->skip, name, "skip"));
}

/* The words from "--" on belong to every target. */
static int
explore_one(struct test *t, const struct home *h, struct tally *tally, char *name, int number, const char *work, char **arguments, struct explore_result *r)
{
	struct target target;
	char *dir = NULL, *words[512] = { name };
	int n = 1;

	while (arguments && *arguments && n < 511)
		words[n++] = *arguments++;
	memset(r, 0, sizeof(*r));
	if (asprintf(&dir, "%s/%d", work, number) < 0)
		return EX_OSERR;
	int status = target_prepare(&target, h, &(struct target_wish){ t->race, t->race_asked, t->options.verbose }, work, n, words);
	if (status == 0) {
		*r = explore_target(tally, &(struct explore_plan){
			.name = name, .program = target.program, .argv = target.argv, .work = dir, .strategy = t->strategy, .seed = t->seed, .schedules = t->schedules,
			.max_steps = t->max_steps, .audited = t->audited, .for_ns = t->for_ns, .timeout_ns = t->timeout_ns, .until = t->until, .risk = t->risk, .jobs = t->jobs,
			.failfast = t->failfast, .save_dir = t->options.no_db ? NULL : ".cspcheck/schedules",
		});
		status = r->status;
	}
	target_finish(&target);
	free(dir);
	return status;
}

static int
open_store(struct test *t, struct tally *tally, int argc, char **argv)
{
	if (t->options.no_db)
		return 0;
	enum store_status status = store_open(&tally->store, t->options.db, true);
	tally->storing = status == STORE_OK;
	if (status == STORE_BAD) {
		fprintf(stderr, "cspcheck: %s is unusable: %s\n", t->options.db, tally->store.error);
		return EX_DATAERR;
	}
	if (!tally->storing || store_begin_session(&tally->store, "test", argc, argv) < 0) {
		tally->storing = false;
		tally->store_failed = true;
		snprintf(tally->store_error, sizeof(tally->store_error), "%s", tally->store.error);
	}
	return 0;
}

static void
print_summary(const struct test *t, const struct tally *tally, unsigned targets, unsigned failed)
{
	const char *before = " (";

	fprintf(stderr, "cspcheck: %u target%s, %u failed, %lu schedules; %lu new", targets, targets == 1 ? "" : "s", failed, (unsigned long)tally->schedules, tally->issues[STANDING_NEW]);
	for (int k = 0; k < RULE_KINDS; k++)
		if (tally->by_kind[k]) {
			fprintf(stderr, "%s%lu %s", before, tally->by_kind[k], rule_kind_name((enum rule_kind)k, tally->by_kind[k]));
			before = ", ";
		}
	fprintf(stderr, "%s, %lu known, %lu suppressed", tally->issues[STANDING_NEW] ? ")" : "", tally->issues[STANDING_KNOWN], tally->issues[STANDING_SUPPRESSED]);
	if (tally->notes)
		fprintf(stderr, ", %lu note%s", tally->notes, tally->notes == 1 ? "" : "s");
	fprintf(stderr, "; seed 0x%lx", (unsigned long)t->seed);
	if (tally->show_issue)
		fprintf(stderr, "; see: cspcheck report show %lld", (long long)tally->show_issue);
	fputc('\n', stderr);
}

static int
test_all(struct test *t, const struct home *h, struct tally *tally, const char *work)
{
	unsigned targets = 0, failed = 0, timed_out = 0;
	int worst = 0, n = 0;
	bool nondeterministic = false;
	char **arguments = NULL;

	while (n < t->argc && strcmp(t->argv[n], "--"))
		n++;
	if (n < t->argc)
		arguments = t->argv + n + 1;
	for (int i = 0; i < n; i++) {
		struct explore_result r;
		if (!is_wanted(t, t->argv[i]))
			continue;
		targets++;
		if (t->list) {
			puts(t->argv[i]);
			continue;
		}
		int status = explore_one(t, h, tally, t->argv[i], i, work, arguments, &r);
		if (status && (worst == 0 || status > worst))
			worst = status;
		failed += r.failed || status;
		timed_out += r.timed_out;
		nondeterministic |= r.nondeterministic;
		if (t->failfast && (r.failed || status))
			break;
	}
	if (targets == 0) {
		fprintf(stderr, "cspcheck: no target matched\n");
		return STATUS_NO_TEST;
	}
	if (t->list)
		return 0;
	int status = worst ? worst : nondeterministic ? STATUS_NONDETERMINISM : failed && failed == timed_out ? STATUS_TIMEOUT : failed ? 1 : 0;
	if (tally->storing && store_end_session(&tally->store, status) < 0)
		tally->store_failed = true;
	if (tally->store_failed) {
		fprintf(stderr, "cspcheck: cannot write %s: %s\n", t->options.db, tally->store_error);
		status = EX_CANTCREAT;
	}
	print_summary(t, tally, targets, failed);
	return status;
}

static void
set_environment(const struct test *t)
{
	schedule_environment("fifo", t->seed, 0);
	setenv("CSPCHECK_RACE", t->race, 1);
	setenv("CSPCHECK_LEAK", t->leak, 1);
	setenv("CSPCHECK_DEADLOCK", t->deadlock, 1);
	setenv("CSPCHECK_LEAK_INTERVAL", "0", 1);       /* a thread would not survive the fork; leaks are found at the end */
}

static int
run(struct test *t, int argc, char **argv)
{
	struct tally tally = { .options = &t->options, .out = stderr };
	struct home h;

	if (home_find(&h) < 0)
		return EX_UNAVAILABLE;
	if (t->options.output && !(tally.out = fopen(t->options.output, "we"))) {
		fprintf(stderr, "cspcheck: cannot write %s: %s\n", t->options.output, strerror(errno));
		return EX_CANTCREAT;
	}
	char *work = target_make_work_dir();
	if (!work)
		return EX_CANTCREAT;
	int status = filter_open(&tally.filter, t->options.suppressions, t->options.baseline);
	tally.view = (struct view){ text_use_colour(t->options.colour, fileno(tally.out)), t->options.verbose, t->options.source_root };
	if (status == 0 && !t->list)
		status = open_store(t, &tally, argc, argv);
	set_environment(t);
	if (status == 0)
		status = test_all(t, &h, &tally, work);
	if (tally.out != stderr && (fflush(tally.out) || ferror(tally.out))) {
		fprintf(stderr, "cspcheck: cannot write %s: %s\n", t->options.output, strerror(errno));
		status = EX_IOERR;
	}
	if (tally.out != stderr)
		fclose(tally.out);
	store_close(&tally.store);
	filter_close(&tally.filter);
	tally_finish(&tally);
	target_remove_work_dir(work);
	free(work);
	home_finish(&h);
	return status;
}

int
cmd_test(int argc, char **argv)
{
	static const struct argp_child children[] = { { &options_argp, 0, "Results and output:", 10 }, { 0 } };
	static const struct argp argp = { table, parse, "TARGET... [-- ARG...]", doc, children, NULL, NULL };
	struct test t = {
		.race = "on", .leak = "exit", .deadlock = "fatal", .strategy = "auto", .schedules = 1000, .audited = 16, .max_steps = 1000000,
		.for_ns = INT64_C(30000000000), .timeout_ns = INT64_C(10000000000), .jobs = (int)sysconf(_SC_NPROCESSORS_ONLN),
	};

	options_init(&t.options);
	options_parse(&argp, argc, argv, &t, &t.options);
	if (!t.has_seed && getrandom(&t.seed, 4, 0) != 4)
		t.seed = (uint64_t)getpid();
	if (t.jobs < 1)
		t.jobs = 1;
	return run(&t, argc, argv);
}
