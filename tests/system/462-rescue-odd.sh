#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What a recorder that died has left, where it is not as usual: without another recorder, paused, with
# its evidence full, of another configuration, of another version, not whole, or nothing at all.
. "$(dirname "$0")/../lib.sh"

PATH=$PATH:/usr/sbin
type bpftool >/dev/null || skip "needs bpftool"
write_quiet_config "window = 2s" "evidence = 1M" "slow_syscall = 50us"
pins() {
	find "$work/run/bpf" -mindepth 1 ! -name '*.debug' 2>/dev/null
}
said() {
	grep -q -- "$1" "$work/frecd.log"
}
killed() {
	[ -e "$work/run/bpf/control" ] || fail "not pinned"
	kill -KILL "$frecd_pid"
	wait "$frecd_pid" 2>/dev/null
	frecd_pid=
}
rescue() {
	"$BUILD/frecctl" rescue --config "$work/frec.conf" >"$work/out" 2>"$work/err"
}
is_written() {
	[ "$(snapshots '*-rescue-frecd-*' | wc -l)" = "$1" ]
}
no_rescue() { # WHY: the next recorder says why not, records, and its end leaves no pins
	start_frecd
	said "removed what a recorder that died had left in $work/run/bpf, nothing can be rescued of it: $1" ||
		fail "not said: $1"
	stop_frecd || fail "frecd ended with $?"
	[ -z "$(pins)" ] || fail "pins left: $(pins)"
	is_written 0 || fail "a snapshot of that"
}

# ---- nothing

rescue && fail "rescued nothing"
grep -qx "frecd: nothing to rescue in $work/run/bpf" "$work/err" || fail "$(cat "$work/err")"
start_frecd
said 'rescu\|had left' && fail "found something"
rescue && fail "rescued from one that runs"
grep -qx "frecd: nothing to rescue: a frecd runs in $work/run" "$work/err" || fail "$(cat "$work/err")"

# ---- without another recorder, its evidence full

"$workloads/switches" --pairs 2 --rate 5000 --seconds 30 >/dev/null &
load=$!
pids+=("$load")
recorded() {
	[ "$(status "d['uptime_ns']")" -gt 2500000000 ]
}
within 10 recorded || fail "uptime"
killed
lost() {
	bpftool -j map dump pinned "$work/run/bpf/cpus" |
		json - "sum(k['lost'] for c in d for k in c['formatted']['value']['evidence'])"
}
is_full() {
	[ "$(lost)" -gt 0 ]
}
within 20 is_full || fail "the evidence is not full: $(lost) lost"
"$workloads/waits" lock --ms 300ms >/dev/null || fail "waits lock"
kill "$load"

# a recorder that fails to start leaves it as it is
with_limit() {
	(ulimit "$@" && "$frecd" --config "$work/frec.conf" 2>"$work/frecd.log") && fail "started with $*"
	[ -e "$work/run/bpf/control" ] || fail "nothing is left by one with $*: $(cat "$work/frecd.log")"
}
with_limit -n 40
said 'cannot load the BPF programs' || fail "failed otherwise: $(cat "$work/frecd.log")"

# where it cannot be written, or its disk does not answer and somebody ends it, it can be tried again
rm -r "$work/spool"
touch "$work/spool"
rescue && fail "rescued into no directory"
grep -q "^frecd: what the recorder has left stays in $work/run/bpf: " "$work/err" || fail "$(cat "$work/err")"
rm "$work/spool"
"$BUILD/frecctl" rescue --config "$work/frec.conf" &
rescuer=$!
pids+=("$rescuer")
has_spooler() { # and is not far beyond that
	kill -CONT "$rescuer"
	sleep 0.01
	kill -STOP "$rescuer"
	spooler=$(pgrep -x frecd-spooler -P "$rescuer")
}
within 20 has_spooler || fail "no spooler"
kill -STOP "$spooler"
pids+=("$spooler")
kill "$rescuer"
kill -CONT "$rescuer"
ended() {
	! kill -0 "$rescuer" 2>/dev/null
}
within 10 ended || fail "a signal does not end it"
kill -KILL "$spooler"
[ -e "$work/run/bpf/control" ] || fail "nothing is left"

