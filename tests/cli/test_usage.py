"""Wrong command lines: one clear line, the right status, nothing run."""
from harness import *


class Usage(Case):
	def refused(self, *args, status=64, says=""):
		r = self.run_cspcheck(*args, status=status)
		self.assertEqual(r.stdout, "")
		self.assertIn(says, r.stderr)
		return r

	def test_no_command(self):
		self.refused(says="no command given")

	def test_unknown_command(self):
		self.refused("rum", says="no command 'rum'")

	def test_wrong_flags(self):
		for args, says in ((("run", "--foo"), "--foo"), (("run",), "no program"), (("run", "--race=maybe", "a.c"), "--race is one of"),
		                   (("run", "--timeout", "soon", "a.c"), "--timeout wants"), (("run", "--timeout", "-1s", "a.c"), "--timeout wants"),
		                   (("run", "--procs", "0", "a.c"), "--procs"), (("run", "--seed", "1x", "a.c"), "--seed"), (("run", "--format", "xml", "a.c"), "--format is"),
		                   (("run", "--color", "blue", "a.c"), "--color is"), (("run", "--fail-on", "o", "a.c"), "--fail-on"), (("report", "sing"), "list or show"),
		                   (("report", "show"), "one ID"), (("races", "x"), "no arguments"), (("db", "drop"), "info"), (("version", "x"), "no arguments")):
			with self.subTest(args=args):
				self.refused(*args, says=says)

	def test_bad_environment_is_refused_like_the_flag(self):
		r = self.run_cspcheck("run", "a.c", status=64, env={"CSPCHECK_FORMAT": "xml"})
		self.assertIn("--format is", r.stderr)

	def test_environment_sets_what_the_flag_sets(self):
		self.fake(records.hello(0), records.race())
		self.run_cspcheck("run", "./fake", status=66, env={"CSPCHECK_DB": "other.db"})
		self.assertTrue(os.path.exists(self.path("other.db")))
		self.run_cspcheck("run", "--db", "third.db", "./fake", status=66, env={"CSPCHECK_DB": "other.db"})
		self.assertEqual(len(self.sql("SELECT * FROM session", "other.db")), 1)
		self.run_cspcheck("run", "./fake", status=66, env={"CSPCHECK_NO_DB": "1"})
		self.assertFalse(os.path.exists(self.path(".cspcheck")))

	def test_help_of_every_command(self):
		r = self.run_cspcheck("--help")
		for line in r.stdout.split("\n"):
			words = line.split()
			if line.startswith("  ") and words and words[0] != "cspcheck" and words[0] not in ("CC=\"cspcheck", "cc", "c++"):
				self.assertIn("Usage: cspcheck", self.run_cspcheck(words[0], "--help").stdout)
		self.assertIn("Examples:", self.run_cspcheck("run", "--help").stdout)

	def test_version(self):
		self.assertRegex(self.run_cspcheck("version").stdout, r"^cspcheck \d+\.\d+\.\d+ ")
		self.assertEqual(json.loads(self.run_cspcheck("version", "--json").stdout)["name"], "cspcheck")


class Targets(Case):
	def test_missing_source_and_program(self):
		for name in ("no.c", "./no", "no-such-program-anywhere"):
			r = self.run_cspcheck("run", name, status=127)
			self.assertIn("No such file", r.stderr)
			self.assertEqual(r.stderr.count("\n"), 1)

	def test_not_executable(self):
		self.write("data", "text")
		self.assertIn("not executable", self.run_cspcheck("run", "./data", status=126).stderr)
		self.assertIn("is a directory", self.run_cspcheck("run", ".", status=126).stderr)

	def test_executable_of_no_format(self):
		self.write("noise", "\x01\x02\x03", 0o755)
		self.assertIn("Exec format", self.run_cspcheck("run", "./noise", status=126).stderr)

	def test_interpreter_is_missing(self):
		self.write("script", "#!/no/such/shell\n", 0o755)
		self.run_cspcheck("run", "./script", status=127)

	def test_object_file_is_no_program(self):
		self.write("a.c", "int main(void) { return 0; }\n")
		subprocess.run(["gcc", "-c", "a.c"], cwd=self.dir, check=True)
		os.chmod(self.path("a.o"), 0o755)
		self.assertIn("not an executable", self.run_cspcheck("run", "./a.o", status=126).stderr)

	def test_compile_error_shows_the_compilers_text(self):
		self.write("bad.c", "int main(void) { return oops; }\n")
		r = self.run_cspcheck("run", "bad.c", status=1)
		self.assertIn("bad.c:1:", r.stderr)
		self.assertTrue(r.stderr.endswith("cspcheck: cannot compile bad.c\n"), r.stderr)
		self.assertEqual(self.left_in_tmp(), [])

	def test_compiler_is_missing(self):
		self.write("a.c", "int main(void) { return 0; }\n")
		self.assertIn("cannot start the compiler", self.run_cspcheck("run", "a.c", status=69, env={"CC": "no-such-cc"}).stderr)

	def test_program_without_the_runtime(self):
		r = self.run_cspcheck("run", "/bin/echo", "hello")
		self.assertIn("does not use libcsprt", r.stderr)
		self.assertEqual(r.stdout, "hello\n")
		r = self.run_cspcheck("run", "--race=on", "/bin/echo", "hello", status=69)
		self.assertEqual(r.stdout, "")
		self.assertEqual(r.stderr.count("\n"), 1)

	def test_program_with_the_compilers_own_sanitizer(self):
		self.write("a.c", "int x; int main(void) { return x++; }\n")
		if subprocess.run(["gcc", "-fsanitize=thread", "a.c", "-o", "a"], cwd=self.dir, capture_output=True).returncode:
			self.skipTest("no libtsan")
		self.assertIn("ThreadSanitizer", self.run_cspcheck("run", "./a", status=69).stderr)


if __name__ == "__main__":
	unittest.main()
