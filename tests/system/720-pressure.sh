#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Triggers of kind pressure: threads of a cgroup of their own that share one CPU make one snapshot of
# each, also where the kernel does not tell and the recorder looks itself; nobody is its subject.
. "$(dirname "$0")/../lib.sh"

root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
[ -n "$root" ] || skip "no cgroup v2 is mounted"
[ -r "$root/cpu.pressure" ] || skip "this kernel has no pressure of cgroups (CONFIG_PSI)"
group=$root/frec-test-$$
own_cgroup "$group"

write_config <<-END
	[trigger looked]
	kind = pressure
	pressure = cpu some 300ms/1s
	unit = frec-test-$$
	cooldown = 1h
	[trigger told]
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
grep -q "trigger looked watches $group/cpu.pressure" "$work/frecd.log" || fail "the cgroup is not found"
grep -q "trigger later cannot fire: its cgroup" "$work/frecd.log" || fail "nobody says what is missing"
[ -z "$(snapshots)" ] || fail "a snapshot of nothing"
for _ in 1 2 3; do
	(
		echo "$BASHPID" >"$group/cgroup.procs"
		exec taskset -c 0 sh -c 'while :; do :; done'
	) &
	pids+=($!)
done
within 30 has_snapshot "*-looked-cpu-0" || fail "nothing fired where the recorder looks"
# that of the other is merged into it, or written by itself
fired() {
	[ "$(trigger told fired)" = 1 ] || [ "$(trigger told merged)" = 1 ] || has_snapshot "*-told-cpu-0"
}
within 30 fired || fail "nothing fired where the kernel may tell: $(ctl triggers)"
[ "$(trigger looked fired)" = 1 ] || fail "looked: fired $(trigger looked fired) times"
[ "$(trigger never fired)" = 0 ] || fail "never: fired"

file=$(snapshots "*-looked-cpu-0")
ctl explain "$file" --json >"$work/explain" || fail "explain"
json "$work/explain" 'd["trigger"]["text"]' | grep -q "^cpu pressure in ${group#"$root"}: some task stalled for .* of 1 s" ||
	fail "text: $(json "$work/explain" 'd["trigger"]')"
[ "$(json "$work/explain" '"pid" in d["trigger"]')" = false ] || fail "a subject: $(json "$work/explain" 'd["trigger"]')"
json "$work/explain" 'd["cause"]["text"]' | grep -q '^cpu pressure in .*; sh (tid [0-9]*) waited .* for a CPU' || fail "cause: $(ctl explain "$file")"
within 5 grep -q "why looked: cpu pressure in" "$work/frecd.log" || fail "the log does not say why"
ctl export "$file" --format json >"$work/events"
grep -q '"name":"trigger: looked"' "$work/events" || fail "no slice of the trigger"

# what a reload brings is watched, what it takes away is not
sed -i 's/^\[trigger never\]/[trigger anew]/; s/memory full 1s/cpu some 100ms/' "$work/frec.conf"
kill -HUP "$frecd_pid"
within 30 has_snapshot "*-anew-cpu-0" || fail "the trigger of the reload did not fire: $(ctl triggers)"
exit 0
