"""Builds SOURCE instrumented, by each compiler at two levels, links it with libcspcheck (and with libcsprt if asked), and runs each of the
programs it lists: those called clean_ must leave no finding and no loss, those called race_ at least one race and nothing else, those
called exact_ exactly one. With the runtime, on one worker and on several.
usage: run.py [--runtime DIRECTORY:INCLUDES] DIRECTORY_OF_LIBCSPCHECK SOURCE COMPILER..."""
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


def verdict(name, found):
    races = sum(r["t"] == "finding" and r["rule"] in (1001, 1002, 1003) for r in found)
    if name.startswith("clean_"):
        return not found
    return races == len(found) and (races == 1 if name.startswith("exact_") else races >= 1)


def main():
    args = sys.argv[1:]
    runtime = args[1].split(":") if args[0] == "--runtime" else None
    libdir, source, *compilers = args[2 if runtime else 0:]
    includes, libs = [], ["-L" + libdir, "-Wl,-rpath," + libdir, "-lcspcheck"]
    if runtime:
        includes = ["-I" + runtime[1]]
        libs += ["-L" + runtime[0], "-Wl,-rpath," + runtime[0], "-lcsprt"]
    failed = run = 0
    for cc in filter(shutil.which, compilers):
        for level in "-O0", "-O2":
            with tempfile.TemporaryDirectory() as work:
                exe = os.path.join(work, "program")
                subprocess.run([cc, "-std=gnu++17" if "++" in cc else "-std=gnu17", level, "-g", "-fsanitize=thread", "-fno-builtin",
                                "-U_FORTIFY_SOURCE", "-D_GNU_SOURCE", *includes, "-c", source, "-o", exe + ".o"], check=True)
                subprocess.run([cc, exe + ".o", "-o", exe, *libs, "-pthread"], check=True)
                names = subprocess.run([exe], check=True, capture_output=True, text=True).stdout.split()
                for name, procs in ((n, p) for n in names for p in (("1", "3") if runtime else ("1",))):
                    if runtime and procs == "1" and name.startswith(("race_", "exact_")):
                        continue        # the pipe that orders it blocks the only worker
                    spool = os.path.join(work, name + procs)
                    os.mkdir(spool)
                    status = subprocess.run([exe, name], env={**os.environ, "CSPCHECK_SPOOL": spool, "CSPMAXPROCS": procs}, timeout=60,
                                            stdout=subprocess.DEVNULL).returncode
                    found = [r for r in records(spool) if r["t"] in ("finding", "loss")]
                    run += 1
                    if status not in (0, 66) or not verdict(name, found):
                        failed += 1
                        print(f"FAIL {cc} {level} {name} on {procs}: status {status}, {len(found)} records")
                        for r in found:
                            print("    ", json.dumps(r)[:400])
    print(f"{run} runs, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
