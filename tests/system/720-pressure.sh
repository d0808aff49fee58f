#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Triggers of kind pressure: threads of a cgroup of their own that share one CPU make one snapshot of
# each; nobody is its subject.
. "$(dirname "$0")/../lib.sh"

root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
[ -n "$root" ] || skip "no cgroup v2 is mounted"
[ -r "$root/cpu.pressure" ] || skip "this kernel has no pressure of cgroups (CONFIG_PSI)"
group=$root/frec-test-$$
own_cgroup "$group"

write_config <<-END
	[trigger short]
	kind = pressure
	pressure = cpu some 300ms/1s
	unit = frec-test-$$
	cooldown = 1h
	[trigger long]
	kind = pressure
	pressure = cpu some 600ms/2s
	unit = /frec-test-$$
	cooldown = 1h
	[trigger never]
	kind = pressure
	pressure = memory full 1s/1s
	unit = frec-test-$$
	[trigger later]
	kind = pressure
	pressure = io some 100ms/1s
	unit = frec-not-there-$$
END
start_frecd
grep -q "trigger short watches $group/cpu.pressure" "$work/frecd.log" || fail "the cgroup is not found"
grep -q "trigger later cannot fire: its cgroup" "$work/frecd.log" || fail "nobody says what is missing"
[ -z "$(snapshots)" ] || fail "a snapshot of nothing"
for _ in 1 2 3; do
	(
		echo "$BASHPID" >"$group/cgroup.procs"
		exec taskset -c 0 sh -c 'while :; do :; done'
	) &
	pids+=($!)
done
within 30 has_snapshot "*-short-cpu-0" || fail "the short one did not fire"
# that of the other is merged into it, or written by itself
fired() {
	[ "$(trigger long fired)" = 1 ] || [ "$(trigger long merged)" = 1 ] || has_snapshot "*-long-cpu-0"
}
within 30 fired || fail "the long one did not fire: $(ctl triggers)"
[ "$(trigger short fired)" = 1 ] || fail "short: fired $(trigger short fired) times"
[ "$(trigger never fired)" = 0 ] || fail "never: fired"

file=$(snapshots "*-short-cpu-0")
ctl explain "$file" --json >"$work/explain" || fail "explain"
json "$work/explain" 'd["trigger"]["text"]' | grep -q "^cpu pressure in ${group#"$root"}: some task stalled for .* of 1 s" ||
	fail "text: $(json "$work/explain" 'd["trigger"]')"
[ "$(json "$work/explain" '"pid" in d["trigger"]')" = false ] || fail "a subject: $(json "$work/explain" 'd["trigger"]')"
json "$work/explain" 'd["cause"]["text"]' | grep -q '^cpu pressure in .*; of [0-9]* CPUs\? .* (.*pid [0-9]*) had [0-9]* %.*; sh (tid [0-9]*) waited .* for a CPU' || fail "cause: $(ctl explain "$file")"
within 5 grep -q "why short: cpu pressure in" "$work/frecd.log" || fail "the log does not say why"
ctl export "$file" --format json >"$work/events"
grep -q '"name":"trigger: short"' "$work/events" || fail "no slice of the trigger"

# what a reload brings is watched, what it takes away is not
sed -i 's/^\[trigger never\]/[trigger anew]/; s/memory full 1s/cpu some 100ms/' "$work/frec.conf"
kill -HUP "$frecd_pid"
within 30 has_snapshot "*-anew-cpu-0" || fail "the trigger of the reload did not fire: $(ctl triggers)"
exit 0
