#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The recorder is killed under load: the kernel records on, the next one writes the window of the
# former one to a snapshot, and no moment is in neither. What is not whole, or of another version, is
# cleared. A clean stop leaves no pins.
. "$(dirname "$0")/../lib.sh"

write_quiet_config "window = 5s" "memory = 128M"
pins() {
	find "$work/run/bpf" -mindepth 1 ! -name '*.debug' 2>/dev/null
}
said() {
	grep -q -- "$1" "$work/frecd.log"
}
killed() { # …while it recorded
	kill -KILL "$frecd_pid"
	wait "$frecd_pid" 2>/dev/null
}
is_written() {
	[ "$(snapshots '*-rescue-frecd-*' | wc -l)" = "$1" ]
}
named() { # NAME: a process that lives for a moment, so its name is evidence
	cp -f "$(type -P true)" "$work/$1"
	"$work/$1"
}

# ---- killed under load, and started again

start_frecd
first=$frecd_pid
"$workloads/switches" --pairs 2 --rate 5000 --seconds 8 >/dev/null &
pids+=($!)
"$workloads/waits" lock --ms 300ms >/dev/null || fail "waits lock"
named before
is_noted() { # frecd has been at its once-a-second work since then
	[ "$(status "d['uptime_ns']")" -gt 2000000000 ]
}
within 10 is_noted || fail "uptime"
killed
[ -e "$work/run/bpf/control" ] || fail "what was pinned died with the daemon"
named after
start_frecd
within 20 is_written 1 || fail "no snapshot: $(cat "$work/frecd.log")"
snapshot=$(snapshots '*-rescue-frecd-*')
[[ $snapshot == *Z-rescue-frecd-$first.pftrace ]] || fail "named $snapshot"
said "rescuing the window of a recorder that died (pid $first): last sign of life .* ago, switches until 0 ns ago" ||
	fail "not said"
ctl explain "$snapshot" --json >"$work/old.json" || fail "explain"
ctl export "$snapshot" --format json >"$work/old.events" || fail "export"
take new
python3 - "$work/old.json" "$work/old.events" "$work/new.json" <<'PYTHON' || fail "not all of it"
import json, sys
facts = json.load(open(sys.argv[1]))
old = [json.loads(l) for l in open(sys.argv[2], errors='replace')]
new = [json.loads(l) for l in open(sys.argv[3], errors='replace')]
a = facts['attributes']
heartbeat, until, evidence = (a['frec.rescue.' + k] for k in ('heartbeat_ns', 'window_until_ns', 'evidence_until_ns'))
print(facts['trigger'], {k: v for k, v in a.items() if 'rescue' in k}, facts['window'])
assert facts['trigger']['name'] == facts['trigger']['kind'] == 'rescue'
assert heartbeat < until == evidence and abs(facts['window']['end_ns'] - until) < 1e6
assert facts['window']['lost_within'] == 0
names = {e['name'] for e in old if e['type'] == 'thread'}
assert {'before', 'after'} <= names, names
switches = [e['ts'] for e in old if e['type'] == 'switch']
assert sum(t > heartbeat for t in switches) > 1000, 'none after the kill'
assert until - max(switches) < 100e6, (until - max(switches))
ours = [e for e in old if e['type'] == 'slice' and e.get('name', '').startswith('wait: lock')]
assert ours, 'no wait of before'
# what the new one has seen begins before the old one's end
first = {}
for e in new:
    if e['type'] == 'switch':
        first[e['cpu']] = min(e['ts'], first.get(e['cpu'], e['ts']))
for cpu in {e['cpu'] for e in old if e['type'] == 'switch'}:
    print('cpu', cpu, 'is in both for', until - first[cpu], 'ns')
    assert first[cpu] <= until, (cpu, first[cpu], until)
PYTHON
ctl list | grep -q "the recorder died (pid $first)" || fail "list: $(ctl list)"
ctl explain "$snapshot" | grep -q "^rescue     of a recorder that died (pid $first): its last sign of life was .* before the end; waits and stacks are there until the end$" ||
	fail "$(ctl explain "$snapshot")"

# ---- killed again and again: as it starts, as it records, as it rescues

"$workloads/switches" --pairs 2 --rate 5000 --seconds 30 >/dev/null &
pids+=($!)
for ms in 0 50 100 200 300 400 500 600 800 1000; do
	killed
	"$frecd" --config "$work/frec.conf" 2>"$work/frecd.log" &
	frecd_pid=$!
	python3 -c "import time; time.sleep($ms / 1000)"
done
killed
start_frecd
said "rescuing the window of a recorder that died" || fail "nothing to rescue after many kills"
before=$(snapshots '*-rescue-*' | wc -l)
finished() {
	said 'snapshot .*-rescue-frecd-'
}
within 20 finished || fail "no snapshot after many kills: $before"
for snapshot in $(snapshots '*-rescue-*'); do
	ctl explain "$snapshot" --json >/dev/null || fail "$snapshot is not whole"
done
[ -z "$(find "$work/spool" -name '*.tmp')" ] || fail "half a file"
[ "$(status "d['pinned']")" = true ] || fail "not pinned"
[ "$(status "d['events']['lost']")" = 0 ] || fail "events lost"
stop_frecd || fail "frecd ended with $?"
[ -z "$(pins)" ] || fail "pins left: $(pins)"
exit 0