rescue || fail "frecctl rescue: $(cat "$work/err")"
snapshot=$(cat "$work/out")
[ "$snapshot" = "$(snapshots '*-rescue-frecd-*')" ] || fail "printed $snapshot"
[ -z "$(pins)" ] || fail "pins left: $(pins)"
ctl explain "$snapshot" >"$work/text" || fail "explain"
grep -q '^rescue .*waits and stacks are there until .* before it, when their memory was full' "$work/text" ||
	fail "$(cat "$work/text")"
[ "$(ctl explain "$snapshot" --json | json - "(lambda a, w: a['frec.rescue.heartbeat_ns'] < a['frec.rescue.evidence_until_ns'] < w['end_ns'] - 300e6 and w['lost_within'] > 0)(d['attributes'], d['window'])")" = true ] ||
	fail "$(ctl explain "$snapshot" --json)"
rescue && fail "rescued it twice"
rm "$work"/spool/*

# ---- paused, and of another configuration than the next one's

start_frecd
"$workloads/waits" lock --ms 300ms >/dev/null || fail "waits lock"
ctl pause || fail "pause"
killed
cp "$(type -P sleep)" "$work/later"
"$work/later" 60 & # which nobody has recorded
pids+=($!)
sed -i 's/^window = .*/window = 3s/; s/^evidence = .*/evidence = 2M\nmemory = 8M/' "$work/frec.conf"
start_frecd
within 10 is_written 1 || fail "no snapshot: $(cat "$work/frecd.log")"
ctl explain "$(snapshots)" --json >"$work/paused.json"
[ "$(json "$work/paused.json" "d['attributes']['frec.config.window_ns']")" = 2000000000 ] || fail "whose window?"
ctl export "$(snapshots)" --format json >"$work/paused.events" || fail "export"
grep -q '"name":"waits"' "$work/paused.events" || fail "no thread of before"
! grep '"name":"later"' "$work/paused.events" || fail "a process that came after the end is in it"
[ "$(ctl list --json | json - "[s for s in d['snapshots'] if '-rescue-frecd-' in s['name']] != []")" = true ] || fail "list"
stop_frecd || fail "frecd ended with $?"
[ -z "$(pins)" ] || fail "pins left: $(pins)"
rm "$work"/spool/*

# ---- of another version

start_frecd
killed
python3 - "$work/run/bpf/control" <<'PYTHON' || fail "cannot change the layout"
import json, subprocess, sys
entry = json.loads(subprocess.check_output(['bpftool', '-j', 'map', 'dump', 'pinned', sys.argv[1]]))[0]
value = [int(b, 16) for b in entry['value']]
at = len(value) - 56
assert int.from_bytes(bytes(value[at:at + 8]), 'little') == entry['formatted']['value']['layout']
value[at] ^= 2
subprocess.check_call(['bpftool', 'map', 'update', 'pinned', sys.argv[1], 'key', 'hex', '0', '0', '0', '0',
                       'value', 'hex'] + [f'{b:x}' for b in value])
PYTHON
mv "$work/run/bpf/link_on_sched_switch" "$work/run/bpf/link_on_what_we_have_not" || fail "cannot rename a pin"
no_rescue 'it is of another version'

# ---- not whole: the recorder died as it pinned, or as it removed the former one's pins

for part in control evidence 'hot_window_*' walker; do
	start_frecd
	killed
	# shellcheck disable=SC2086
	rm "$work"/run/bpf/$part
	no_rescue 'it is not all there'
done
start_frecd
killed
rm "$work/run/bpf/control"
rescue && fail "rescued a half"
grep -q 'had left in .*: it is not all there' "$work/err" || fail "$(cat "$work/err")"
[ -z "$(pins)" ] || fail "pins left: $(pins)"

# ---- not to be opened just now: it stays for one that can

start_frecd
killed
for kilobytes in 17000 18000 19000 20000 22000 24000; do
	with_limit -v $kilobytes
done
rescue || fail "frecctl rescue: $(cat "$work/err")"
[ -z "$(pins)" ] || fail "pins left: $(pins)"
exit 0
