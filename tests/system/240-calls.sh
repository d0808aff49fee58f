#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# syscalls = all: every call of a program that counts them is in the snapshot, with its arguments and
# its result.
. "$(dirname "$0")/../lib.sh"

here=$(dirname "$0")/..
count=20000

write_quiet_config "window = 20s" "memory = 128M" "syscalls = all"
start_frecd
# getpriority of a kind that there is not: two arguments of our choice, and -EINVAL
python3 -c 'import ctypes, os, platform, sys
syscall = ctypes.CDLL(None).syscall
nr = {"x86_64": 140, "aarch64": 141}[platform.machine()]
for i in range(1000, 1000 + int(sys.argv[1])):
    syscall(nr, i, i ^ 0x5a5a)
print(os.getpid(), -22, nr)' $count >"$work/truth" || fail "the counting program"
read -r pid result nr <"$work/truth"
take calls
"$here/truth_calls.py" "$work/calls.json" "$pid" $count "$result" "$nr" || fail "calls"
"$here/truth_file.py" "$work/calls.json" || fail "the file"
