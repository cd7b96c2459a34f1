/* The first runs, and each that fails in a new way, are run twice: the hashes of their steps must agree, or the program takes something from outside
 * that no schedule rules, and nothing said about it could be trusted (status 3).
 * With strategy auto a depth-first search takes turns with the sampling strategies. What it has finished, it has proven. */
#include "launch/explore.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "launch/child.h"
#include "launch/server.h"
#include "launch/shrink.h"
#include "launch/witness.h"
#include "schedule/portfolio.h"
#include "schedule/search.h"

enum { JOBS_MAX = 256, AFTER_FAILURE = 100, OUTPUT_TAIL = 4000 };

struct worker {
	struct server server;
	bool     started, busy, searching, audits;
	struct det_serve_order order;
	uint64_t hash, steps;           /* audits: of the first run */
};

struct explore {
	struct tally *tally;
	const struct explore_plan *plan;
	struct explore_result result;
	struct worker *workers;
	int64_t  began_ns;
	uint64_t n_started, n_sampled, longest;
	uint64_t stop_at;               /* schedules, once something failed */
	bool     stopping;
	struct search *search;
	bool     search_busy, exhausted, search_gave_up, unfair;
	struct hashes classes, twice;
	struct hashes failures, notes, excused; /* keys of what was seen; of failures that are all known or suppressed */
	uint64_t losses;
	struct schedule shortest;       /* of the first failure */
	struct failure  first;
	bool     has_first;
};

static volatile sig_atomic_t interrupted;

static void
on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* --- findings --------------------------------------------------------------------------------------------------------- */

static void
store_broke(struct tally *t)
{
	t->storing = false;
	t->store_failed = true;
	snprintf(t->store_error, sizeof(t->store_error), "%s", t->store.error);
}

static struct known *
find_known(struct tally *t, const struct finding *f, bool *is_new)
{
	const struct suppression *by;
	struct known *k;

	*is_new = false;
	for (k = t->known; k; k = k->next)
		if (!strcmp(k->fingerprint, f->fingerprint))
			return k;
	*is_new = true;
	if (!(k = calloc(1, sizeof(*k))))
		abort();
	memcpy(k->fingerprint, f->fingerprint, sizeof(k->fingerprint));
	k->standing = filter_judge(&t->filter, f, &by);
	k->next = t->known;
	t->known = k;
	return k;
}

void
tally_finish(struct tally *t)
{
	for (struct known *k = t->known, *next; k; k = next) {
		next = k->next;
		free(k);
	}
	t->known = NULL;
}

static void
on_hello(void *arg, struct process *p)
{
	struct tally *t = arg;

	if (t->storing && !p->run_id && store_begin_run(&t->store, p) < 0)
		store_broke(t);
}

static void
on_finding(void *arg, struct process *p, struct finding *f)
{
	struct tally *t = arg;
	bool is_new;
	const struct known *k = find_known(t, f, &is_new);

	t->counted += f->gate && k->standing == STANDING_NEW;
	if (!is_new)
		return;
	if (f->gate)
		t->issues[k->standing]++;
	if (f->gate && k->standing == STANDING_NEW)
		t->by_kind[rule_find(f->rule)->kind]++;
	t->notes += !f->gate;
	on_hello(t, p);
	if (t->storing && store_save_finding(&t->store, p, f) < 0)
		store_broke(t);
	if (f->gate && k->standing == STANDING_NEW && !t->show_issue)
		t->show_issue = f->issue_id;
	if (t->options->quiet || ((!f->gate || k->standing != STANDING_NEW) && !t->options->verbose))
		return;
	if (t->options->format == FORMAT_GO)
		go_finding(t->out, &t->view, f);
	else
		human_finding(t->out, &t->view, f);
	fputc('\n', t->out);
	fflush(t->out);
}

static void
on_again(void *arg, struct process *p, uint32_t n, uint64_t count)
{
	(void)arg, (void)p, (void)n, (void)count;
}

