"""Runs the command under test in an empty directory; the fake program writes the record stream a test asks for."""
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

import records

HERE = os.path.dirname(os.path.abspath(__file__))
CSPCHECK = os.path.abspath(os.environ.get("CSPCHECK", "cspcheck"))


class Case(unittest.TestCase):
	def setUp(self):
		self.dir = tempfile.mkdtemp(prefix="cspcheck-test.")
		self.env = {k: v for k, v in os.environ.items() if not k.startswith("CSPCHECK") and k not in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "CC", "CFLAGS")}
		self.env["TMPDIR"] = self.path("tmp")
		os.mkdir(self.path("tmp"))
		self.started = []

	def tearDown(self):
		for p in self.started:
			if p.poll() is None:
				p.kill()
			p.wait()
			for pipe in (p.stdout, p.stderr):
				if pipe:
					pipe.close()
		subprocess.run(["chmod", "-R", "u+rwX", self.dir], check=False)
		shutil.rmtree(self.dir)

	def path(self, *names):
		return os.path.join(self.dir, *names)

	def write(self, name, text, mode=0o644):
		with open(self.path(name), "w") as f:
			f.write(text)
		os.chmod(self.path(name), mode)
		return self.path(name)

	def fake(self, *steps, before="", after="", name="fake"):
		"""An executable that runs shell text `before`, appends the records, and runs `after`."""
		script = self.write(name + ".json", json.dumps(list(steps)))
		return self.write(name, f"#!/bin/sh\n{before}\n{sys.executable} {HERE}/records.py {script} $$\n{after}\n", 0o755)

	def start(self, *args, **more):
		p = subprocess.Popen([CSPCHECK, *args], cwd=self.dir, env=more.pop("env", self.env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
			text=True, errors="replace", **more)
		self.started.append(p)
		return p

	def run_cspcheck(self, *args, status=0, env=None):
		r = subprocess.run([CSPCHECK, *args], cwd=self.dir, env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=120)
		if status is not None:
			self.assertEqual(r.returncode, status, f"{args}\nstdout: {r.stdout}\nstderr: {r.stderr}")
		return r

	def summary(self, r):
		return r.stderr.rstrip("\n").split("\n")[-1]

	def wait_for(self, what, seconds=20):
		end = time.monotonic() + seconds
		while not what():
			self.assertLess(time.monotonic(), end, "waited too long")
			time.sleep(0.02)

	def sql(self, query, db=".cspcheck/results.db"):
		with sqlite3.connect(self.path(db)) as c:
			return c.execute(query).fetchall()

	def left_in_tmp(self):
		return os.listdir(self.path("tmp"))


__all__ = ["Case", "CSPCHECK", "json", "os", "records", "signal", "subprocess", "time", "unittest"]
