"""Suppressions and baselines: what is new, known, suppressed; the files' own mistakes; fingerprints that outlive edits."""
import datetime
import json
import os
import unittest

from harness import Case


RACE = """#include <csp.h>
%s
static int counter;
static void add(csp_waitgroup *wg)
{
	counter++;
	csp_wg_done(wg);
}
int main(void)
{
	csp_waitgroup wg = { 0 };
	csp_wg_add(&wg, 2);
	csp_go(add, &wg);
	csp_go(add, &wg);
	csp_wg_wait(&wg);
	return 0;
}
"""


class Filter(Case):
	def program(self, above="", name="prog.c"):
		return self.write(name, RACE % above)

	def build(self):
		self.program()
		self.run_cspcheck("cc", "-g", "prog.c", "-o", "prog")

	def read(self, name):
		with open(self.path(name)) as f:
			return f.read()

	def race_run(self, *args, status=66):
		return self.run_cspcheck("run", *args, "./prog" if os.path.exists(self.path("prog")) else "prog.c", status=status)

	def test_baseline_makes_a_race_known_across_edits(self):
		self.program()
		self.race_run()
		self.run_cspcheck("baseline", "create")
		lines = self.read("cspcheck-baseline.jsonl").splitlines()
		entry = json.loads(lines[0])
		self.assertEqual((len(lines), entry["rule"], entry["site"].split(":")[0]), (1, "CSP1001", "prog.c"))
		# Twenty lines and another function above: the same mistake.
		self.program("\n" * 20 + "static int other(int x) { return x + 1; }\nint use(void);\nint use(void) { return other(3); }")
		r = self.race_run(status=0)
		self.assertIn("0 new, 1 known, 0 suppressed", self.summary(r))
		self.assertNotIn("data race", r.stderr)
		r = self.race_run("--fail-on=any")
		self.assertIn("data race on counter", r.stderr)
		r = self.race_run("--format", "json", "-o", "out.json", status=0)
		doc = json.loads(self.read("out.json"))
		self.assertEqual((doc["summary"]["known"], doc["findings"][0]["standing"]), (1, "known"))
		# Another variable is another mistake.
		self.write("prog.c", (RACE % "").replace("counter", "total"))
		self.assertIn("1 new (1 race), 0 known", self.summary(self.race_run()))
		self.assertIn("1 new", self.run_cspcheck("baseline", "update").stderr)
		self.assertEqual(len(self.run_cspcheck("baseline", "show").stdout.splitlines()), 2)
		self.race_run(status=0)

	def test_baseline_prune_waits_for_quiet_sessions(self):
		self.program()
		self.race_run()
		self.run_cspcheck("baseline", "create")
		self.assertIn("nothing is dropped", self.run_cspcheck("baseline", "prune").stderr)
		for _ in range(2):
			self.run_cspcheck("run", "/bin/true")
		self.assertIn("0 dropped", self.run_cspcheck("baseline", "prune", "--quiet-sessions", "3").stderr)
		r = self.run_cspcheck("baseline", "prune", "--quiet-sessions", "2")
		self.assertIn("dropped CSP1001 data race on counter", r.stdout)
		self.assertIn("nothing is in", self.run_cspcheck("baseline", "show").stdout)

	def test_baseline_create_does_not_overwrite(self):
		self.program()
		self.race_run()
		self.run_cspcheck("baseline", "create")
		self.assertIn("--force", self.run_cspcheck("baseline", "create", status=73).stderr)
		self.run_cspcheck("baseline", "create", "--force")
		os.chmod(self.dir, 0o555)
		if os.getuid() != 0:
			self.run_cspcheck("baseline", "create", "--force", status=73)

	def test_bad_files_name_line_and_mend(self):
		self.build()
		for name, text, words in [("cspcheck-baseline.jsonl", "\n{]\n", [":2:", "delete the line"]), ("cspcheck-baseline.jsonl", "<<<<<<< a\n", [":1:", "merge conflict"]),
			("cspcheck-baseline.jsonl", '{"fp":"12"}\n', [":1:", "fingerprint"]), ("cspcheck-suppressions.txt", "race:a\nrcae:x\n", [":2:", "did you mean race:"]),
			("cspcheck-suppressions.txt", "just text\n", [":1:", "kind:pattern"]), ("cspcheck-suppressions.txt", "race:\n", [":1:", "nothing to match"]),
			("cspcheck-suppressions.txt", "race:x # until=tomorrow\n", [":1:", "YYYY-MM-DD"]), ("cspcheck-suppressions.txt", 'race:x # reason="a\n', [":1:", 'close it with "']),
			("cspcheck-suppressions.txt", "fp:12\n", [":1:", "8 of its digits"])]:
			self.write(name, text)
			r = self.race_run(status=65)
			self.assertEqual(len(r.stderr.splitlines()), 1, r.stderr)
			for word in [name, *words]:
				self.assertIn(word, r.stderr)
			os.remove(self.path(name))
		self.assertIn("nowhere.txt", self.race_run("--suppressions", "nowhere.txt", status=65).stderr)
		self.assertIn("nowhere.jsonl", self.race_run("--baseline", "nowhere.jsonl", status=65).stderr)

	def test_suppressions_match_in_every_way(self):
		self.build()
		for rule in ["race:add", "race:^add$", "race:a*d", "race:prog.c", "race:counter", "race_top:add", "object:counter", "created_by:main", "rule:CSP1001", "rule:CSP1*"]:
			self.write("s.txt", "# comment\n\n" + rule + "   # statistics only\n")
			r = self.race_run("--suppressions", "s.txt", status=0)
			self.assertIn("0 new, 0 known, 1 suppressed", self.summary(r), rule)
			self.assertNotIn("matched nothing", r.stderr)
		for rule in ["race:^dd", "race:ad$", "race:nothing", "leak:add", "deadlock:add", "mutex:add", "misuse:add", "rule:CSP1002", "fp:0123456789abcdef", "signal:add", "wait:chan"]:
			self.write("s.txt", rule + "\n")
			r = self.race_run("--suppressions", "s.txt")
			self.assertIn("line 1 (" + rule + ")", r.stderr)

	def test_expired_suppression_is_told_and_does_not_hold(self):
		self.build()
		yesterday = datetime.date.today() - datetime.timedelta(days=2)
		self.write("cspcheck-suppressions.txt", f'race:add # reason="later" until={yesterday}\n')
		self.assertIn(f"expired on {yesterday}", self.race_run().stderr)
		self.write("cspcheck-suppressions.txt", f"race:add # until={datetime.date.today() + datetime.timedelta(days=2)}\n")
		self.race_run(status=0)

	def test_suppress_command_makes_lines_that_hold(self):
		self.build()
		self.race_run()
		line = self.run_cspcheck("suppress", "1", "--reason", "why not", "--until", "2099-01-01").stdout
		self.assertEqual(len(line.splitlines()), 1)
		for args in [(), ("--exact",), ("--exact", "--reason", "one only")]:
			self.write("s.txt", "")
			self.run_cspcheck("suppress", "1", "--append", "--suppressions", "s.txt", *args)
			self.assertIn("1 suppressed", self.summary(self.race_run("--suppressions", "s.txt", status=0)))
		self.assertIn("no issue '99'", self.run_cspcheck("suppress", "99", status=64).stderr)
		self.run_cspcheck("suppress", status=64)
		self.run_cspcheck("suppress", "1", "--until", "soon", status=64)


if __name__ == "__main__":
	unittest.main()