/* With names, into the database, to the user. Counts in the tally what counts. */
static void
ingest_run(struct explore *x, const struct worker *w, const struct det_serve_result *r)
{
	struct tally *t = x->tally;
	const struct ingest_handler handler = { t, on_hello, on_finding, on_again };
	struct ingest *in = ingest_open(w->server.dir, &handler);

	t->counted = 0;
	if (!in)
		return;
	ingest_poll(in);
	for (const struct process *p = ingest_processes(in); p && t->storing; p = p->next)
		if (p->run_id && store_end_run(&t->store, p, r->timed_out ? "timeout" : WIFSIGNALED(r->status) ? "killed" : "exited",
		                               WIFEXITED(r->status) ? WEXITSTATUS(r->status) : 0, WIFSIGNALED(r->status) ? WTERMSIG(r->status) : 0) < 0)
			store_broke(t);
	ingest_close(in);
}

static void
print_output(FILE *to, const struct server *s)
{
	char *text = server_output(s, OUTPUT_TAIL);

	if (!text)
		return;
	for (char *line = text, *end; *line; line = end) {
		end = strchrnul(line, '\n');
		fprintf(to, "  | %.*s\n", (int)(end - line), line);
		end += *end == '\n';
	}
	free(text);
}

static void
say_failure(struct explore *x, const struct worker *w, const struct det_serve_result *r, const struct failure *f)
{
	FILE *to = x->tally->out;
	char token[SCHEDULE_TOKEN_BYTES];
	struct schedule s = { .head = *server_schedule(&w->server) };

	if (x->tally->options->quiet)
		return;
	fprintf(to, "FAIL %s: ", x->plan->name);
	if (r->timed_out)
		fprintf(to, "time limit");
	else if (WIFSIGNALED(r->status))
		fprintf(to, "killed by %s", strsignal(WTERMSIG(r->status)));
	else if (f->w.n)
		fprintf(to, "%u finding%s", f->w.n, f->w.n == 1 ? "" : "s");
	else
		fprintf(to, "exit status %d", WEXITSTATUS(r->status));
	fprintf(to, "; schedule %lu of %s, seed 0x%lx\n", (unsigned long)w->order.index, w->order.strategy, (unsigned long)w->order.seed);
	if (!f->w.n)
		print_output(to, &w->server);
	if (schedule_token(&s, token))
		fprintf(to, "  the same run again: cspcheck replay %s %s\n", token, x->plan->name);
	fflush(to);
}

/* --- one run has ended ------------------------------------------------------------------------------------------------ */

static void
nondeterministic(struct explore *x, const char *how)
{
	if (!x->result.nondeterministic)
		fprintf(stderr, "cspcheck: %s: not deterministic: %s; it takes something from outside that no schedule rules (the clock, input, addresses, other threads)\n",
			x->plan->name, how);
	x->result.nondeterministic = true;
	x->stopping = true;
}

static void
keep_shortest(struct explore *x, const struct worker *w, const struct failure *f)
{
	const struct det_schedule *head = server_schedule(&w->server);

	if (x->has_first && (failure_key(f) != failure_key(&x->first) || head->n_deviations >= x->shortest.head.n_deviations))
		return;
	schedule_finish(&x->shortest);
	x->has_first = server_copy_schedule(&w->server, &x->shortest);
	x->first = *f;
}

/* By itself, or because the checks ended it. */
static bool
ends_as_checked(int status)
{
	return status == 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 2);
}

