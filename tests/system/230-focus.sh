#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# snapshot --pid keeps all switches but only the details of the process and of those it waited for,
# --only drops the rest too, --last reaches back so far.
. "$(dirname "$0")/../lib.sh"

here=$(dirname "$0")/..

write_quiet_config "window = 20s" "memory = 64M" "evidence = 64M"
start_frecd
# the reader sleeps in read until the writer, another process, has slept 3 ms
mkfifo "$work/fifo"
python3 -c 'import sys, time
with open(sys.argv[1], "wb", buffering=0) as f:
    while True: time.sleep(0.003); f.write(b"x")' "$work/fifo" &
partner=$!
pids+=($!)
python3 -c 'import sys
n = 0
with open(sys.argv[1], "rb", buffering=0) as f:
    while f.read(1):
        n += 1
        if n == 50: open(sys.argv[2], "w")' "$work/fifo" "$work/ready" &
reader=$!
pids+=($!)
"$workloads/waits" sleep --ms 3 --count 100000 >"$work/stranger" &
stranger=$!
pids+=($!)
within 20 test -e "$work/ready" || fail "the reader reads nothing"
within 20 test -s "$work/stranger" || fail "the stranger does not sleep"

take whole
take focus --pid $reader
take only --pid $reader --only
take last --last 300ms
"$here/truth_focus.py" "$work/whole.json" "$work/focus.json" "$work/only.json" "$work/last.json" \
	$reader $partner $stranger 300000000 || fail "--pid, --only or --last"
"$here/truth_file.py" "$work/focus.json" || fail "the file of --pid"
