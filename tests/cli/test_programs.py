"""Real programs through the whole path: compiler, runtime, detector, stream, names, database."""
import shutil

from harness import *

RACE = """#define CSP_SHORT_NAMES
#include <csp.h>
#include <stdio.h>
static int counter;
static void inc(csp_waitgroup *wg) {
	counter++;
	csp_wg_done(wg);
}
int main(int argc, char **argv) {
	csp_waitgroup wg = { 0 };
	csp_wg_add(&wg, 2);
	go(inc, &wg);
	go(inc, &wg);
	csp_wg_wait(&wg);
	printf("%d %s\\n", argc, argc > 1 ? argv[1] : "");
	return 0;
}
"""
CLEAN = """#include <csp.h>
static void give(csp_send_chan(int) c) { csp_chan_send(c, 42); }
int main(void) {
	csp_chan(int) c = csp_make_chan(int);
	csp_go(give, c);
	return csp_chan_recv(c) == 42 ? 0 : 1;
}
"""
DEADLOCK = "#include <csp.h>\nint main(void) { csp_chan(int) c = csp_make_chan(int); return csp_chan_recv(c); }\n"
LEAK = """#include <csp.h>
static void stuck(csp_recv_chan(int) c) { csp_chan_recv(c); }
static void start(void) { csp_go(stuck, csp_make_chan(int)); }
int main(void) { start(); csp_sleep(50 * CSP_MILLISECOND); return 0; }
"""
# argv[1] says who is let go first, and so (nearly always) who closes the cycle last.
KNOT = """#define CSP_SHORT_NAMES
#include <csp.h>
static csp_mutex a, b;
static void one(chan(char) held, chan(char) on) {
	csp_mutex_lock(&a);
	chan_send(held, 1);
	(void)chan_recv(on);
	csp_mutex_lock(&b);
}
static void two(chan(char) held, chan(char) on) {
	csp_mutex_lock(&b);
	chan_send(held, 1);
	(void)chan_recv(on);
	csp_mutex_lock(&a);
}
int main(int argc, char **argv) {
	chan(char) held = make_chan(char);
	chan(char) on[2] = { make_chan(char), make_chan(char) };
	int first = argc > 1 && *argv[1] == '1';
	go(one, held, on[0]);
	go(two, held, on[1]);
	(void)chan_recv(held);
	(void)chan_recv(held);
	chan_send(on[first], 1);
	csp_yield();
	chan_send(on[!first], 1);
	csp_sleep(10 * CSP_SECOND);
}
"""
COMPILERS = [c for c in ("gcc", "clang") if shutil.which(c)]