/* True: a failure not seen before. */
static bool
judge(struct explore *x, const struct worker *w, const struct det_serve_result *r)
{
	struct failure f = { .status = r->status, .timed_out = r->timed_out };
	bool is_new = false, cut = server_schedule(&w->server)->was_cut;

	witness_read(&f.w, w->server.dir);
	x->result.cut += cut;
	bool failed = r->timed_out || f.w.n || (r->status && !cut);
	if (failed)
		is_new = hashes_add(&x->failures, failure_key(&f));
	x->losses += f.w.losses;
	if (f.w.any && (is_new || (f.w.notes && hashes_add(&x->notes, f.w.notes))))
		ingest_run(x, w, r);
	if (is_new && f.w.n && x->tally->counted == 0)
		hashes_add(&x->excused, failure_key(&f));
	if (failed && f.w.n && !r->timed_out && ends_as_checked(r->status) && hashes_has(&x->excused, failure_key(&f)))
		failed = is_new = false;
	if (failed) {
		x->result.failures++;
		x->result.timed_out |= r->timed_out && !x->result.failed;
		x->result.failed = true;
		keep_shortest(x, w, &f);
		if (x->stop_at == 0)
			x->stop_at = x->n_started + AFTER_FAILURE;
		if (x->plan->failfast || x->plan->until == UNTIL_BUG)
			x->stopping = true;
	}
	if (is_new)
		say_failure(x, w, r, &f);
	if (f.w.any)
		witness_clear(w->server.dir);
	return is_new;
}

static void
learn(struct explore *x, struct worker *w)
{
	const struct det_schedule *head = server_schedule(&w->server);

	x->search_busy = false;
	w->searching = false;
	if (head->n_infeasible) {
		nondeterministic(x, "the same decisions led elsewhere");
		return;
	}
	switch (head->lost_tape || head->was_cut ? SEARCH_TOO_LARGE : search_learn(x->search, server_tape(&w->server), head->n_tape)) {
	case SEARCH_NONDETERMINISTIC: nondeterministic(x, "the same decisions led elsewhere"); break;
	case SEARCH_TOO_LARGE: x->search_gave_up = true; break;
	default: break;
	}
}

static void
on_result(struct explore *x, struct worker *w)
{
	struct det_serve_result r;
	const struct det_schedule *head = server_schedule(&w->server);
	char how[160];

	if (!server_result(&w->server, &r) || r.pid < 0) {
		fprintf(stderr, "cspcheck: %s: its server has died\n", x->plan->name);
		x->result.status = EX_SOFTWARE;
		x->stopping = true;
		w->started = false;
		return;
	}
	w->busy = false;
	if (w->audits) {
		w->audits = false;
		witness_clear(w->server.dir);
		if (head->hash != w->hash || head->steps != w->steps) {
			snprintf(how, sizeof(how), "schedule %lu of %s, seed 0x%lx, went another way when it was run again (%lu steps, then %lu)", (unsigned long)w->order.index,
				w->order.strategy, (unsigned long)w->order.seed, (unsigned long)w->steps, (unsigned long)head->steps);
			nondeterministic(x, how);
		}
		return;
	}
	x->result.schedules++;
	x->tally->schedules++;
	x->unfair |= head->n_unfair > 0;
	if (head->steps > x->longest)
		x->longest = head->steps;
	if (!hashes_add(&x->classes, head->hb_hash))
		hashes_add(&x->twice, head->hb_hash);
	bool is_new = judge(x, w, &r);
	if (w->searching)
		learn(x, w);
	else if ((is_new || x->result.schedules <= x->plan->audited) && !r.timed_out && !x->stopping) {
		w->audits = true;
		w->hash = head->hash;
		w->steps = head->steps;
		w->busy = server_order(&w->server, &w->order);
	}
}

/* --- what to run next ------------------------------------------------------------------------------------------------- */

static double
residual_risk(const struct explore *x)
{
	size_t once = x->classes.n - x->twice.n;

	return x->result.schedules ? (double)(once ? once : 1) / (double)x->result.schedules : 1;
}

static bool
has_enough(struct explore *x)
{
	const struct explore_plan *plan = x->plan;

	if (x->stopping || x->exhausted || interrupted)
		return true;
	if (x->n_started >= plan->schedules || (plan->for_ns > 0 && child_now_ns() - x->began_ns >= plan->for_ns))
		return true;
	if (x->stop_at && x->n_started >= x->stop_at && plan->until == UNTIL_BUDGET)
		return true;
	return plan->until == UNTIL_RISK && x->result.schedules >= 100 && residual_risk(x) <= plan->risk;
}

static bool
wants_search(const struct explore *x)
{
	if (!x->search || x->search_busy || x->search_gave_up)
		return false;
	return !strcmp(x->plan->strategy, "dfs") || x->plan->until == UNTIL_EXHAUSTED || (x->n_started >= PORTFOLIO_FIXED && x->n_started % 2 == 0);
}

