"""Forced schedules, replays and `cspcheck test`, on real programs. CSPCHECK_TEST_REPLAYS=10000: so many runs repeated (200 otherwise)."""
import re

from harness import *

HEAD = "#define CSP_SHORT_NAMES\n#include <csp.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <time.h>\n"
ABBA = HEAD + """
static csp_mutex a, b;
static void one(csp_waitgroup *wg) { csp_mutex_lock(&a); csp_mutex_lock(&b); csp_mutex_unlock(&b); csp_mutex_unlock(&a); csp_wg_done(wg); }
static void two(csp_waitgroup *wg) { csp_mutex_lock(&b); csp_mutex_lock(&a); csp_mutex_unlock(&a); csp_mutex_unlock(&b); csp_wg_done(wg); }
int main(void) { csp_waitgroup wg = { 0 }; csp_wg_add(&wg, 2); go(one, &wg); go(two, &wg); csp_wg_wait(&wg); return 0; }
"""
# Passes but for the schedules in which the second reads between the first's two additions: status 7.
HALF = HEAD + """
static csp_mutex m;
static int n, seen;
static void add(void) { csp_mutex_lock(&m); n++; csp_mutex_unlock(&m); }
static void first(csp_waitgroup *wg) { add(); add(); csp_wg_done(wg); }
static void second(csp_waitgroup *wg) { csp_mutex_lock(&m); seen = n; csp_mutex_unlock(&m); csp_wg_done(wg); }
int main(void) {
	csp_waitgroup wg = { 0 };
	csp_wg_add(&wg, 2);
	go(first, &wg); go(second, &wg);
	csp_wg_wait(&wg);
	return seen == 1 ? 7 : 0;
}
"""
THREE_ADD = HEAD + """
static csp_mutex m;
static int n;
static void add(csp_waitgroup *wg) { csp_mutex_lock(&m); n++; csp_mutex_unlock(&m); csp_wg_done(wg); }
int main(void) { csp_waitgroup wg = { 0 }; csp_wg_add(&wg, 2); go(add, &wg); go(add, &wg); csp_wg_wait(&wg); return n != 2; }
"""
# Sleepers, selects, timers, a spinner on an atomic and a yielding loop: all that a policy has to rule, and virtual time: an hour of sleep.
MIXED = HEAD + """
#include <stdatomic.h>
static _Atomic int flag;
static csp_cond ready; static csp_mutex m; static int stage;
static void sleeper(chan(int) out, int n) { csp_sleep(n * 3600 * CSP_SECOND); chan_send(out, n); }
static void spinner(csp_waitgroup *wg) { while (!atomic_load(&flag)) ; csp_wg_done(wg); }
static void yielder(csp_waitgroup *wg) { while (!atomic_load(&flag)) csp_yield(); csp_wg_done(wg); }
static void waiter(csp_waitgroup *wg) { csp_mutex_lock(&m); while (stage == 0) csp_cond_wait(&ready, &m); csp_mutex_unlock(&m); csp_wg_done(wg); }
static void fired(void *p) { atomic_store(&flag, 1); }
int main(void) {
	csp_waitgroup wg = { 0 };
	chan(int) out = make_chan(int, 1);
	int64_t began = csp_now_ns();
	csp_timer *t = csp_timer_func(CSP_SECOND, fired, NULL);
	csp_wg_add(&wg, 5);
	go(spinner, &wg); go(yielder, &wg); go(waiter, &wg); go(waiter, &wg); go(waiter, &wg);
	for (int i = 0; i < 4; i++) go(sleeper, out, 1 + i % 2);
	csp_mutex_lock(&m); stage = 1; csp_cond_broadcast(&ready); csp_mutex_unlock(&m);
	int sum = csp_choose(5), v;
	for (int i = 0; i < 4; i++)
		switch (choose(CSP_ON_RECV(out, &v), CSP_ON_AFTER(24 * 3600 * CSP_SECOND))) {
		case 0: sum = sum * 3 + v; break;
		default: return 3;
		}
	csp_wg_wait(&wg);
	csp_timer_free(t);
	printf("%d %lld\\n", sum, (long long)((csp_now_ns() - began) / CSP_SECOND));
	chan_close(out);
	return 0;
}
"""
CLOCK = HEAD + """
static void w(csp_waitgroup *wg) { csp_wg_done(wg); }
int main(void) {
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	csp_waitgroup wg = { 0 };
	for (int i = 0, n = ts.tv_nsec / 1000 % 7; i < n; i++) { csp_wg_add(&wg, 1); go(w, &wg); }
	csp_wg_wait(&wg);
	return 0;
}
"""


