#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# With `redact` no command line and no path is in a snapshot; what is told without them still is.
. "$(dirname "$0")/../lib.sh"

write_quiet_config
start_frecd

secret=secret-$$
mkfifo "$work/$secret-fifo"
cp "$workloads/waits" "$work/waits"
work_on() {
	dd if=/dev/zero of="$work/$secret-file" bs=4k count=200 oflag=dsync 2>/dev/null
	python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); s.settimeout(0.1)
try: s.accept()
except OSError: pass' "$work/$secret-$1-socket"
	"$work/waits" lock --ms 50ms >/dev/null
}
sleep 60 <>"$work/$secret-fifo" &
pids+=($!)
bash -c 'sleep 60; :' "$secret-argument" &
pids+=($!)

# told NAME: takes a snapshot of what works on files; is the secret in it?
told() {
	work_on "$1"
	take "$1"
	grep -q "$secret" "$work/$1.json"
}
told open || fail "nothing to be left out: no command line or path in a snapshot"
grep -q "$work/waits" "$work/open.json" || fail "no path of a program"

sed -i 's/^directory.*/&\nredact = yes/' "$work/frec.conf"
reload
! told redacted || fail "left in: $(grep -m 3 "$secret" "$work/redacted.json")"
! grep -q "$work" "$work/redacted.json" || fail "left in: $(grep -m 3 "$work" "$work/redacted.json" | cut -c1-1000)"
grep -q '"name":"wait: lock' "$work/redacted.json" || fail "no waits"
grep -q '"argv":\["waits"\]' "$work/redacted.json" || fail "no names of processes"