class Run(Case):
	def test_race(self):
		self.write("race.c", RACE)
		for cc in COMPILERS:
			r = self.run_cspcheck("run", "--no-db", "race.c", "--", "arg", status=66, env={"CC": cc})
			self.assertEqual(r.stdout, "2 arg\n")
			self.assertIn("CSP1001 data race on counter", r.stderr)
			self.assertIn("inc race.c:6", r.stderr)
			self.assertIn("main race.c:12", r.stderr)
			self.assertIn("> \x20  6 | \tcounter++;", r.stderr)
			self.assertIn("1 new (1 race)", self.summary(r))

	def test_clean(self):
		self.write("clean.c", CLEAN)
		for cc in COMPILERS:
			self.assertIn("0 new, 0 known, 0 suppressed;", self.summary(self.run_cspcheck("run", "clean.c", env={"CC": cc})))

	def test_deadlock(self):
		self.write("dead.c", DEADLOCK)
		r = self.run_cspcheck("run", "dead.c", status=68)
		self.assertIn("fatal error: all goroutines are asleep - deadlock!", r.stderr)
		self.assertIn("CSP2001 global deadlock", r.stderr)
		self.assertIn("1 new (1 deadlock)", self.summary(r))
		self.assertIn("CSP2001", self.run_cspcheck("deadlocks").stdout)

	def test_leak(self):
		self.write("leak.c", LEAK)
		r = self.run_cspcheck("run", "leak.c", status=67)
		self.assertIn("CSP3001 goroutine leak: chan receive", r.stderr)
		self.assertIn("start leak.c:3", r.stderr)
		self.assertIn("CSP3001", self.run_cspcheck("leaks").stdout)

	def test_second_run_finds_the_same_issue(self):
		self.write("race.c", RACE)
		for _ in range(3):
			self.run_cspcheck("run", "race.c", status=66)
		self.assertEqual(self.sql("SELECT count(*) FROM issue"), [(1,)])
		shown = self.run_cspcheck("report", "show", "1").stdout
		self.assertIn("seen in 3 runs", shown)
		os.remove(self.path("race.c")) # the report quotes the source as it was
		self.assertIn("counter++;", self.run_cspcheck("report", "show", "1").stdout)

	def test_a_knot_is_one_issue_whoever_closes_it(self):
		self.write("knot.c", KNOT)
		self.run_cspcheck("cc", "-g", "knot.c", "-o", "knot")
		for first in "010101":
			self.run_cspcheck("run", "./knot", first, status=68, env={"CSPMAXPROCS": "1"})
		self.assertEqual(self.sql("SELECT count(*) FROM run"), [(6,)])
		self.assertEqual(self.sql("SELECT count(*) FROM issue"), [(1,)])
		self.assertIn("knot.c:8 ", self.run_cspcheck("deadlocks").stdout)

	def test_several_sources(self):
		self.write("a.c", "int twice(int); int main(void) { return twice(0); }\n")
		self.write("b.c", "int twice(int x) { return 2 * x; }\n")
		self.run_cspcheck("run", "a.c", "b.c")

	def test_race_off_compiles_without_instrumentation(self):
		self.write("race.c", RACE)
		self.run_cspcheck("run", "--race=off", "race.c")

	def test_link_error(self):
		self.write("a.c", "int nowhere(void); int main(void) { return nowhere(); }\n")
		r = self.run_cspcheck("run", "a.c", status=1)
		self.assertIn("nowhere", r.stderr)
		self.assertTrue(r.stderr.endswith("cspcheck: cannot link a.c\n"))

	def test_crash(self):
		self.write("crash.c", "#include <csp.h>\nint main(void) { csp_yield(); *(volatile int *)8 = 1; return 0; }\n")
		r = self.run_cspcheck("run", "crash.c", status=None)
		self.assertIn(r.returncode, (139, 68, 2), r.stderr)

	def test_timeout_prints_the_goroutines(self):
		self.write("slow.c", "#include <csp.h>\nint main(void) { csp_sleep(60 * CSP_SECOND); return 0; }\n")
		r = self.run_cspcheck("run", "--timeout", "500ms", "slow.c", status=124)
		self.assertIn("SIGQUIT: quit", r.stderr)
		self.assertIn("goroutine 1 [sleep]:", r.stderr)
		self.assertIn("1 new (1 timeout)", self.summary(r))

	def test_doctor(self):
		r = self.run_cspcheck("doctor")
		self.assertNotIn("BAD", r.stdout)
		self.assertIn("compiles, links and runs a checked program", r.stdout)


