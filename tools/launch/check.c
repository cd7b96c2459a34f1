/* The order of things for one finding: stored first (its number is part of the text), then printed with one write. A database that
 * refuses does not stop the run: findings are still printed, the record files are kept, and the status says 73. */
#include "launch/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "detector/report/finding.h"
#include "filter/filter.h"
#include "launch/child.h"

#define obstack_chunk_alloc malloc
#define obstack_chunk_free  free
#define POLL_MS 50

/* `print` is a finding that is still to be printed: one of those that end a program waits until it has ended, because the program is
 * printing its own panic and dump at that moment. */
struct seen { struct finding *f; const struct process *process; uint64_t base; bool print; enum standing standing; const struct suppression *by; struct seen *next; };

struct check {
	const struct check_plan *plan;
	const struct options *options;
	struct view view;
	FILE   *out;                    /* where findings go: stderr or -o FILE */
	struct ingest *ingest;
	struct store store;
	bool    storing, store_failed;
	char    store_error[600];
	struct seen *seen, **seen_end;
	struct filter filter;
	unsigned long by_kind[RULE_KINDS], issues[3], notes, predicted, races_printed;     /* issues by standing; by_kind of the new ones */
	int64_t show_issue;             /* the first that counts */
	bool    gate[RULE_KINDS], note[RULE_KINDS];
};

static void
store_broke(struct check *c)
{
	c->storing = false;
	c->store_failed = true;
	snprintf(c->store_error, sizeof(c->store_error), "%s", c->store.error);
}

/* Text of several lines must not be torn by what the program prints meanwhile. */
static void
print_finding(struct check *c, const struct finding *f, const struct process *p)
{
	char *text = NULL;
	size_t n = 0;

	if (c->options->quiet || c->options->format == FORMAT_JSON)
		return;
	FILE *m = open_memstream(&text, &n);
	if (!m)
		return;
	char *rerun = text_rerun(c->plan->tool_argc, c->plan->tool_argv, p->seed);
	struct view v = c->view;
	v.rerun = rerun;
	if (c->options->format == FORMAT_GO)
		go_finding(m, &v, f);
	else if (c->options->format == FORMAT_DOT)
		dot_finding(m, &v, f);
	else
		human_finding(m, &v, f);
	fclose(m);
	free(rerun);
	fflush(c->out);
	for (size_t at = 0; at < n;) {
		ssize_t w = write(fileno(c->out), text + at, n - at);
		if (w < 0 && errno != EINTR)
			break;
		at += w > 0 ? (size_t)w : 0;
	}
	free(text);
}

static void
print_pending(struct check *c, struct seen *s)
{
	if (s->print)
		print_finding(c, s->f, s->process);
	s->print = false;
}

static void
on_hello(void *arg, struct process *p)
{
	struct check *c = arg;
	if (c->storing && !p->run_id && store_begin_run(&c->store, p) < 0)
		store_broke(c);
}

static struct seen *
find_seen(const struct check *c, const char *fingerprint)
{
	for (struct seen *s = c->seen; s; s = s->next)
		if (!strcmp(s->f->fingerprint, fingerprint))
			return s;
	return NULL;
}

/* Not seen in this run, but in another schedule of it: worth a look, no reason to fail. Counted among the notes. */
static bool
is_prediction(const struct finding *f)
{
	return f->proof && !strcmp(f->proof, "S2");
}

static void
count(struct check *c, const struct seen *s)
{
	enum rule_kind kind = rule_find(s->f->rule)->kind;

	if (!s->f->gate && s->standing != STANDING_SUPPRESSED) {
		c->notes++;
		c->predicted += is_prediction(s->f);
		c->note[kind] = true;
		return;
	}
	c->issues[s->standing]++;
	c->by_kind[kind] += s->standing == STANDING_NEW;
	c->gate[kind] |= s->standing == STANDING_NEW || (s->standing == STANDING_KNOWN && c->plan->fail_on == FAIL_ANY);
}

static bool
is_shown(const struct check *c, const struct seen *s)
{
	if (s->standing == STANDING_NEW)
		return s->f->gate || is_prediction(s->f) || c->options->verbose || c->options->format == FORMAT_GO;
	return s->standing == STANDING_KNOWN && (c->options->verbose || c->plan->fail_on == FAIL_ANY);
}

