"""Writes the record stream (docs/record-stream.md), so that the command can be tested without a detector.

As a program: records.py SCRIPT PID appends the records that SCRIPT (JSON, a list) names to that process's file in $CSPCHECK_SPOOL."""
import json
import os
import struct
import sys

TABLE = []
for i in range(256):
	c = i
	for _ in range(8):
		c = c >> 1 ^ 0x82F63B78 if c & 1 else c >> 1
	TABLE.append(c)


def crc32c(data):
	crc = 0xFFFFFFFF
	for byte in data:
		crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
	return crc ^ 0xFFFFFFFF


def record(payload):
	data = json.dumps(payload).encode()
	return b"CSPR" + struct.pack("<II", len(data), crc32c(data)) + data + b"\n"


def hello(pid, seed=0x5EED):
	return {"t": "hello", "version": 1, "pid": pid, "ppid": os.getppid(), "exe": "/nowhere/fake", "argv": ["fake"], "start_ns": 1, "instrumented": True,
		"procs": 2, "seed": seed}


def race(n=1, gids=(7, 6), pc="0x401136", **more):
	finding = {"t": "finding", "n": n, "rule": 1001, "proof": None, "gate": True, "at_ns": 5, "cause": None,
		"parts": [
			{"role": "access", "op": "write", "gid": gids[0], "addr": "0x404040", "size": 4, "pcs": [pc, "0x401200"], "exact": False, "note": None, "objects": []},
			{"role": "previous", "op": "read", "gid": gids[1], "addr": "0x404040", "size": 4, "pcs": [pc, "0x401200"], "exact": False, "note": None, "objects": []}],
		"goroutines": [
			{"gid": gids[0], "parent": 1, "name": "", "state": "running", "blocked_ns": -1, "entry": "0x0", "pcs": ["0x401300"]},
			{"gid": gids[1], "parent": 1, "name": "b", "state": "finished", "blocked_ns": -1, "entry": "0x0", "pcs": ["0x401300"]}],
		"objects": [{"kind": "global", "addr": "0x404040", "size": 4, "gid": 0, "pcs": [], "closed_pcs": [], "cap": 0, "len": 0, "closed": False}], "edges": []}
	finding.update(more)
	return finding


def leak(n=1, gid=9, op="chan send", **more):
	finding = {"t": "finding", "n": n, "rule": 3001, "proof": "P3", "gate": True, "at_ns": 6, "cause": None,
		"parts": [{"role": "blocked", "op": op, "gid": gid, "addr": "0x0", "size": 0, "pcs": ["0x401136"], "exact": False, "note": None,
			"objects": [{"addr": "0x7f0000001000", "kind": "chan"}]}],
		"goroutines": [{"gid": gid, "parent": 1, "name": "", "state": op, "blocked_ns": 1500000000, "entry": "0x0", "pcs": ["0x401300"]}],
		"objects": [{"kind": "chan", "addr": "0x7f0000001000", "size": 96, "gid": 1, "pcs": ["0x401310"], "closed_pcs": [], "cap": 0, "len": 0, "closed": False}],
		"edges": [{"from": {"g": gid}, "to": {"o": "0x7f0000001000"}, "label": "waits to send to", "pcs": []}]}
	finding.update(more)
	return finding


def deadlock(n=1, **more):
	return leak(n=n, gid=1, rule=2001, proof="P2", **more)


def bye():
	return {"t": "bye", "at_ns": 9, "goroutines_started": 3, "goroutines_alive": 0, "findings": 1}


if __name__ == "__main__":
	me = int(sys.argv[2])
	with open(sys.argv[1]) as script, open(f"{os.environ['CSPCHECK_SPOOL']}/{me}.csptrace", "ab", buffering=0) as spool:
		for step in json.load(script):
			if "raw" in step:
				spool.write(bytes.fromhex(step["raw"]))
			elif "half" in step:
				spool.write(record(step["half"])[:20])
			else:
				step["pid"] = me
				spool.write(record(step))