class Driver(Case):
	"""cspcheck cc as a compiler."""

	def cc(self, *args, status=0, cxx=False, cc="gcc"):
		env = {"CSPCHECK_CC": cc, "CSPCHECK_CXX": cc.replace("gcc", "g++") if cc == "gcc" else "clang++"}
		return self.run_cspcheck("c++" if cxx else "cc", *args, status=status, env=env)

	def setUp(self):
		super().setUp()
		self.write("race.c", RACE)

	def assert_finds_race(self, program="./prog"):
		r = self.run_cspcheck("run", "--race=on", "--no-db", program, status=66)
		self.assertIn("data race on counter", r.stderr)
		self.assertNotIn("not instrumented", r.stderr)

	def test_one_step_and_two(self):
		for cc in COMPILERS:
			with self.subTest(cc=cc):
				self.cc("race.c", "-o", "prog", cc=cc)
				self.assert_finds_race()
				self.cc("-O2", "-c", "race.c", cc=cc)
				self.cc("race.o", "-o", "prog2", cc=cc)
				self.assert_finds_race("./prog2")
				self.cc("-fsanitize=thread", "-O2", "-D_FORTIFY_SOURCE=2", "race.c", "-o", "prog3", cc=cc)
				self.assert_finds_race("./prog3")

	def test_no_pie(self):
		self.cc("-fno-pie", "-no-pie", "race.c", "-o", "prog")
		self.assert_finds_race()

	def test_response_file(self):
		self.write("args", "-O1 'race.c'\n-o \"my prog\"\n")
		self.cc("@args")
		self.assert_finds_race("./my prog")

	def test_passes_other_work_through(self):
		self.assertIn("gcc", self.cc("--version").stdout)
		self.assertIn("counter++", self.cc("-E", "race.c").stdout)
		self.assertIn("race.o:", self.cc("-MM", "race.c").stdout)
		self.assertTrue(self.cc("-dumpmachine").stdout.startswith("x86_64"))
		self.cc("-S", "race.c")
		with open(self.path("race.s")) as f:
			self.assertIn("__tsan_write4", f.read())
		self.cc("race.s", "-o", "prog")
		self.assert_finds_race()
		self.cc("-v", status=0)
		self.cc(status=1)
		self.cc("-c", "no.c", status=1)

	def test_language_given(self):
		os.rename(self.path("race.c"), self.path("race.txt"))
		self.cc("-x", "c", "race.txt", "-o", "prog")
		self.assert_finds_race()
		self.write("empty.S", ".globl nothing\nnothing: ret\n")
		self.cc("-c", "empty.S")

	def test_shared_library(self):
		self.write("lib.c", "int shared; void bump(void) { shared++; }\n")
		self.write("main.c", "#include <csp.h>\nvoid bump(void);\nstatic void f(csp_waitgroup *w) { bump(); csp_wg_done(w); }\n"
			"int main(void) { csp_waitgroup w = { 0 }; csp_wg_add(&w, 2); csp_go(f, &w); csp_go(f, &w); csp_wg_wait(&w); return 0; }\n")
		self.cc("-fPIC", "-shared", "-Wl,--no-undefined", "lib.c", "-o", "libbump.so")
		self.cc("main.c", "-L.", "-lbump", "-Wl,-rpath,$ORIGIN", "-o", "prog")
		r = self.run_cspcheck("run", "--no-db", "./prog", status=66)
		self.assertIn("data race on shared", r.stderr)
		self.assertIn("bump lib.c:1", r.stderr)

	def test_cxx(self):
		self.write("r.cc", '#include <vector>\n#include <cstdio>\nstatic std::vector<int> v(10);\nint main() { for (auto &x : v) x++; std::printf("%d\\n", v[3]); }\n')
		self.cc("r.cc", "-o", "prog", cxx=True)
		self.assertEqual(self.run_cspcheck("run", "--no-db", "./prog").stdout, "1\n")

	def test_static_is_refused(self):
		self.assertIn("static", self.cc("-static", "race.c", status=69).stderr)

	def test_make_and_its_configure_probe(self):
		self.write("Makefile", "prog: race.o\n\t$(CC) $(LDFLAGS) -o $@ $^\n")
		if not shutil.which("make"):
			self.skipTest("no make")
		subprocess.run(["make", "-s", f"CC={CSPCHECK} cc"], cwd=self.dir, env={**self.env, "CC": f"{CSPCHECK} cc"}, check=True)
		self.assert_finds_race()

	def test_plain_program_still_gets_deadlocks(self):
		self.write("dead.c", DEADLOCK)
		printed = self.run_cspcheck("cc", "dead.c", "-o", "x", env={"CSPCHECK_CC_PRINT": "1"}).stderr.split()
		rest = [a for a in printed if a.startswith(("-I", "-L", "-Wl,-rpath"))]
		subprocess.run(["gcc", "-g", "dead.c", *rest, "-lcsprt", "-o", "plain"], cwd=self.dir, check=True)
		r = self.run_cspcheck("run", "./plain", status=68)
		self.assertIn("is not instrumented: checking for deadlocks", r.stderr)
		self.assertIn("CSP2001", r.stderr)
		self.assertIn("not possible", self.run_cspcheck("run", "--race=on", "./plain", status=69).stderr)


if __name__ == "__main__":
	unittest.main()