/* Few decisions go into the name, so that a token has them. */
static void
name_search(struct det_serve_order *o, const uint16_t *prefix, uint32_t n)
{
	strcpy(o->strategy, "dfs");
	if (n == 0 || n + sizeof("dfs:") > sizeof(o->strategy))
		return;
	for (uint32_t i = 0; i < n; i++)
		if (prefix[i] >= 36)
			return;
	strcat(o->strategy, ":");
	for (uint32_t i = 0; i < n; i++)
		o->strategy[4 + i] = "0123456789abcdefghijklmnopqrstuvwxyz"[prefix[i]];
	o->strategy[4 + n] = '\0';
}

static void
give_work(struct explore *x, struct worker *w)
{
	struct det_serve_order *o = &w->order;

	*o = (struct det_serve_order){ .seed = x->plan->seed, .max_steps = x->plan->max_steps, .timeout_ns = x->plan->timeout_ns };
	if (wants_search(x)) {
		uint32_t n;
		if (!search_next(x->search, server_prefix(&w->server), &n)) {
			x->exhausted = !x->unfair;
			x->search_gave_up = true;
			give_work(x, w);
			return;
		}
		server_schedule(&w->server)->n_prefix = n;
		name_search(o, server_prefix(&w->server), n);
		o->index = x->result.schedules;
		x->search_busy = w->searching = true;
	} else if (!strcmp(x->plan->strategy, "dfs")) {
		return;
	} else {
		o->index = x->n_sampled++;
		portfolio_strategy(x->plan->strategy, o->index, x->longest, o->strategy);
	}
	if (x->exhausted) /* just learnt */
		return;
	x->n_started++;
	w->busy = server_order(&w->server, o);
}

static void
wait_for_results(struct explore *x, int n)
{
	struct pollfd p[JOBS_MAX];
	int busy = 0;

	for (int i = 0; i < n; i++) {
		bool is_busy = x->workers[i].started && x->workers[i].busy;
		p[i] = (struct pollfd){ .fd = is_busy ? x->workers[i].server.fd : -1, .events = POLLIN };
		busy += is_busy;
	}
	if (busy && poll(p, (nfds_t)n, 1000) > 0)
		for (int i = 0; i < n; i++)
			if (p[i].revents)
				on_result(x, &x->workers[i]);
}

static bool
any_busy(const struct explore *x, int n)
{
	for (int i = 0; i < n; i++)
		if (x->workers[i].started && x->workers[i].busy)
			return true;
	return false;
}

/* Workers beyond the first are started when there is work for them. */
static int
start_worker(struct explore *x, int i)
{
	char *dir;
	int how, error;

	if (asprintf(&dir, "%s/%d", x->plan->work, i) < 0)
		return EX_OSERR;
	error = server_start(&x->workers[i].server, x->plan->program, x->plan->argv, dir, &how);
	free(dir);
	if (error == 0) {
		x->workers[i].started = true;
		return 0;
	}
	if (error < 0)
		fprintf(stderr, "cspcheck: %s: its schedules cannot be ours: it does not use libcsprt, or starts goroutines or threads before main\n", x->plan->name);
	else
		fprintf(stderr, "cspcheck: cannot run %s: %s\n", x->plan->name, strerror(error));
	server_stop(&x->workers[i].server);
	return error == ENOENT ? STATUS_NOT_FOUND : error == EACCES || error == ENOEXEC ? STATUS_NOT_EXECUTABLE : EX_UNAVAILABLE;
}

static int
explore(struct explore *x)
{
	int n = x->plan->jobs > JOBS_MAX ? JOBS_MAX : x->plan->jobs, status = 0;

	for (int i = 0; i < n && status == 0; i++)
		status = start_worker(x, i);
	while (status == 0) {
		for (int i = 0; i < n; i++)
			if (x->workers[i].started && !x->workers[i].busy && !has_enough(x))
				give_work(x, &x->workers[i]);
		if (!any_busy(x, n))
			break;
		wait_for_results(x, n);
	}
	return status;
}