class Explore(Case):
	def compiled(self, text, name="t"):
		self.write(name + ".c", text)
		self.run_cspcheck("cc", "-g", "-O1", "-o", name, name + ".c")
		return "./" + name

	def read(self, name):
		with open(self.path(name)) as f:
			return f.read()

	def token(self, text):
		return re.search(r"cspcheck replay (csp1-\S+) ", text).group(1)


class Replay(Explore):
	def test_a_forced_schedule_is_the_same_each_time(self):
		p = self.compiled(MIXED)
		seen = {}
		for schedule in ("random", "pos", "pct:3", "delay:2", "rr", "rev", "fifo", "lifo"):
			texts = []
			for i in range(2):
				self.run_cspcheck("run", "--no-db", "--schedule", schedule, "--seed", "9", "--save-schedule", "s.cspr", p)
				texts.append(self.read("s.cspr"))
			self.assertEqual(texts[0], texts[1])
			seen[schedule] = texts[0]
		self.assertGreater(len(set(re.search(r"^hash .*", t, re.M).group() for t in seen.values())), 5)

	def test_virtual_time_takes_none(self):
		r = self.run_cspcheck("run", "--no-db", "--schedule", "random", "--seed", "3", self.compiled(MIXED))
		self.assertRegex(r.stdout, r"^\d+ 7200\n")

	def test_token_and_file_replay_exactly(self):
		p = self.compiled(ABBA)
		for seed in range(1, 40):
			r = self.run_cspcheck("run", "--no-db", "--schedule", "random", "--seed", str(seed), p, status=None)
			if r.returncode == 68:
				break
		self.assertEqual(r.returncode, 68)
		for args in (("--save-schedule", "s.cspr", self.token(r.stderr)), ("s.cspr",)):
			again = self.run_cspcheck("replay", "--no-db", *args, p, status=68)
			self.assertIn("replay: EXACT", again.stderr)
			self.assertIn("CSP2002", again.stderr)

	def test_what_cannot_be_followed_is_said(self):
		p = self.compiled(HALF)
		r = self.run_cspcheck("run", "--no-db", "--schedule", "rr", "--seed", "1", "--save-schedule", "s.cspr", p, status=None)
		text = self.read("s.cspr")
		self.assertIn(" 1.2 ", text)
		self.write("gone.cspr", re.sub(r"^(pick \d+ \S+ \d+) 1\.2 ", r"\1 1.7 ", text, flags=re.M))
		self.assertIn("INFEASIBLE at step", self.run_cspcheck("replay", "--no-db", "gone.cspr", p, status=3).stderr)
		# Another program under the same schedule.
		other = self.compiled(HALF.replace("add(); add();", "add(); add(); add();"), "other")
		self.assertRegex(self.run_cspcheck("replay", "--no-db", "s.cspr", other, status=None).stderr, "replay: (DRIFTED|INFEASIBLE|SAME-HB)")
		# An edit that no goroutine waits in.
		edited = self.compiled(HALF.replace("return seen", 'puts("edited"); return seen'), "edited")
		self.assertIn("replay: EXACT", self.run_cspcheck("replay", "--no-db", "s.cspr", edited, status=r.returncode).stderr)

	def test_no_schedule_is_refused(self):
		p = self.compiled(ABBA)
		for text, says in (("", "the end is missing"), ("cspr 2\nend\n", "no schedule of a version"), ("cspr 1\nfoo\nend\n", "line 2"), ("cspr 1\nsteps 5\n", "the end is missing"),
		                   ("cspr 1\npick 1 1 0 1.1 lock 2 0\nend\n", "line 2"), ("cspr 1\npick 1 2 1 1.1 lock 2 0\nend\n", "line 2")):
			self.write("bad.cspr", text)
			self.assertIn(says, self.run_cspcheck("replay", "--no-db", "bad.cspr", p, status=65).stderr)
		self.run_cspcheck("replay", "--no-db", "csp1-random-1-0", p, status=65)
		self.run_cspcheck("run", "--no-db", "--schedule", "fair", p, status=64)


