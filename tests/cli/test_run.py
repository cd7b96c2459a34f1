"""A run: what is printed, stored and returned, and what is left when something ends badly."""
import pty
import re
import select

from harness import *


class Statuses(Case):
	def test_clean(self):
		self.fake(records.hello(0), records.bye(), before="echo data")
		r = self.run_cspcheck("run", "./fake")
		self.assertEqual(r.stdout, "data\n")
		self.assertEqual(r.stderr, "cspcheck: 0 new, 0 known, 0 suppressed; seed 0x5eed\n")

	def test_each_kind_and_their_precedence(self):
		race, leak, dead = records.race(), records.leak(n=2), records.deadlock(n=3)
		for steps, status in (([race], 66), ([leak], 67), ([dead], 68), ([race, leak], 66), ([leak, race, dead], 68)):
			with self.subTest(status=status, n=len(steps)):
				self.fake(records.hello(0), *steps, after="exit 2")
				self.run_cspcheck("run", "./fake", status=status)

	def test_the_programs_own_status(self):
		self.fake(records.hello(0), after="exit 7")
		self.run_cspcheck("run", "./fake", status=7)

	def test_notes_do_not_gate(self):
		self.fake(records.hello(0), records.leak(rule=3002, proof="L", gate=False))
		self.assertRegex(self.summary(self.run_cspcheck("run", "./fake")), r"^cspcheck: 0 new, 0 known, 0 suppressed, 1 note; seed")

	def test_fail_on_none(self):
		self.fake(records.hello(0), records.race(), after="exit 3")
		self.run_cspcheck("run", "--fail-on", "none", "./fake", status=3)

	def test_summary_is_the_last_line(self):
		self.fake(records.hello(0), records.race(), records.leak(n=2))
		self.assertEqual(self.summary(self.run_cspcheck("run", "./fake", status=66)),
			"cspcheck: 2 new (1 race, 1 leak), 0 known, 0 suppressed; seed 0x5eed; see: cspcheck report show 1")

	def test_quiet(self):
		self.fake(records.hello(0), records.race())
		self.assertEqual(self.run_cspcheck("run", "-q", "./fake", status=66).stderr.count("\n"), 1)

	def test_a_panic_nobody_explained_is_a_finding(self):
		self.fake(records.hello(0), {"t": "panic", "text": "panic: out of luck"}, after="exit 2")
		r = self.run_cspcheck("run", "./fake", status=68)
		self.assertIn("CSP4090 panic: panic: out of luck", r.stderr)

	def test_lost_precision_is_told(self):
		self.fake(records.hello(0), {"t": "loss", "what": "read set", "count": 12})
		self.assertIn("precision was lost 12 times (read set)", self.run_cspcheck("run", "./fake").stderr)

	def test_same_mistake_of_many_goroutines_is_one_issue(self):
		self.fake(records.hello(0), *[records.leak(n=i, gid=10 + i) for i in range(1, 31)])
		r = self.run_cspcheck("run", "./fake", status=67)
		self.assertIn("1 new (1 leak)", self.summary(r))
		self.assertEqual(r.stderr.count("CSP3001 "), 1)
		self.assertEqual(self.sql("SELECT goroutines FROM v_leak_cluster"), [(30,)])
		self.assertIn("30 goroutines", self.run_cspcheck("leaks").stdout)

	def test_a_race_is_the_same_whichever_side_came_first(self):
		a, b = records.race(), records.race(n=2)
		a["parts"][0]["pcs"] = ["0x1111"]
		b["parts"][1]["pcs"] = ["0x1111"]
		self.fake(records.hello(0), a, b)
		self.assertIn("1 new (1 race)", self.summary(self.run_cspcheck("run", "./fake", status=66)))

	def test_repeats_are_counted(self):
		self.fake(records.hello(0), records.race(), {"t": "again", "n": 1, "count": 41})
		self.run_cspcheck("run", "./fake", status=66)
		self.assertEqual(self.sql("SELECT occurrences FROM report"), [(42,)])


