"""Every rule is explained, and the examples are true: each shows its rule, and mended shows nothing."""
import json
import re
import unittest

from harness import Case

STATUS = {"1": 66, "2": 68, "3": 67, "4": 68, "5": 68}
NOTES = {"CSP2005", "CSP3002", "CSP3003"}
OPTIONS = {"CSP3003": ["--suspects=on", "--leak-interval=20ms"], "CSP5002": ["--timeout=1s"]}


class Explain(Case):
	def test_every_rule_of_the_reports_is_explained(self):
		listed = re.findall(r"^CSP(\d+)  \S", self.run_cspcheck("explain").stdout, re.M)
		with open(__file__.replace("tests/cli/test_explain.py", "tools/finding/rules.c")) as f:
			self.assertEqual(len(listed), len(re.findall(r"^\t\{ DET_", f.read(), re.M)))
		for rule in listed:
			text = self.run_cspcheck("explain", rule).stdout
			for word in ["CSP" + rule, "Mend it:", "MENDED", "#include <csp.h>"]:
				self.assertIn(word, text)
			self.assertLessEqual(max(len(line) for line in text.split("\n\nAn example")[0].splitlines()), 80)
		self.assertIn("no rule 'CSP9999'", self.run_cspcheck("explain", "CSP9999", status=64).stderr)

	def test_examples_show_their_rule_and_mended_show_nothing(self):
		for rule in ["CSP" + r for r in re.findall(r"^CSP(\d+)", self.run_cspcheck("explain").stdout, re.M)]:
			with self.subTest(rule):
				self.write("prog.c", self.run_cspcheck("explain", rule, "--example").stdout)
				args = ["run", *OPTIONS.get(rule, []), "--no-db", "--format", "json", "-o", "out.json", "prog.c"]
				r = self.run_cspcheck(*args, status=None, env={"CFLAGS": "-g -Wall -Wextra -Werror -Wno-infinite-recursion"})
				with open(self.path("out.json")) as f:
					doc = json.load(f)
				self.assertEqual({f["rule"] for f in doc["findings"]} - ({"CSP3002"} if rule == "CSP5002" else set()), {rule}, r.stderr)
				self.assertEqual(r.returncode, 0 if rule in NOTES else 124 if rule == "CSP5002" else STATUS[rule[3]], r.stderr)
				r = self.run_cspcheck(*args, status=None, env={"CFLAGS": "-g -Wall -Wextra -Werror -DMENDED"})
				with open(self.path("out.json")) as f:
					self.assertEqual(json.load(f)["findings"], [], r.stderr)
				self.assertEqual(r.returncode, 0, r.stderr)


if __name__ == "__main__":
	unittest.main()
