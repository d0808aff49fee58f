#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What was stalled before the recorder came, or a reload, fires nothing; what is stalled then does, and
# is told as it was measured. (Linux, told of a window of a multiple of 2 s without CAP_SYS_RESOURCE,
# takes all that was ever stalled for the growth in its first two windows.)
# May run beside others.
. "$(dirname "$0")/../lib.sh"

root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
[ -n "$root" ] || skip "no cgroup v2 is mounted"
[ -r "$root/cpu.pressure" ] || skip "this kernel has no pressure of cgroups (CONFIG_PSI)"
group=$root/frec-test-$$
own_cgroup "$group"

total() { sed -n 's/^some .*total=//p' "$group/cpu.pressure"; } # us
stalled() { [ "$(total)" -ge "$1" ]; }
burn() { # on one CPU
	for _ in 1 2 3; do
		(
			echo "$BASHPID" >"$group/cgroup.procs"
			exec taskset -c 0 sh -c 'while :; do :; done'
		) &
		pids+=($!)
	done
}
burn
within 30 stalled 2500000 || fail "nothing stalls in the cgroup"
for pid in "${pids[@]}"; do
	stop_pid "$pid"
done
pids=()

write_config <<-END
	[trigger once]
	kind = pressure
	pressure = cpu some 1900ms/2s
	unit = frec-test-$$
	cooldown = 1h
END
before=$(total)
start_frecd
# it hardly ever wants a CPU, but the kernel counts for those only that are in use
taskset -c 0 python3 -c 'import os, sys, time
open(sys.argv[1], "w").write(str(os.getpid()))
while True: time.sleep(.2)' "$group/cgroup.procs" &
pids+=($!)
age() { [ "$(status 'd["uptime_ns"]')" -ge "$1" ]; } # ns
quiet() {
	[ "$(trigger once fired)" = 0 ] && return
	[ $(($(total) - before)) -lt 1900000 ] || skip "this host is too busy: what sleeps waits for a CPU"
	fail "$1: $(grep "trigger once" "$work/frecd.log")"
}
within 20 age 3500000000 || fail "no status"
quiet "fired for what was before the start"
reload
age=$(status 'd["uptime_ns"]')
within 20 age $((age + 3500000000)) || fail "no status"
quiet "fired for what was before the reload"

before=$(total)
burn
within 30 has_snapshot "*-once-cpu-0" || fail "nothing fired: $(ctl triggers)"
after=$(total)
ctl explain "$(snapshots "*-once-cpu-0")" --json >"$work/explain" || fail "explain"
json "$work/explain" 'd["trigger"]["text"]' | grep -Eq ": some task stalled for (1\.9[0-9]*|2) s of 2 s" ||
	fail "text: $(json "$work/explain" 'd["trigger"]')"
measured=$(json "$work/explain" 'd["trigger"]["duration_ns"]')
# what little was stalled in the quiet is in it, too
[ "$measured" -ge 1900000000 ] && [ $((measured / 1000)) -le $((after - before + 500000)) ] ||
	fail "measured $measured ns, of $((after - before)) us"
exit 0
