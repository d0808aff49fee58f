#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A recorder starts, records, writes a snapshot on demand, stops and leaves nothing behind.
. "$(dirname "$0")/../lib.sh"

write_config <<-EOF
	[recorder]
	window = 5s
EOF
start_frecd
[ "$(status "d['events']['lost']")" = 0 ] || fail "events lost"
path=$(ctl snapshot) || fail "frecctl snapshot"
[ -s "$path" ] || fail "no file $path"
ctl snapshot -o "$work/own.pftrace" >/dev/null || fail "frecctl snapshot -o"
[ "$(ctl list --json | json - "any('$path'.endswith(s['name']) for s in d['snapshots'])")" = true ] || fail "list"
ctl explain "$work/own.pftrace" --json >"$work/explain.json" || fail "explain"
[ "$(json "$work/explain.json" "d['events']['switch'] > 0")" = true ] || fail "no switches"
ctl snapshot --pid 4194304 2>"$work/nobody" && fail "a snapshot of no process"
grep -q 'no process of this number' "$work/nobody" || fail "no process: $(cat "$work/nobody")"
stop_frecd || fail "frecd ended with $?"
[ ! -e "$work/run/control.sock" ] || fail "socket left"
grep -q " $work/run/bpf " /proc/self/mounts && fail "bpffs left"
exit 0
