#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# syscalls = all: every call of a program that counts them is in the snapshot, with its arguments and
# its result.
. "$(dirname "$0")/../lib.sh"

here=$(dirname "$0")/..
count=20000

write_config <<-EOF
	[recorder]
	window = 20s
	memory = 128M
	syscalls = all
EOF
start_frecd
# getppid takes no arguments: the registers hold what the caller put there
python3 -c 'import ctypes, os, platform, sys
syscall = ctypes.CDLL(None).syscall
nr = {"x86_64": 110, "aarch64": 173}[platform.machine()]
for i in range(int(sys.argv[1])):
    syscall(nr, i, i ^ 0x5a5a)
print(os.getpid(), syscall(nr, -1), nr)' $count >"$work/truth" || fail "the counting program"
read -r pid ppid nr <"$work/truth"
ctl snapshot -o "$work/calls.pftrace" >/dev/null || fail "snapshot"
ctl export "$work/calls.pftrace" --format json >"$work/calls.json" || fail "export"
"$here/truth_calls.py" "$work/calls.json" "$pid" $count "$ppid" "$nr" || fail "calls"
"$here/truth_file.py" "$work/calls.json" || fail "the file"