class BadEnds(Case):
	def test_crash_keeps_what_was_found(self):
		self.fake(records.hello(0), records.leak(gate=False), after="kill -SEGV $$")
		r = self.run_cspcheck("run", "./fake", status=139)
		self.assertIn("killed by signal 11 (Segmentation fault)", r.stderr)
		self.assertEqual(self.sql("SELECT count(*) FROM report"), [(1,)])

	def test_killed(self):
		self.fake(records.hello(0), after="kill -KILL $$")
		self.run_cspcheck("run", "./fake", status=137)
		self.assertIn("1 new (1 race)", self.summary(self.run_cspcheck("run", self.fake(records.hello(0), records.race(), after="kill -KILL $$"), status=66)))

	def test_timeout(self):
		self.fake(records.hello(0), after="exec sleep 60")
		began = time.monotonic()
		r = self.run_cspcheck("run", "--timeout", "300ms", "./fake", status=124)
		self.assertLess(time.monotonic() - began, 20)
		self.assertIn("CSP5002", r.stderr)
		self.assertIn("time limit of 0.3 s", r.stderr)

	def test_timeout_of_a_program_that_ignores_sigquit(self):
		self.fake(records.hello(0), before="trap '' QUIT", after="while :; do sleep 0.1; done")
		self.run_cspcheck("run", "--timeout", "0.2", "./fake", status=124)

	def test_half_a_record_at_the_end_is_dropped(self):
		self.fake(records.hello(0), records.race(), {"half": records.leak(n=2)})
		r = self.run_cspcheck("run", "./fake", status=66)
		self.assertIn("incomplete or damaged", r.stderr)
		self.assertIn("1 new (1 race)", self.summary(r))

	def test_damaged_bytes_end_the_file(self):
		good = records.record(records.leak(n=2))
		for name, raw in (("magic", b"XSPR" + good[4:]), ("length", good[:4] + b"\xff\xff\xff\xff" + good[8:]), ("sum", good[:8] + b"\0\0\0\0" + good[12:]),
		                  ("payload", good[:30] + b"\xff" + good[31:]), ("end", good[:-1] + b"X"), ("noise", os.urandom(2000))):
			with self.subTest(name):
				self.fake(records.hello(0), records.race(), {"raw": raw.hex()}, records.deadlock(n=3))
				self.assertIn("incomplete or damaged", self.run_cspcheck("run", "--no-db", "./fake", status=66).stderr)

	def test_strange_records_are_survived(self):
		self.fake(records.hello(0), {"t": 5}, {"x": 1}, {"t": "finding"}, {"t": "finding", "n": "x", "rule": 99999, "parts": [1, {}, {"pcs": 3}], "objects": {}, "edges": [[]]},
			{"t": "module", "path": 3}, {"t": "module", "path": "/no/such", "build_id": "zz", "bias": "0x0", "lo": "0x0", "hi": "0xffffffff"}, records.race(n=9))
		r = self.run_cspcheck("run", "./fake", status=66)
		self.assertIn("1 new (1 race)", self.summary(r))

	def test_hostile_text_does_not_reach_the_terminal(self):
		evil = records.race(cause="\x1b[2J\x07 red \u0085 caf\u00e9")
		self.fake(records.hello(0), evil)
		r = self.run_cspcheck("run", "--color", "never", "./fake", status=66)
		self.assertNotIn("\x1b", r.stderr)
		self.assertIn("\\x1b[2J\\x07 red \\xc2\\x85 caf\u00e9", r.stderr)

	def test_interrupt_ends_the_run_and_keeps_results(self):
		self.fake(records.hello(0), records.race(), after="echo ready; exec sleep 60")
		p = self.start("run", "./fake")
		self.assertEqual(p.stdout.readline(), "ready\n")
		p.send_signal(signal.SIGINT)
		err = p.communicate(timeout=20)[1]
		self.assertEqual(p.returncode, 66, err)
		self.assertIn("killed by signal 2", err)
		self.assertEqual(self.sql("SELECT outcome FROM run"), [("killed",)])

	def test_second_interrupt_kills(self):
		self.fake(records.hello(0), before="trap '' INT TERM", after="echo ready; while :; do sleep 0.1; done")
		p = self.start("run", "./fake")
		self.assertEqual(p.stdout.readline(), "ready\n")
		p.send_signal(signal.SIGINT)
		time.sleep(0.3)
		self.assertIsNone(p.poll())
		p.send_signal(signal.SIGTERM)
		p.communicate(timeout=20)
		self.assertEqual(p.returncode, 137)

	def test_cspcheck_killed_in_the_middle(self):
		self.fake(records.hello(0), records.race(), before="echo $$ > pid", after="exec sleep 60")
		p = self.start("run", "./fake")
		self.wait_for(lambda: os.path.exists(self.path(".cspcheck/results.db")) and self.count_reports() == 1)
		p.kill()
		p.wait()
		with open(self.path("pid")) as f:
			pid = int(f.read())
		self.wait_for(lambda: not self.alive(pid))
		self.assertEqual(self.sql("PRAGMA integrity_check"), [("ok",)])
		self.assertIn("CSP1001", self.run_cspcheck("report", "list").stdout)
		self.fake(records.hello(0), records.race())
		self.run_cspcheck("run", "./fake", status=66)

	def count_reports(self):
		try:
			return self.sql("SELECT count(*) FROM report")[0][0]
		except Exception:
			return -1

	@staticmethod
	def alive(pid):
		try:
			with open(f"/proc/{pid}/stat") as f:
				return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
		except OSError:
			return False


