"""A live process is asked for its goroutines and verdicts; leaks are found under a debugger and under a tracer."""
import shutil

from harness import *

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

SERVICE = r"""
#define CSP_SHORT_NAMES
#include <csp.h>
#include <stdio.h>
#include <unistd.h>
static void listen_for(recv_chan(int) c) { chan_recv(c); }
static __attribute__((noinline)) void leak(void) { chan(int) c = make_chan(int); go(listen_for, c); }
static void tick(int n) { for (int i = 0; i < n; i++) csp_sleep(5 * CSP_MILLISECOND); }
int main(int argc, char **argv)
{
	leak();
	go(tick, 1000000);
	csp_sleep(20 * CSP_MILLISECOND);
	printf("%d\n", (int)getpid());
	fflush(stdout);
	if (argc > 1)
		csp_sleep(60 * CSP_SECOND);
	csp_leak_check();
	return 0;
}
"""


class Dump(Case):
	def build(self, checked):
		source = self.write("service.c", SERVICE)
		if checked:
			self.run_cspcheck("cc", "-g", "-O1", source, "-o", self.path("service"))
		else:
			runtime = os.path.join(os.path.dirname(os.path.dirname(CSPCHECK)), "runtime")
			subprocess.run(["cc", "-g", "-O1", "-I" + ROOT + "/runtime", source, "-o", self.path("service"), "-L" + runtime, "-lcsprt", "-Wl,-rpath," + runtime], check=True)

	def pid_of(self, p):
		return p.stdout.readline().strip()

	def test_a_plain_program_is_dumped_and_goes_on(self):
		self.build(checked=False)
		p = subprocess.Popen([self.path("service"), "stay"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env)
		self.started.append(p)
		pid = self.pid_of(p)
		for _ in range(3):
			r = self.run_cspcheck("dump", pid)
			self.assertRegex(r.stdout, r"(?m)^goroutine 1 \[sleep\]:$")
			self.assertIn("main.listen_for(...)", r.stdout)
			self.assertNotIn("cspcheck:", r.stdout)
			self.assertEqual(r.stderr, "")
		self.assertIsNone(p.poll())

	def test_a_checked_program_says_its_verdicts(self):
		self.build(checked=True)
		p = self.start("run", "--no-db", "--leak-interval", "0", "./service", "stay")
		r = self.run_cspcheck("dump", self.pid_of(p))
		self.assertRegex(r.stdout, r"(?m)^goroutine \d+ \[chan receive\]:\nlibcsprt")
		self.assertRegex(r.stdout, r"(?m)^cspcheck: goroutines that can never go on:\ngoroutine \d+ \[chan receive\]: P3 unreachable\n\Z")
		self.assertIsNone(p.poll())

	def test_a_signal_by_hand_dumps_to_the_programs_stderr(self):
		self.build(checked=False)
		p = subprocess.Popen([self.path("service"), "stay"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env)
		self.started.append(p)
		os.kill(int(self.pid_of(p)), signal.SIGRTMIN + 6)
		self.assertEqual(p.stderr.readline(), "goroutine 1 [sleep]:\n")
		self.assertIsNone(p.poll())

	def test_what_cannot_be_dumped(self):
		for what, status, says in (("4194303", 127, "No such process"), (str(os.getpid()), 69, "no libcsprt program"), ("-1", 64, ""), ("nobody", 64, "neither a process nor a file")):
			with self.subTest(what=what):
				r = self.run_cspcheck("dump", "--", what, status=status)
				self.assertIn(says, r.stderr)
				self.assertEqual(r.stdout, "")

	def found_under(self, *tool):
		if not shutil.which(tool[0]):
			self.skipTest(tool[0] + " is not installed")
		self.build(checked=True)
		r = self.run_cspcheck("run", "--no-db", *tool, self.path("service"), status=67)
		self.assertIn("CSP3001", r.stderr)

	def test_a_leak_is_proven_under_strace(self):
		self.found_under("strace", "-f", "-o", "/dev/null")

	def test_a_leak_is_proven_under_gdb(self):
		self.found_under("gdb", "-batch", "-nx", "-ex", "set debuginfod enabled off", "-ex", "set startup-with-shell off", "-ex", "handle SIG39 SIG40 nostop noprint pass", "-ex", "run")


if __name__ == "__main__":
	unittest.main()
