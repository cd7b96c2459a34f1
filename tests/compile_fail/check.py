#!/usr/bin/env python3
"""Every wrong use is refused with default flags, by errors on the line marked //@ error and on no other; every right use passes all
warnings. check.py HEADER_DIR SOURCE_DIR COMPILER..."""
import pathlib, re, shutil, subprocess, sys

header_dir, source_dir, compilers = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
failures = tests = 0

def compile_it(command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60)

def fail(what, output):
    global failures
    failures += 1
    print(f'FAIL {what}\n{output}')

def refused(cc, path, include):
    global tests
    tests += 1
    lines = path.read_text().splitlines()
    marked = [i + 1 for i, line in enumerate(lines) if '//@ error' in line]
    run = compile_it([cc, '-std=gnu17', include, header_dir, '-fsyntax-only', str(path)])
    what = f'{cc} {include} {path.name}'
    if run.returncode == 0:
        return fail(f'{what}: compiles', run.stderr)
    if ' error: ' not in run.stderr:
        return fail(f'{what}: no error in the text', run.stderr)
    named = {int(n) for n in re.findall(re.escape(path.name) + r':(\d+):\d+: error', run.stderr)}
    if named != set(marked):
        fail(f'{what}: names lines {sorted(named)}, not {marked}', run.stderr)

def accepted(command, what):
    global tests
    tests += 1
    run = compile_it(command)
    if run.returncode != 0 or run.stderr:
        fail(what, run.stderr)

strict = ['-Wall', '-Wextra', '-Werror', '-Wpedantic', '-Wshadow', '-Wconversion', '-Wcast-qual', '-Wcast-function-type', '-fsyntax-only']
for cc in compilers:
    if not shutil.which(cc):
        print(f'SKIP {cc}: not installed')
        continue
    for path in sorted(source_dir.glob('*.c')):
        if '//@ error' in path.read_text():
            for include in ('-I', '-isystem'):
                refused(cc, path, include)
        else:
            for level in ('-O0', '-O2'):
                for std in ('gnu11', 'gnu17'):
                    accepted([cc, f'-std={std}', level, *strict, '-I', header_dir, str(path)], f'{cc} {std} {level} {path.name}')
    cxx = {'gcc': 'g++', 'clang': 'clang++'}.get(cc)
    if cxx and shutil.which(cxx):
        for path in sorted(source_dir.glob('*.cc')):
            accepted([cxx, '-Wall', '-Wextra', '-Werror', '-Wpedantic', '-fsyntax-only', '-I', header_dir, str(path)], f'{cxx} {path.name}')
print(f'{tests} compilations, {failures} failures')
sys.exit(failures != 0 or tests == 0)
