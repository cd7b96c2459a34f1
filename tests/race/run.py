"""Builds threads.c instrumented, by each compiler, links it with libcspcheck alone, and runs each of its programs: those called clean_
must leave no finding and no loss, those called race_ at least one finding.
usage: run.py DIRECTORY_OF_LIBCSPCHECK SOURCE COMPILER..."""
import json
import os
import shutil
import subprocess
import sys
import tempfile


def records(spool):
    for name in os.listdir(spool):
        data = open(os.path.join(spool, name), "rb").read()
        at = 0
        while data[at:at + 4] == b"CSPR":
            size = int.from_bytes(data[at + 4:at + 8], "little")
            yield json.loads(data[at + 12:at + 12 + size])
            at += 13 + size


def main():
    libdir, source, *compilers = sys.argv[1:]
    failed = run = 0
    for cc in filter(shutil.which, compilers):
        for level in "-O0", "-O2":
            with tempfile.TemporaryDirectory() as work:
                exe = os.path.join(work, "threads")
                subprocess.run([cc, "-std=gnu17", level, "-g", "-fsanitize=thread", "-fno-builtin", "-U_FORTIFY_SOURCE", "-D_GNU_SOURCE",
                                "-c", source, "-o", exe + ".o"], check=True)
                subprocess.run([cc, exe + ".o", "-o", exe, "-L" + libdir, "-lcspcheck", "-pthread", "-Wl,-rpath," + libdir], check=True)
                for name in subprocess.run([exe], check=True, capture_output=True, text=True).stdout.split():
                    spool = os.path.join(work, name)
                    os.mkdir(spool)
                    status = subprocess.run([exe, name], env={**os.environ, "CSPCHECK_SPOOL": spool}, timeout=60,
                                            stdout=subprocess.DEVNULL).returncode
                    found = [r for r in records(spool) if r["t"] in ("finding", "loss")]
                    races = sum(r["t"] == "finding" for r in found)
                    ok = status == 0 and (races > 0 if name.startswith("race_") else not found)
                    run += 1
                    if not ok:
                        failed += 1
                        print(f"FAIL {cc} {level} {name}: status {status}, {races} findings, {len(found) - races} losses")
                        for r in found:
                            print("    ", json.dumps(r)[:400])
    print(f"{run} runs, {failed} failed")
    return failed != 0


sys.exit(main())