class Database(Case):
	def test_not_a_database(self):
		self.write("x.db", "this is a text file, long enough to be looked at as a header of a database file, surely more than a hundred bytes")
		for args in (("run", "--db", "x.db", "./fake"), ("report", "--db", "x.db")):
			self.fake(records.hello(0), before="touch ran")
			self.run_cspcheck(*args, status=65)
			self.assertFalse(os.path.exists(self.path("ran")))

	def test_database_of_somebody_else(self):
		self.sql("CREATE TABLE t (x)", "x.db")
		self.fake()
		self.assertIn("not one of cspcheck", self.run_cspcheck("run", "--db", "x.db", "./fake", status=65).stderr)

	def test_database_of_a_newer_cspcheck(self):
		self.fake(records.hello(0))
		self.run_cspcheck("run", "./fake")
		self.sql("PRAGMA user_version = 2")
		self.assertIn("newer cspcheck", self.run_cspcheck("run", "./fake", status=65).stderr)
		self.run_cspcheck("report", "list", status=65)

	def test_damaged_database(self):
		self.fake(records.hello(0), records.race())
		self.run_cspcheck("run", "./fake", status=66)
		with open(self.path(".cspcheck/results.db"), "r+b") as f:
			f.write(b"\0" * 60)
		self.run_cspcheck("run", "./fake", status=65)

	def test_unwritable_database_keeps_the_records(self):
		self.fake(records.hello(0), records.race())
		r = self.run_cspcheck("run", "--db", "/proc/nowhere/x.db", "./fake", status=73)
		self.assertIn("CSP1001", r.stderr)
		spool = re.search(r"records are kept in (\S+)", r.stderr).group(1)
		self.assertEqual(len([n for n in os.listdir(spool) if n.endswith(".csptrace")]), 1)
		self.assertIn("1 new (1 race)", self.summary(r))

	def test_directory_in_place_of_the_database(self):
		os.mkdir(self.path("d"))
		self.fake(records.hello(0))
		self.run_cspcheck("run", "--db", "d", "./fake", status=73)

	def test_no_results_yet(self):
		self.assertIn("no results", self.run_cspcheck("report", "list", status=65).stderr)

	def test_runs_share_one_database(self):
		self.fake(records.hello(0), records.race(), records.leak(n=2))
		running = [self.start("run", "./fake") for _ in range(6)]
		for p in running:
			err = p.communicate(timeout=60)[1]
			self.assertEqual(p.returncode, 66, err)
		self.assertEqual(self.sql("SELECT count(*) FROM session"), [(6,)])
		self.assertEqual(self.sql("SELECT count(*) FROM issue"), [(2,)])
		self.assertEqual(self.sql("SELECT count(*) FROM report"), [(12,)])

	def test_temporary_files_are_removed(self):
		self.fake(records.hello(0), records.race())
		self.run_cspcheck("run", "./fake", status=66)
		self.assertEqual(self.left_in_tmp(), [])

	def test_identity_of_the_file(self):
		self.fake(records.hello(0))
		self.run_cspcheck("run", "./fake")
		self.assertEqual(self.sql("PRAGMA application_id"), [(0x43535043,)])
		self.assertEqual(self.sql("PRAGMA user_version"), [(1,)])
		self.assertEqual(self.sql("PRAGMA journal_mode"), [("wal",)])
		self.assertEqual(self.sql("PRAGMA foreign_key_check"), [])


