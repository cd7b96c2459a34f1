#!/bin/bash
# Installs every Debian package that building, testing and demonstrating cspcheck needs. Debian 12; safe to repeat.
#   tools/setup.sh            as root, or as a user who may sudo
set -euo pipefail

packages=(
	gcc g++ clang libc6-dev meson ninja-build pkg-config make            # build
	libunwind-dev libdw-dev libelf-dev                                   # stacks and symbols
	libsqlite3-dev libjansson-dev libzstd-dev libxxhash-dev uthash-dev   # the command
	check libsubunit-dev                                                 # unit tests
	spin                                                                 # models of the lock-free protocols
	python3 procps binutils                                              # tests from outside
	strace                                                               # leak checks are tested under it
	systemtap-sdt-dev                                                    # static probes in the runtime
	gdb                                                                  # the runtime's gdb commands are tested
	panicparse                                                           # reads our dumps as Go's, in a test (golang-go would
	                                                                     # read our profiles, but is 445 MB: the test does without)
	libtsan2 libasan8 libubsan1                                          # the runtime under the compilers' own sanitizers
	git ca-certificates dpkg-dev debian-archive-keyring                  # the real-program test fetches Debian sources
)

missing=()
for p in "${packages[@]}"; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
done
if [ ${#missing[@]} -eq 0 ]; then
	echo "setup: all packages are there"
	exit 0
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || { echo "setup: run as root: apt-get install ${missing[*]}" >&2; exit 69; }
	as_root=(sudo)
fi
echo "setup: installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq </dev/null
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null
