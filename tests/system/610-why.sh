#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# frecctl why: a snapshot and its explanation in one, of a process that hangs and of one that only
# waits for work; the verdict of a trigger's snapshot is in the journal and in the file.
. "$(dirname "$0")/../lib.sh"

write_config <<-EOF
	[recorder]
	window = 5s
	[trigger slow]
	kind = lock
	threshold = 100ms
	comm = guess-worker*
	cooldown = 1h
EOF
start_frecd
"$workloads/deadlock" 60 >"$work/pid" &
dead=$!
pids+=("$dead")
hangs() { ctl why --pid "$dead" --json >"$work/why" && [ "$(json "$work/why" "d['cause']['wait']")" = deadlock ]; }
within 10 hangs || fail "the deadlock: $(json "$work/why" "d.get('cause')")"
[ "$(json "$work/why" "len(d['chain']) == 2 and all('take_other' in l['stack'] for l in d['chain'])")" = true ] ||
	fail "its chain: $(json "$work/why" "d['chain']")"
ctl why --pid "$dead" | tr -s '\n ' ' ' | grep -q '^deadlock: deadlock .* waits for mutex .* is held by deadlock' ||
	fail "in words: $(ctl why --pid "$dead")"
[ "$(ctl list --json | json - "len(d['snapshots']) > 1")" = true ] || fail "its snapshots are not in the spool"
ctl why --pid 4194304 2>"$work/nobody" && fail "why of no process"

# ---- what a trigger's snapshot says of itself is what explain says of it

"$workloads/report_service" --port 0 >"$work/report" &
pids+=($!)
within 5 grep -q ready "$work/report" || fail "no report service"
"$workloads/guess_server" --port 0 --report-port "$(sed -n 's/.*port=\([0-9]*\).*/\1/p' "$work/report")" >"$work/guess" &
pids+=($!)
within 5 grep -q ready "$work/guess" || fail "no guess server"
"$workloads/guess_load" --port "$(sed -n 's/.*port=\([0-9]*\).*/\1/p' "$work/guess")" --seconds 10 >/dev/null &
pids+=($!)
within 20 grep -q 'why slow: ' "$work/frecd.log" || fail "no verdict in the journal"
ctl explain "$(snapshots '*-slow-*')" --json >"$work/explain" || fail "explain"
text=$(json "$work/explain" "d['cause']['text']")
grep -qF "why slow: $text" "$work/frecd.log" || fail "the journal does not say: $text"
[ "$(json "$work/explain" "d['attributes']['frec.verdict.text']")" = "$text" ] || fail "the trace does not say: $text"
ctl export "$(snapshots '*-slow-*')" --format json | grep '"name":"trigger: slow"' | grep -q '"key":"verdict"' ||
	fail "no verdict on the trigger's slice"
case $text in
"report_service "*" slept "*) ;;
*) fail "whose fault: $text" ;;
esac
stop_frecd || fail "frecd ended with $?"