static void
on_finding(void *arg, struct process *p, struct finding *f)
{
	struct check *c = arg;
	enum rule_kind kind = rule_find(f->rule)->kind;
	struct seen *s = find_seen(c, f->fingerprint);

	if (s) { /* the same mistake in other goroutines */
		s->base++;
		s->f->occurrences++;
		if (f->gate && !s->f->gate) {
			s->f->gate = true;
			c->notes -= s->standing != STANDING_SUPPRESSED;
			c->issues[s->standing] -= s->standing == STANDING_SUPPRESSED;
			count(c, s);
			s->print = !c->options->verbose && is_shown(c, s);
		}
		return;
	}
	s = obstack_alloc(ingest_memory(c->ingest), sizeof(*s));
	*s = (struct seen){ .f = f, .process = p, .base = 1 };
	s->standing = filter_judge(&c->filter, f, &s->by);
	*c->seen_end = s;
	c->seen_end = &s->next;
	count(c, s);
	s->print = is_shown(c, s);
	c->races_printed += kind == RULE_RACE && s->print;
	on_hello(c, p); /* a stream that lost its first record still gets its run */
	if (c->storing && store_save_finding(&c->store, p, f) < 0)
		store_broke(c);
	if (f->gate && s->print && !c->show_issue)
		c->show_issue = f->issue_id;
	if (kind == RULE_RACE || kind == RULE_LEAK)
		print_pending(c, s);
}

static void
on_again(void *arg, struct process *p, uint32_t n, uint64_t count)
{
	struct check *c = arg;
	for (struct seen *s = c->seen; s; s = s->next)
		if (s->process == p && s->f->n == n)
			s->f->occurrences = s->base + count;
}

/* Findings of the tool itself. */
static void
add_own_finding(struct check *c, struct process *p, uint32_t rule, const char *cause)
{
	struct obstack *mem = ingest_memory(c->ingest);
	struct finding *f = obstack_alloc(mem, sizeof(*f));

	memset(f, 0, sizeof(*f));
	f->rule = rule;
	f->gate = true;
	f->occurrences = 1;
	f->cause = cause;
	f->pid = p->pid;
	finding_derive(f, mem);
	on_finding(c, p, f);
}

static struct process *
main_process(struct check *c, const struct child *child)
{
	for (struct process *p = ingest_processes(c->ingest); p; p = p->next)
		if (p->pid == child->pid)
			return p;
	struct process *p = obstack_alloc(ingest_memory(c->ingest), sizeof(*p));
	memset(p, 0, sizeof(*p));
	p->pid = child->pid;
	p->ppid = getpid();
	p->exe = c->plan->program;
	p->seed = c->plan->seed;
	return p;
}

/* What the stream alone does not say: a panic nobody explained, and the end by the time limit. */
static void
add_missing_findings(struct check *c, const struct child *child, struct process *main)
{
	for (struct process *p = ingest_processes(c->ingest); p; p = p->next)
		if (p->panic && !p->panic_explained && !(p == main && child->timed_out))
			add_own_finding(c, p, DET_PANIC, p->panic);
	if (child->timed_out)
		add_own_finding(c, main, DET_TIMEOUT, NULL);
}

static void
finish_runs(struct check *c, const struct child *child, const struct process *main)
{
	for (struct seen *s = c->seen; s && c->storing; s = s->next)
		if (s->f->occurrences > 1 && store_set_occurrences(&c->store, s->process, s->f) < 0)
			store_broke(c);
	for (const struct process *p = ingest_processes(c->ingest); p && c->storing; p = p->next) {
		bool killed = WIFSIGNALED(child->status);
		const char *outcome = p != main ? (p->said_bye ? "exited" : "vanished") : child->timed_out ? "timeout" : killed ? "killed" : "exited";
		if (p->run_id && store_end_run(&c->store, p, outcome, p == main && !killed ? WEXITSTATUS(child->status) : 0,
		                               p == main && killed ? WTERMSIG(child->status) : 0) < 0)
			store_broke(c);
	}
}

static int
exit_status(const struct check *c, const struct child *child)
{
	static const enum rule_kind order[] = { RULE_DEADLOCK, RULE_MISUSE, RULE_CRASH, RULE_RACE, RULE_LEAK };

	if (c->plan->fail_on != FAIL_NONE)
		for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
			if (c->gate[order[i]])
				return rule_exit_status(order[i]);
	for (size_t i = 0; c->plan->fail_on == FAIL_ANY && i < sizeof(order) / sizeof(order[0]); i++)
		if (c->note[order[i]])
			return rule_exit_status(order[i]);
	return child->timed_out ? STATUS_TIMEOUT : child_exit_status(child);
}

static void
say_how_it_ended(const struct check *c, const struct child *child)
{
	for (const struct process *p = ingest_processes(c->ingest); p; p = p->next)
		if (p->loss_count)
			fprintf(stderr, "cspcheck: precision was lost %lu times (%s): silence about the rest is no proof\n", (unsigned long)p->loss_count, p->loss_what);
	if (ingest_damaged(c->ingest))
		fprintf(stderr, "cspcheck: the end of a record file was incomplete or damaged and was dropped\n");
	if (child->timed_out)
		fprintf(stderr, "cspcheck: %s reached the time limit of %.3g s\n", c->plan->argv[0], (double)child->timeout_ns / 1e9);
	else if (WIFSIGNALED(child->status))
		fprintf(stderr, "cspcheck: %s was killed by signal %d (%s)\n", c->plan->argv[0], WTERMSIG(child->status), strsignal(WTERMSIG(child->status)));
}