class Output(Case):
	def test_show_gives_back_what_the_run_printed(self):
		self.fake(records.hello(0), records.race(), records.leak(n=2))
		printed = self.run_cspcheck("run", "--color", "never", "./fake", status=66).stderr
		for issue in ("1", "2"):
			self.assertIn(self.run_cspcheck("report", "show", issue).stdout, printed)
		fp = self.sql("SELECT fp FROM issue WHERE id = 2")[0][0]
		self.assertIn(fp, self.run_cspcheck("report", "show", fp[:8]).stdout)
		self.assertIn("no issue '99'", self.run_cspcheck("report", "show", "99", status=64).stderr)

	def test_json_of_run_and_show_agree(self):
		self.fake(records.hello(0), records.race(), records.leak(n=2))
		self.run_cspcheck("run", "--format", "json", "-o", "f.json", "./fake", status=66)
		with open(self.path("f.json")) as f:
			doc = json.load(f)
		self.assertEqual(doc["summary"], {"new": 2, "known": 0, "suppressed": 0, "notes": 0, "kinds": {"race": 1, "leak": 1}})
		self.assertEqual(doc["exit_status"], 66)
		for finding in doc["findings"]:
			shown = json.loads(self.run_cspcheck("report", "show", str(finding["id"]), "--format", "json").stdout)["findings"]
			self.assertEqual((finding.pop("standing"), finding.pop("suppressed_by")), ("new", None))
		self.assertEqual(shown, [finding])
		self.assertEqual(len(json.loads(self.run_cspcheck("report", "list", "--format", "json").stdout)["issues"]), 2)

	def test_go_format_has_the_form_of_go(self):
		self.fake(records.hello(0), records.race(gids=(7, 1)))
		r = self.run_cspcheck("run", "--format", "go", "./fake", status=66)
		frame = r"  \S+\(\)\n      \S+:\d+ \+0x[0-9a-f]+\n"
		self.assertRegex(r.stderr, "^={18}\nWARNING: DATA RACE\nWrite at 0x[0-9a-f]{12} by goroutine 7:\n(" + frame + ")+\n"
			"Previous read at 0x[0-9a-f]{12} by main goroutine:\n(" + frame + ")+\n"
			"Goroutine 7 \\(running\\) created at:\n(" + frame + ")+={18}\nFound 1 data race\\(s\\)\ncspcheck: 1 new")

	def test_output_file_that_cannot_be_written(self):
		self.fake(records.hello(0))
		self.assertIn("cannot write /no/x", self.run_cspcheck("run", "-o", "/no/x", "./fake", status=73).stderr)

	def test_colour_rules(self):
		self.fake(records.hello(0), records.race())
		for args, env, colour in (((), {}, False), (("--color=always",), {"NO_COLOR": "1"}, True), (("--color=never",), {"FORCE_COLOR": "1"}, False),
		                          ((), {"CLICOLOR_FORCE": "1"}, True), ((), {"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False), ((), {"NO_COLOR": "", "FORCE_COLOR": "1"}, True)):
			with self.subTest(args=args, env=env):
				self.assertEqual("\x1b[" in self.run_cspcheck("run", *args, "./fake", status=66, env=env).stderr, colour)

	def on_terminal(self, *args, term="xterm"):
		parent, child = pty.openpty()
		p = subprocess.Popen([CSPCHECK, *args], cwd=self.dir, env={**self.env, "TERM": term}, stdin=child, stdout=child, stderr=child, start_new_session=True)
		os.close(child)
		text = b""
		while select.select([parent], [], [], 20)[0]:
			try:
				data = os.read(parent, 65536)
			except OSError:
				break
			if not data:
				break
			text += data
		os.close(parent)
		return p.wait(), text.decode()

	def test_a_terminal_gets_colour_a_dumb_one_none(self):
		self.fake(records.hello(0), records.race())
		status, text = self.on_terminal("run", "./fake")
		self.assertEqual(status, 66)
		self.assertIn("\x1b[", text)
		self.assertNotIn("\x1b[", self.on_terminal("run", "./fake", term="dumb")[1])

	def test_closed_standard_error_does_not_hide_the_status(self):
		self.fake(records.hello(0), records.race())
		r = subprocess.run(f"'{CSPCHECK}' run ./fake 2>&-", shell=True, cwd=self.dir, env=self.env)
		self.assertEqual(r.returncode, 66)

	def test_standard_input_belongs_to_the_program(self):
		self.fake(records.hello(0), before="cat")
		r = subprocess.run([CSPCHECK, "run", "./fake"], cwd=self.dir, env=self.env, input="from stdin", capture_output=True, text=True)
		self.assertEqual((r.returncode, r.stdout), (0, "from stdin"))

	def test_arguments_reach_the_program(self):
		self.write("args", "#!/bin/sh\nprintf '[%s]' \"$@\"\n", 0o755)
		self.assertEqual(self.run_cspcheck("run", "./args", "-q", "--", "a b", "").stdout, "[-q][--][a b][]")
		self.assertEqual(self.run_cspcheck("run", "-q", "./args", "--", "-q").stdout, "[-q]")

	def test_options_reach_the_detector(self):
		self.write("env", "#!/bin/sh\necho $CSPCHECK_RACE $CSPCHECK_LEAK $CSPCHECK_DEADLOCK $CSPCHECK_SEED $CSPMAXPROCS; test -d \"$CSPCHECK_SPOOL\"\n", 0o755)
		self.assertEqual(self.run_cspcheck("run", "--race=off", "--leak=off", "--deadlock=warn", "--seed", "77", "--procs", "3", "./env").stdout, "off off warn 0x4d 3\n")


if __name__ == "__main__":
	unittest.main()
