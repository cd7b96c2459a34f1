"""What is read from the database: leak groups, filters, graphs, differences; and that a database outlives a killed cspcheck."""
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
import unittest

import records
from harness import Case

KNOT = """#include <csp.h>
static struct { int n; csp_mutex left, right; } table;
static csp_waitgroup both;
static void one(void) { csp_mutex_lock(&table.left); csp_wg_done(&both); csp_wg_wait(&both); csp_mutex_lock(&table.right); }
static void other(void)
{
	csp_mutex_lock(&table.right);
	csp_wg_done(&both);
	csp_wg_wait(&both);
	csp_mutex_lock(&table.left);
}
int main(void)
{
	csp_wg_add(&both, 2);
	csp_go(one);
	csp_go(other);
	csp_sleep(5 * CSP_SECOND);
	return 0;
}
"""


class Reports(Case):
	def leaks(self, *args):
		return json.loads(self.run_cspcheck("leaks", "--format", "json", *args).stdout)

	def test_leaks_are_grouped_by_site_creator_object(self):
		other = dict(op="chan receive", parts=[{**records.leak()["parts"][0], "op": "chan receive", "pcs": ["0x402000"]}])
		self.fake(records.hello(0), *[records.leak(n=i, gid=10 + i) for i in range(1, 6)], records.leak(n=7, gid=30, **{k: v for k, v in other.items() if k != "op"}),
			{**records.leak(n=8, gid=31), "rule": 3002, "proof": "L", "gate": False, "parts": [{**records.leak()["parts"][0], "pcs": ["0x403000"]}]})
		self.run_cspcheck("run", "./fake", status=67)
		groups = self.leaks()["groups"]
		self.assertEqual([g["goroutines"] for g in groups], [5, 1])
		self.assertEqual([g["goroutines"] for g in self.leaks("--by", "creator")["groups"]], [6])
		self.assertEqual(self.leaks("--by", "object")["groups"][0]["issue_count"], 2)
		self.assertEqual(len(self.leaks("--top", "1")["groups"]), 1)
		self.assertEqual([g["goroutines"] for g in self.leaks("--notes")["groups"]], [5, 1, 1])
		self.assertEqual(self.leaks("--match", "no such place")["groups"], [])
		text = self.run_cspcheck("leaks").stdout
		for word in ["5 goroutines", "for up to 1.5 s", "chan send", "cspcheck report show"]:
			self.assertIn(word, text)
		for bad in [("--by", "colour"), ("--top", "0"), ("--top", "x"), ("word",)]:
			self.run_cspcheck("leaks", *bad, status=64)

	def test_lists_are_filtered(self):
		self.fake(records.hello(0), records.race(), records.leak(n=2))
		self.run_cspcheck("run", "./fake", status=66)
		listed = lambda *a: sorted(i["rule"] for i in json.loads(self.run_cspcheck("report", "list", "--format", "json", *a).stdout)["issues"])
		self.assertEqual(listed(), ["CSP1001", "CSP3001"])
		self.assertEqual(listed("--rule", "CSP1*"), ["CSP1001"])
		self.assertEqual(listed("--rule", "3001"), ["CSP3001"])
		self.assertEqual(listed("--proof", "P3"), ["CSP3001"])
		self.assertEqual(listed("--match", "leak"), ["CSP3001"])
		self.assertEqual(len(listed("--top", "1")), 1)
		self.run_cspcheck("run", "/bin/true")
		self.assertEqual(listed("--last"), [])

	def test_diff_of_sessions_and_databases(self):
		self.fake(records.hello(0), records.race(), records.leak(n=2))
		self.run_cspcheck("run", "./fake", status=66)
		self.fake(records.hello(0), records.leak(n=1), records.deadlock(n=2, parts=records.leak()["parts"]))
		self.run_cspcheck("run", "./fake", status=68)
		doc = json.loads(self.run_cspcheck("diff", "last-1", "last", "--format", "json").stdout)
		self.assertEqual({k: [i["rule"] for i in doc[k]] for k in ("new", "fixed", "unchanged")}, {"new": ["CSP2001"], "fixed": ["CSP1001"], "unchanged": ["CSP3001"]})
		shutil.copytree(self.path(".cspcheck"), self.path("before"))
		text = self.run_cspcheck("diff", "before/results.db", ".cspcheck/results.db").stdout
		self.assertIn("new: 0\nfixed: 0\nunchanged: 3\n", text)
		self.run_cspcheck("diff", "1", status=64)
		self.assertIn("no session '9'", self.run_cspcheck("diff", "1", "9", status=64).stderr)

	def test_graph_is_read_by_graphviz(self):
		self.write("knot.c", KNOT)
		r = self.run_cspcheck("run", "knot.c", status=68)
		for sentence in ["holds `table.left` (locked at knot.c:4) and waits to lock `table.right`", "in one order everywhere", "proof:       P1"]:
			self.assertIn(sentence, " ".join(r.stderr.split()) if "\n" not in sentence and "proof" not in sentence else r.stderr)
		for line in r.stderr.split("CSP2002", 1)[1].splitlines():
			if not re.match(r"\s+(#|>? *\d+ \||run again)", line):
				self.assertLessEqual(len(line), 100, line)
		graph = self.run_cspcheck("report", "show", "1", "--format", "dot").stdout
		self.assertEqual(graph.count("color=red"), 4)
		self.assertEqual(self.run_cspcheck("deadlocks", "--format", "dot").stdout, graph)
		if not shutil.which("dot"):
			self.skipTest("no graphviz here: the graph was written, not read back")
		plain = subprocess.run(["dot", "-Tplain"], input=graph, capture_output=True, text=True)
		self.assertEqual((plain.returncode, plain.stderr), (0, ""))
		self.assertEqual(len(re.findall(r"^node ", plain.stdout, re.M)), 4)
		self.assertEqual(len(re.findall(r"^edge ", plain.stdout, re.M)), 4)

	def test_killed_at_any_moment_the_database_stays(self):
		seed = random.randrange(1 << 30)
		chance = random.Random(seed)
		self.fake(records.hello(0), *[records.race(n=i, pc=hex(0x401000 + 16 * i)) for i in range(1, 400)])
		for _ in range(8):
			p = self.start("run", "-q", "./fake")
			time.sleep(chance.uniform(0.02, 0.6))   # any moment will do; nothing depends on which
			p.send_signal(signal.SIGKILL)
			p.wait()
			if os.path.exists(self.path(".cspcheck/results.db")):
				self.assertEqual(self.sql("PRAGMA integrity_check"), [("ok",)], f"seed {seed}")
				self.assertEqual(self.sql("SELECT count(*) FROM report WHERE id NOT IN (SELECT report_id FROM report_part)"), [(0,)], f"seed {seed}: half a report")
				self.run_cspcheck("report", "list", "--top", "3")
		self.run_cspcheck("run", "-q", "./fake", status=66)
		self.assertEqual(self.sql("SELECT count(*) FROM issue"), [(399,)])

	def test_output_that_cannot_be_written(self):
		self.fake(records.hello(0), records.race())
		self.run_cspcheck("run", "./fake", status=66)
		for command in [("report", "list"), ("leaks",), ("diff", "last", "last")]:
			self.run_cspcheck(*command, "-o", "no/such/dir/x", status=73)
			if os.path.exists("/dev/full"):
				self.run_cspcheck(*command, "-o", "/dev/full", status=74)


if __name__ == "__main__":
	unittest.main()
