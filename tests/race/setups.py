"""setups.c built in several ways and run in several situations; each case names the status and the records it must leave.
usage: setups.py DIRECTORY_OF_LIBCSPCHECK DIRECTORY_OF_LIBCSPRT INCLUDES SOURCE PLUGIN COMPILER..."""
import collections
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from run import records

# name of the build, program, environment, status, records
CASES = [
    ("instrumented", "race", {}, 0, ["1001"]),
    ("no-pie", "race", {}, 0, ["1001"]),
    ("no-pie", "leak", {}, 0, ["leak"]),
    ("instrumented", "race", {"CSPCHECK_RACE": "off"}, 0, []),
    ("instrumented", "deadlock", {"CSPCHECK_RACE": "off"}, 2, ["deadlock"]),
    ("instrumented", "leak", {"CSPCHECK_RACE": "off"}, 0, ["leak"]),
    ("instrumented", "segv", {}, -signal.SIGSEGV, ["1001"]),
    ("instrumented", "abort", {}, -signal.SIGABRT, ["1001"]),
    ("instrumented", "kill", {}, -signal.SIGKILL, ["1001"]),
    ("instrumented", "exec", {}, 0, ["1001", "1001"]),
    ("instrumented", "fork", {}, 0, ["loss"]),
    ("instrumented", "fork_exec", {}, 0, ["1001", "loss"]),
    ("instrumented", "threads", {}, 0, []),
    ("instrumented", "plugin", {}, 0, None),
    ("instrumented", "plugin_clean", {}, 0, []),
    ("plain", "threads", {"preload": "1"}, 0, []),
    ("plain", "race", {"preload": "1"}, 0, []),
    ("plain", "deadlock", {"preload": "1"}, 2, ["deadlock"]),
    ("plain", "leak", {"preload": "1"}, 0, ["leak"]),
    ("plain", "plugin", {"preload": "1"}, 0, None),
    ("static-runtime", "deadlock", {"preload": "1"}, 2, ["deadlock"]),
    ("static-runtime", "leak", {"preload": "1"}, 0, ["leak"]),
    ("static-runtime", "fork", {"preload": "1"}, 0, ["loss"]),
]


def build(cc, work, libs, include, source, plugin):
    check, runtime = libs
    common = [cc, "-std=gnu17", "-g", "-O1", "-D_GNU_SOURCE", "-I" + include]
    tsan = ["-fsanitize=thread", "-fno-builtin", "-U_FORTIFY_SOURCE"]
    paths = ["-L" + runtime, "-L" + check, "-Wl,-rpath," + runtime, "-Wl,-rpath," + check]
    both = ["-Wl,--no-as-needed", "-lcspcheck", "-lcsprt"]

    def make(name, flags, link):
        exe = os.path.join(work, name)
        subprocess.run([*common, *flags, "-c", source, "-o", exe + ".o"], check=True)
        subprocess.run([cc, exe + ".o", "-o", exe, *paths, *link, "-pthread", "-ldl"], check=True)

    make("instrumented", tsan + ["-fPIE"], ["-pie", *both])
    make("no-pie", tsan + ["-fno-pie"], ["-no-pie", *both])
    make("plain", [], ["-lcsprt"])
    make("static-runtime", [], ["-rdynamic", os.path.join(runtime, "libcsprt.a"), "-lunwind"])
    subprocess.run([*common, *tsan, "-fPIC", "-c", plugin, "-o", work + "/plugin.o"], check=True)
    subprocess.run([cc, "-shared", work + "/plugin.o", "-o", work + "/plugin.so"], check=True)


def kind(record):
    if record["t"] == "loss":
        return "loss"
    rule = int(record["rule"])
    return str(rule) if rule < 2000 else {2: "deadlock", 3: "leak"}.get(rule // 1000, str(rule))


def main():
    check, runtime, include, source, plugin, *compilers = sys.argv[1:]
    failed = run = 0
    for cc in filter(shutil.which, compilers):
        with tempfile.TemporaryDirectory() as work:
            build(cc, work, (check, runtime), include, source, plugin)
            for how, program, env, status, want in CASES:
                env = dict(env)
                spool = tempfile.mkdtemp(dir=work)
                if env.pop("preload", None):
                    env["LD_PRELOAD"] = os.path.join(check, "libcspcheck.so")
                p = subprocess.run([os.path.join(work, how), program, work + "/plugin.so"], timeout=60, capture_output=True, text=True,
                                   env={**os.environ, "CSPCHECK_SPOOL": spool, "CSPMAXPROCS": "2", **env})
                found = sorted(kind(r) for r in records(spool) if r["t"] in ("finding", "loss"))
                run += 1
                if p.returncode == status and (want is None and "1001" in found or want is not None and found == sorted(want)):
                    continue
                failed += 1
                print(f"FAIL {cc} {how} {program} {env}: status {p.returncode}, {dict(collections.Counter(found))}, expected {status} {want}")
                for r in records(spool):
                    if r["t"] in ("finding", "loss"):
                        print("    ", str(r)[:300])
                print(p.stderr[-1500:])
    print(f"{run} runs, {failed} failed")
    return failed != 0


sys.exit(main())