static uint64_t
seed_of(const struct check *c, const struct process *main)
{
	return main->has_seed && main->seed ? main->seed : c->plan->seed;
}

/* Always the last line. */
static void
print_summary(const struct check *c, const struct process *main)
{
	const char *before = " (";

	fprintf(stderr, "cspcheck: %lu new", c->issues[STANDING_NEW]);
	for (int k = 0; k < RULE_KINDS; k++)
		if (c->by_kind[k]) {
			fprintf(stderr, "%s%lu %s", before, c->by_kind[k], rule_kind_name((enum rule_kind)k, c->by_kind[k]));
			before = ", ";
		}
	fprintf(stderr, "%s, %lu known, %lu suppressed", c->issues[STANDING_NEW] ? ")" : "", c->issues[STANDING_KNOWN], c->issues[STANDING_SUPPRESSED]);
	if (c->predicted)
		fprintf(stderr, ", %lu predicted", c->predicted);
	if (c->notes > c->predicted)
		fprintf(stderr, ", %lu note%s", c->notes - c->predicted, c->notes - c->predicted == 1 ? "" : "s");
	fprintf(stderr, "; seed 0x%lx", (unsigned long)seed_of(c, main));
	if (c->show_issue)
		fprintf(stderr, "; see: cspcheck report show %lld", (long long)c->show_issue);
	fputc('\n', stderr);
}

static void
print_json(const struct check *c, const struct process *main, const struct child *child, int status)
{
	json_t *list = json_array(), *kinds = json_object();
	char seed[24];

	for (const struct seen *s = c->seen; s; s = s->next) {
		json_t *f = json_finding(&c->view, s->f);
		json_object_set_new(f, "standing", json_string(filter_word(s->standing)));
		json_object_set_new(f, "suppressed_by", s->by ? json_sprintf("%s:%u", c->filter.suppressions.file, s->by->line) : json_null());
		json_array_append_new(list, f);
	}
	for (int k = 0; k < RULE_KINDS; k++)
		if (c->by_kind[k])
			json_object_set_new(kinds, rule_kind_name((enum rule_kind)k, 1), json_integer((json_int_t)c->by_kind[k]));
	snprintf(seed, sizeof(seed), "0x%lx", (unsigned long)seed_of(c, main));
	json_t *doc = json_pack("{si ss ss si s{si sb} s{si si si si so} so}", "version", 1, "tool", "cspcheck " CSPCHECK_VERSION, "seed", seed, "exit_status", status,
		"child", "status", child_exit_status(child), "timed_out", child->timed_out,
		"summary", "new", (int)c->issues[STANDING_NEW], "known", (int)c->issues[STANDING_KNOWN], "suppressed", (int)c->issues[STANDING_SUPPRESSED], "notes", (int)c->notes, "kinds", kinds, "findings", list);
	if (doc && c->predicted)
		json_object_set_new(json_object_get(doc, "summary"), "predicted", json_integer((json_int_t)c->predicted));
	if (doc) {
		json_dumpf(doc, c->out, JSON_INDENT(1));
		fputc('\n', c->out);
	}
	json_decref(doc);
}

/* How to see this run again, or how well it followed what it was to follow. Returns the status. */
static int
tell_schedule(const struct check *c, const struct child *child, int status)
{
	const struct check_plan *plan = c->plan;
	char token[SCHEDULE_TOKEN_BYTES];
	struct schedule s;
	uint64_t step;

	if (!schedule_load(&s, plan->spool, child->pid)) {
		if (plan->replay)
			fprintf(stderr, "cspcheck: the program left no schedule; does it use libcsprt?\n");
		return plan->replay ? EX_UNAVAILABLE : status;
	}
	if (plan->replay) {
		enum schedule_verdict v = schedule_compare(&s, &plan->replay->wanted, plan->replay->is_token, &step);
		fprintf(stderr, "cspcheck: replay: %s", schedule_verdict_name(v));
		if (v == SCHEDULE_DRIFTED || v == SCHEDULE_INFEASIBLE)
			status = STATUS_NONDETERMINISM;
		if (step)
			fprintf(stderr, " at step %lu", (unsigned long)step);
		fprintf(stderr, " (%lu steps, %u preemptions)\n", (unsigned long)s.head.steps, s.head.n_preemptions);
	} else if (status && schedule_token(&s, token)) {
		fprintf(stderr, "cspcheck: the same run again: cspcheck replay %s %s\n", token, plan->target);
	}
	FILE *f = plan->save ? fopen(plan->save, "we") : NULL;
	if (plan->save && (!f || schedule_write(&s, f) < 0 || fflush(f))) {
		fprintf(stderr, "cspcheck: cannot write %s: %s\n", plan->save, strerror(errno));
		status = f ? EX_IOERR : EX_CANTCREAT;
	}
	if (f)
		fclose(f);
	schedule_finish(&s);
	return status;
}

