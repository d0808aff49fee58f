#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A trigger that nearly every sleep of the host fires, and evidence that does not fit: the daemon
# stays idle, nothing is lost, what is withheld is counted, and the triggers still work afterwards.
. "$(dirname "$0")/../lib.sh"

write_config <<-EOF
	[recorder]
	window = 5s
	evidence = 1M
	slow_syscall = 1us
	[trigger storm]
	kind = offcpu
	threshold = 1us
	cooldown = 30s
	[trigger many]
	kind = offcpu
	comm = switches
	threshold = 1us
	cooldown = 4s
	post = 1s
	max_per_hour = 0
EOF
start_frecd
daemon_ms() { # CPU time of frecd alone, not of its workers
	awk -v hz="$(getconf CLK_TCK)" '{ sub(/^.*\) /, ""); print int(($12 + $13) * 1000 / hz) }' "/proc/$frecd_pid/stat"
}
within 10 has_snapshot "*-storm-*" || fail "no snapshot of the storm"
"$workloads/switches" --seconds 30 >/dev/null &
pids+=($!)
before=$(daemon_ms)
sleep 3
used=$(($(daemon_ms) - before))
[ "$used" -lt 300 ] || fail "frecd used $used ms of CPU in 3 s"
[ "$(status "d['events']['lost']")" = 0 ] || fail "lost: $(status "d['events']['lost_by']")"
[ "$(status "d['events']['refused']")" -gt 0 ] || fail "nothing refused"
[ "$(trigger storm fired)" = 1 ] || fail "fired $(trigger storm fired) times in its cooldown"
[ "$(trigger storm suppressed)" -gt 1000 ] || fail "suppressed: $(trigger storm suppressed)"
# more hits than a snapshot keeps must not silence a trigger for ever
again() { [ "$(trigger many fired)" -ge 2 ]; }
within 20 again || fail "the other trigger is dead after $(trigger many fired) and $(trigger many merged) merged"
# a snapshot counts what was refused within its window, not all that ever was
counted() {
	ctl snapshot -o "$work/now.pftrace" >/dev/null && ctl explain "$work/now.pftrace" --json >"$work/why" &&
		[ "$(json "$work/why" "0 < d['window']['refused_within'] < d['window']['refused']")" = true ]
}
within 12 counted || fail "refused within the window: $(json "$work/why" "d['window']")"
n=$(json "$work/why" "format(d['window']['refused_within'], ',')")
ctl explain "$work/now.pftrace" | grep -q "^window .*, $n refused" || fail "$n: $(ctl explain "$work/now.pftrace")"
advised() {
	ctl status | grep -Eq '^warning +[0-9]+ % of the details of the last [0-9]+ s were refused, .*\(1.0 MiB\).*: raise `evidence`'
}
within 20 advised || fail "status does not say what to do about it: $(ctl status)"
[ "$(snapshots "*-storm-*" | wc -l)" = 1 ] || fail "$(snapshots | wc -l) files"
stop_frecd || fail "frecd ended with $?"