/* --- the end ---------------------------------------------------------------------------------------------------------- */

static void
say_result(const struct explore *x)
{
	const struct explore_result *r = &x->result;

	fprintf(stderr, "%s %s: %lu schedule%s, %zu classes", r->failed ? "FAIL" : r->nondeterministic ? "???? " : "ok  ", x->plan->name, (unsigned long)r->schedules,
		r->schedules == 1 ? "" : "s", x->classes.n);
	if (r->failures)
		fprintf(stderr, ", %lu failed", (unsigned long)r->failures);
	if (x->exhausted)
		fprintf(stderr, ", exhausted");
	else if (!r->failed)
		fprintf(stderr, ", residual risk %.2g %%", 100 * residual_risk(x));
	if (r->cut)
		fprintf(stderr, ", %lu cut off after %lu steps", (unsigned long)r->cut, (unsigned long)x->plan->max_steps);
	fprintf(stderr, "; %.1f s\n", r->seconds);
	if (x->losses)
		fprintf(stderr, "cspcheck: %s: precision was given up %lu times; races may have been missed\n", x->plan->name, (unsigned long)x->losses);
}

static void
shorten(struct explore *x)
{
	char *path;

	if (!x->has_first || x->result.timed_out || !x->workers[0].started || x->workers[0].busy || x->shortest.head.lost_deviations)
		return;
	unsigned runs = shrink_schedule(&x->workers[0].server, &x->shortest, &x->first, x->plan->max_steps, x->plan->timeout_ns);
	if (!x->plan->save_dir)
		return;
	mkdir(x->plan->save_dir, 0777);
	const char *base = strrchr(x->plan->name, '/');
	if (asprintf(&path, "%s/%s.cspr", x->plan->save_dir, base ? base + 1 : x->plan->name) < 0)
		return;
	FILE *f = fopen(path, "we");
	if (f && schedule_write(&x->shortest, f) == 0 && fflush(f) == 0)
		fprintf(stderr, "  shortened in %u runs to %u preemption%s: cspcheck replay %s %s\n", runs, x->shortest.head.n_preemptions,
			x->shortest.head.n_preemptions == 1 ? "" : "s", path, x->plan->name);
	else
		fprintf(stderr, "cspcheck: cannot write %s: %s\n", path, strerror(errno));
	if (f)
		fclose(f);
	free(path);
}

struct explore_result
explore_target(struct tally *t, const struct explore_plan *plan)
{
	struct explore x = { .tally = t, .plan = plan, .began_ns = child_now_ns() };
	struct sigaction old, act = { .sa_handler = on_interrupt };

	x.workers = calloc((size_t)plan->jobs, sizeof(*x.workers));
	if (!strcmp(plan->strategy, "auto") || !strcmp(plan->strategy, "dfs") || plan->until == UNTIL_EXHAUSTED)
		x.search = search_create();
	if (!x.workers || mkdir(plan->work, 0700) < 0) {
		fprintf(stderr, "cspcheck: cannot make a directory %s: %s\n", plan->work, strerror(errno));
		x.result.status = EX_CANTCREAT;
		free(x.workers);
		search_destroy(x.search);
		return x.result;
	}
	sigaction(SIGINT, &act, &old);
	int status = explore(&x);
	if (status)
		x.result.status = status;
	else
		shorten(&x);
	sigaction(SIGINT, &old, NULL);
	x.result.seconds = (double)(child_now_ns() - x.began_ns) / 1e9;
	x.result.classes = x.classes.n;
	if (!x.result.status)
		say_result(&x);
	for (int i = 0; i < plan->jobs; i++)
		if (x.workers[i].server.dir)
			server_stop(&x.workers[i].server);
	free(x.workers);
	search_destroy(x.search);
	hashes_finish(&x.classes);
	hashes_finish(&x.twice);
	hashes_finish(&x.failures);
	hashes_finish(&x.notes);
	hashes_finish(&x.excused);
	schedule_finish(&x.shortest);
	return x.result;
}