static int
open_output(struct check *c)
{
	c->out = stderr;
	if (c->options->output && !(c->out = fopen(c->options->output, "we"))) {
		fprintf(stderr, "cspcheck: cannot write %s: %s\n", c->options->output, strerror(errno));
		return EX_CANTCREAT;
	}
	return 0;
}

/* A file that is no database of ours is refused before anything runs; one that cannot be written is told at the end. */
static int
open_store(struct check *c)
{
	enum store_status status;

	if (c->options->no_db)
		return 0;
	status = store_open(&c->store, c->options->db, true);
	c->storing = status == STORE_OK;
	if (status == STORE_BAD) {
		fprintf(stderr, "cspcheck: %s %s%s\n", c->options->db, strncmp(c->store.error, "is ", 3) && strncmp(c->store.error, "was ", 4) ? "is unusable: " : "", c->store.error);
		return EX_DATAERR;
	}
	if (!c->storing || store_begin_session(&c->store, "run", c->plan->tool_argc, c->plan->tool_argv) < 0)
		store_broke(c);
	return 0;
}

static int
cannot_start(const struct check_plan *plan, int error)
{
	fprintf(stderr, "cspcheck: cannot run %s: %s\n", plan->argv[0], strerror(error));
	return error == ENOENT || error == ENOTDIR ? STATUS_NOT_FOUND : error == EAGAIN || error == ENOMEM ? EX_OSERR : STATUS_NOT_EXECUTABLE;
}

static int
run_child(struct check *c)
{
	struct child child;
	int error = child_start(&child, c->plan->program, c->plan->argv, c->plan->timeout_ns);

	if (error)
		return cannot_start(c->plan, error);
	while (child_wait(&child, POLL_MS))
		ingest_poll(c->ingest);
	ingest_poll(c->ingest);

	struct process *main = main_process(c, &child);
	add_missing_findings(c, &child, main);
	for (struct seen *s = c->seen; s; s = s->next) {
		if (s->print && c->options->format == FORMAT_HUMAN && !c->options->quiet)
			fputc('\n', c->out);
		print_pending(c, s);
	}
	finish_runs(c, &child, main);
	int status = exit_status(c, &child);
	if (c->options->format == FORMAT_GO && c->races_printed && !c->options->quiet)
		fprintf(c->out, "Found %lu data race(s)\n", c->races_printed);
	if (c->options->format == FORMAT_JSON)
		print_json(c, main, &child, status);
	say_how_it_ended(c, &child);
	if (c->storing && store_end_session(&c->store, status) < 0)
		store_broke(c);
	if (c->store_failed) {
		fprintf(stderr, "cspcheck: cannot write %s: %s; records are kept in %s\n", c->options->db, c->store_error, c->plan->spool);
		status = EX_CANTCREAT;
	}
	if (c->out != stderr && (fflush(c->out) || ferror(c->out))) {
		fprintf(stderr, "cspcheck: cannot write %s: %s\n", c->options->output, strerror(errno));
		status = EX_IOERR;
	}
	status = tell_schedule(c, &child, status);
	if (!c->options->quiet)
		suppress_report(stderr, &c->filter.suppressions);
	print_summary(c, main);
	return status;
}

int
check_run(const struct check_plan *plan, bool *keep_spool)
{
	struct check c = { .plan = plan, .options = plan->options };
	const struct ingest_handler handler = { &c, on_hello, on_finding, on_again };
	int status = filter_open(&c.filter, c.options->suppressions, c.options->baseline);

	if (status == 0)
		status = open_output(&c);
	if (status) {
		filter_close(&c.filter);
		return status;
	}
	c.seen_end = &c.seen;
	c.view = (struct view){ text_use_colour(c.options->colour, fileno(c.out)), c.options->verbose, c.options->source_root, text_width(fileno(c.out)), NULL };
	status = open_store(&c);
	if (status == 0) {
		c.ingest = ingest_open(plan->spool, &handler);
		status = c.ingest ? run_child(&c) : EX_OSERR;
	}
	*keep_spool = c.store_failed;
	ingest_close(c.ingest);
	store_close(&c.store);
	filter_close(&c.filter);
	if (c.out != stderr)
		fclose(c.out);
	return status;
}
