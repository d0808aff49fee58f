#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# CPU 1 is unplugged while it records, and comes back; another recorder starts without it.
. "$(dirname "$0")/../lib.sh"

cpu=/sys/devices/system/cpu/cpu1/online
[ -w $cpu ] || skip "CPU 1 cannot be unplugged here"
[ "$(cat $cpu)" = 1 ] || skip "CPU 1 is offline"
back() {
	echo 1 >$cpu
	cleanup
}
trap back EXIT
plug() { # 0|1
	echo "$1" >$cpu || skip "cannot set CPU 1 to $1"
}
busy() { # CPU: something switches there
	taskset -c "$1" "$workloads/switches" --seconds 1 >/dev/null || fail "no load on CPU $1"
}
# switches FILE CPU: how many in the last second before the snapshot
switches() {
	ctl export "$1" --format json | python3 -c '
import json, sys
end = n = 0
for line in sys.stdin:
    if line.startswith("{\"type\":\"clocks\""): end = json.loads(line)["boottime"]
    if line.startswith("{\"type\":\"switch\""):
        e = json.loads(line)
        n += e["cpu"] == int(sys.argv[1]) and e["ts"] > end - 2 * 10**9
print(n)' "$2"
}
windows() {
	status "len(d['window']['per_cpu'])"
}
has_windows() {
	[ "$(windows)" = "$1" ]
}

write_quiet_config
start_frecd
all=$(windows)
busy 1
plug 0
busy 0
path=$(ctl snapshot) || fail "no snapshot without CPU 1"
[ "$(switches "$path" 0)" -gt 1000 ] || fail "CPU 0 is not in it"
[ "$(ctl explain "$path" --json | json - "'cpu1.held_ns' in d['window']")" = true ] || fail "what CPU 1 had is not in it"
plug 1
busy 1
path=$(ctl snapshot) || fail "no snapshot with CPU 1 back"
[ "$(switches "$path" 1)" -gt 1000 ] || fail "CPU 1 is not recorded again"
[ "$(status "d['events']['lost']")" = 0 ] || fail "events lost: $(status "d['events']")"
stop_frecd || fail "frecd ended with $?"

# ---- starts without it

# come: CPU 1 comes while it records; $lost: events there before it had a window
come() {
	local held

	plug 0
	start_frecd
	[ "$(windows)" = $((all - 1)) ] || fail "$(windows) windows, CPU 1 is offline"
	hot=$(status "d['memory']['hot']")
	sleep 1
	plug 1
	taskset -c 1 "$workloads/switches" --seconds 2 >/dev/null &
	within 5 has_windows "$all" || fail "no window for CPU 1"
	grep -q '1 more CPUs are recorded' "$work/frecd.log" || fail "not said"
	[ "$(status "d['memory']['hot'] > $hot")" = true ] || fail "its memory is not counted"
	held=$(status "[c['held_ns'] for c in d['window']['per_cpu'] if c['cpu'] == 1][0] < d['uptime_ns'] - 10**9 // 2")
	[ "$held" = true ] || fail "claims to hold what CPU 1 did before it had a window"
	wait $!
	lost=$(status "d['events']['lost_by']['window']")
	[ "$(status "d['events']['lost']")" = "$lost" ] || fail "events lost: $(status "d['events']")"
}

# it asks for a window with its first event, and gets it unless others have the daemon's CPU
for try in 1 2 3 4; do
	come
	[ "$lost" -lt 10000 ] && break
	stop_frecd || fail "frecd ended with $?"
done
[ "$lost" -lt 10000 ] || fail "$lost events lost until CPU 1 had its window, at try $try"
busy 1
path=$(ctl snapshot) || fail "no snapshot"
[ "$(switches "$path" 1)" -gt 1000 ] || fail "CPU 1 is not recorded"
stop_frecd || fail "frecd ended with $?"
exit 0
