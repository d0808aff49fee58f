#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Stacks of slow waits and of who ended them; waits that have not ended: a deadlock fires, and is
# shown from both sides; a thread that has slept in read() since before the window is in it.
. "$(dirname "$0")/../lib.sh"

write_config <<-EOF
	[recorder]
	window = 10s
	[trigger dead]
	kind = lock
	threshold = 300ms
	comm = deadlock
	hold = 500ms
	cooldown = 1h
	[trigger guess]
	kind = lock
	threshold = 60ms
	comm = guess*
	cooldown = 1h
EOF
start_frecd

# slices NAME-PREFIX FILE: the begins of slices, one a line
slices() {
	ctl export "$2" --format json | grep '"type":"slice"' | grep '"phase":"begin"' | grep "\"name\":\"$1"
}

# ---- a wait that is ended: the sleeper's stack and the waker's, through a libc without frame pointers

"$workloads/report_service" --port 0 --delay 100ms >"$work/report" &
pids+=($!)
within 5 grep -q ready "$work/report" || fail "no report service"
port=$(sed -n 's/.*port=\([0-9]*\).*/\1/p' "$work/report")
"$workloads/guess_server" --port 0 --report-port "$port" --report-every 300ms >"$work/guess" &
pids+=($!)
within 5 grep -q ready "$work/guess" || fail "no guess server"
port=$(sed -n 's/.*port=\([0-9]*\).*/\1/p' "$work/guess")
"$workloads/guess_load" --port "$port" --seconds 5 >/dev/null &
pids+=($!)
within 15 has_snapshot '*-guess-*' || fail "no snapshot of the slow lock"
ctl explain "$(snapshots '*-guess-*')" --json >"$work/out" || fail "explain"
chain() { [ "$(json "$work/out" "$1")" = true ] || fail "$2: $(json "$work/out" "d['chain']")"; }
chain "'handle_guess' in d['chain'][0]['stack']" "the sleeper's stack"
chain "'start_thread' in d['chain'][0]['stack'] or 'clone3' in d['chain'][0]['stack']" "the sleeper's stack has no end"
chain "'send_report' in d['chain'][0]['waker_stack']" "the waker's stack"
chain "d['chain'][1]['comm'] == 'reporter' and ' 127.0.0.1:' in d['chain'][1]['what']" "the owner's wait"

# ---- a deadlock never ends

mkfifo "$work/fifo"
sleep 30 >"$work/fifo" &
pids+=($!)
cat "$work/fifo" >/dev/null &
reader=$!
pids+=("$reader")
"$workloads/deadlock" 30 >"$work/pid" &
pids+=($!)
within 15 has_snapshot '*-dead-*' || fail "no snapshot of the deadlock"
grep -q 'trigger dead: .* and still does' "$work/frecd.log" || fail "not announced while it lasts"
file=$(snapshots '*-dead-*')
slices 'wait: lock [a-z]* (0x[0-9a-f]*) held by deadlock/' "$file" | grep '"still_waiting"' >"$work/locks"
[ "$(wc -l <"$work/locks")" = 2 ] || fail "open waits: $(cat "$work/locks")"
[ "$(grep -o '"variable","value":"[a-z]*"' "$work/locks" | sort -u | wc -l)" = 2 ] ||
	fail "their names: $(cat "$work/locks")"
[ "$(grep -c take_other "$work/locks")" = 2 ] || fail "their stacks: $(cat "$work/locks")"
[ "$(grep -o '"owner_tid","value":[0-9]*' "$work/locks" | sort -u | wc -l)" = 2 ] ||
	fail "owners: $(cat "$work/locks")"

# ---- and who slept since before the window is in it

ctl snapshot --last 200ms -o "$work/last.pftrace" >/dev/null || fail "snapshot"
slices 'wait: read fd [0-9]* pipe' "$work/last.pftrace" | grep '"still_waiting"' >"$work/reads"
[ -s "$work/reads" ] || fail "reader $reader is not in it: $(slices 'wait: read' "$work/last.pftrace")"
grep -q pipe_read "$work/reads" || grep -q 'kernel' "$work/reads" || fail "no kernel stack: $(cat "$work/reads")"