class Test(Explore):
	def test_a_deadlock_is_found_named_shortened_and_replayed(self):
		p = self.compiled(ABBA)
		r = self.run_cspcheck("test", "--seed", "5", "--schedules", "60", p, status=1)
		self.assertEqual(len(re.findall(r"^CSP2002", r.stderr, re.M)), 1)
		self.assertRegex(r.stderr, r"FAIL \./t: \d+ schedules, .* failed")
		self.assertIn("1 target, 1 failed", r.stderr.strip().split("\n")[-1])
		self.assertIn("to 1 preemption:", r.stderr)
		again = self.run_cspcheck("replay", "--no-db", ".cspcheck/schedules/t.cspr", p, status=68)
		self.assertIn("EXACT", again.stderr)
		self.assertIn("EXACT", self.run_cspcheck("replay", "--no-db", self.token(r.stderr), p, status=68).stderr)
		self.assertEqual(len(self.sql("SELECT * FROM issue WHERE rule = 2002")), 1)    # and the order of the locks, as a prediction

	def test_races_are_found_and_nothing_is_given_up(self):
		racy = self.compiled(THREE_ADD.replace("csp_mutex_lock(&m); n++; csp_mutex_unlock(&m);", "n++;"), "racy")
		r = self.run_cspcheck("test", "--no-db", "--seed", "1", "--schedules", "20", racy, status=1)
		self.assertEqual(len(re.findall(r"^CSP1001", r.stderr, re.M)), 1)
		r = self.run_cspcheck("test", "--no-db", "--seed", "1", "--schedules", "20", self.compiled(THREE_ADD))
		self.assertNotIn("precision", r.stderr)

	def test_a_failing_status_is_a_failure(self):
		r = self.run_cspcheck("test", "--no-db", "--seed", "1", "--until", "bug", self.compiled(HALF), status=1)
		self.assertIn("exit status 7", r.stderr)
		self.assertIn("0 new", r.stderr)

	def test_exhausted_is_said_when_it_is(self):
		r = self.run_cspcheck("test", "--no-db", "--seed", "1", "--schedules", "5000", "--until", "exhausted", self.compiled(THREE_ADD))
		self.assertRegex(r.stderr, r"ok   \./t: \d+ schedules, \d+ classes, exhausted;")
		r = self.run_cspcheck("test", "--no-db", "--seed", "1", "--schedules", "3", self.compiled(THREE_ADD))
		self.assertIn("residual risk", r.stderr)

	def test_repeated_runs_are_identical(self):
		n = os.environ.get("CSPCHECK_TEST_REPLAYS", "200")
		r = self.run_cspcheck("test", "--no-db", "--seed", "1", "--schedules", n, "--audit", n, "--for", "1h", self.compiled(MIXED), status=0)
		self.assertIn(f"ok   ./t: {n} schedules", r.stderr)

	def test_what_no_schedule_rules_is_noticed(self):
		r = self.run_cspcheck("test", "--no-db", "--seed", "1", self.compiled(CLOCK), status=3)
		self.assertIn("not deterministic", r.stderr)

	def test_baselines_and_suppressions_count(self):
		p = self.compiled(ABBA)
		r = self.run_cspcheck("test", "--no-db", "--seed", "5", "--schedules", "20", p, status=1)
		self.write("cspcheck-suppressions.txt", re.search(r"suppress: +(.*)", r.stderr).group(1) + "\n")
		r = self.run_cspcheck("test", "--no-db", "--seed", "5", "--schedules", "20", p)
		self.assertIn("1 suppressed", r.stderr)
		self.assertIn("ok   ./t", r.stderr)

	def test_which_targets(self):
		self.compiled(THREE_ADD, "a_test"), self.compiled(THREE_ADD, "b_test")
		r = self.run_cspcheck("test", "--list", "--skip", "^./b", "./a_test", "./b_test")
		self.assertEqual(r.stdout, "./a_test\n")
		self.run_cspcheck("test", "--run", "c_test", "./a_test", status=4)
		self.run_cspcheck("test", "--until", "dawn", "./a_test", status=64)
		self.run_cspcheck("test", "--no-db", "./missing", status=127)
		self.write("plain.c", "int main(void) { return 0; }\n")
		self.run_cspcheck("test", "--no-db", "plain.c", status=69)

	def test_time_limit(self):
		p = self.compiled(HEAD + "int main(void) { csp_yield(); for (volatile int i = 0; ; i++) ; }\n")
		r = self.run_cspcheck("test", "--no-db", "--seed", "1", "--timeout", "300ms", "--failfast", "--jobs", "1", p, status=124)
		self.assertIn("time limit", r.stderr)
		p = self.compiled(HEAD + "int main(void) { for (;;) csp_sleep(1); }\n")
		r = self.run_cspcheck("test", "--no-db", "--seed", "1", "--max-steps", "1000", "--schedules", "8", p)
		self.assertIn("8 cut off after 1000 steps", r.stderr)


if __name__ == "__main__":
	unittest.main()
