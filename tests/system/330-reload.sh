#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# SIGHUP: 64 triggers work at once, one more is a mistake that leaves the old in force; a trigger
# that came later fires, the window is not lost by it, and a new syscall mode takes effect.
# May run beside others.
. "$(dirname "$0")/../lib.sh"

section() { # NUMBER
	printf '[trigger t%d]\nkind = futex\nthreshold = 60ms\ncomm = reloads\ncooldown = 0\n' "$1"
}
config() { # NUMBER OF TRIGGERS, MODE
	local i

	{
		printf '[recorder]\nwindow = 60s\nsyscalls = %s\n' "$2"
		for ((i = 1; i <= $1; i++)); do
			section "$i"
		done
	} | write_config
}
said() { grep -q "$1" "$work/frecd.log"; }
n_triggers() { ctl triggers --json | json - "len(d)"; }

config 1 slow
start_frecd
started=$SECONDS
# an old event, to be found again: its name is in no other
cp "$workloads/waits" "$work/old-marker"
cp "$workloads/waits" "$work/reloads"
"$work/old-marker" sleep --ms 20 >/dev/null

config 64 slow
reload
"$work/reloads" lock --ms 100 >/dev/null
all_fired() {
	[ "$(ctl triggers --json | json - "sum(1 for t in d if t['fired'] + t['merged'] + t['suppressed'])")" = 64 ]
}
within 5 all_fired || fail "not all of 64 triggers fired"
within 10 has_snapshot "*-t1-*" || fail "no snapshot"
ctl explain "$(snapshots | head -n 1)" --json >"$work/explain.json"
[ "$(json "$work/explain.json" "d['trigger']['merged']")" = 63 ] || fail "merged: $(json "$work/explain.json" "d['trigger']")"

# one too many: the old stays
config 65 slow
"$frecd" --config "$work/frec.conf" --check-config 2>"$work/said"
[ $? = 2 ] || fail "65 triggers are accepted"
grep -q "$work/frec.conf:[0-9]*: " "$work/said" || fail "65 triggers: said '$(cat "$work/said")'"
kill -HUP "$frecd_pid"
within 5 said "what was in force stays" || fail "a bad configuration is taken"
[ "$(n_triggers)" = 64 ] || fail "$(n_triggers) triggers"
kill -0 "$frecd_pid" || fail "frecd died of a bad configuration"
rejected() { ctl status | grep "^warning .*the old configuration is still in force"; }
rejected | grep -Eq "rejected at 20[0-9-]+T[0-9:]+Z: $work/frec.conf:[0-9]+: \[trigger\]: got 't65', want " ||
	fail "status does not say that it was rejected: $(ctl status)"

# the counts of those that stay, and the window
before=$(trigger t1 fired)
held=$(status "d['window']['held_ns']")
config 2 all
reload
rejected && fail "status still says that it was rejected"
[ "$(trigger t1 fired)" -ge "$before" ] || fail "the counts are gone"
[ "$(status "d['window']['held_ns']")" -ge "$held" ] || fail "the window is gone"
ctl snapshot -o "$work/later.pftrace" >/dev/null || fail "snapshot"
ctl export "$work/later.pftrace" --format json >"$work/events" || fail "export"
grep -q old-marker "$work/events" || fail "the old event is gone"

# mode all: a syscall that never sleeps is in the window; mode off: none
calls() {
	ctl snapshot --last 2s -o "$work/calls.pftrace" >/dev/null
	ctl explain "$work/calls.pftrace" --json | json - "d['attributes'].get('frec.events.syscalls', 0)"
}
dd if=/dev/zero of=/dev/null bs=1 count=20000 2>/dev/null
[ "$(calls)" -gt 40000 ] || fail "mode all: $(calls) syscalls"
config 2 off
reload
sleep 2.1
dd if=/dev/zero of=/dev/null bs=1 count=20000 2>/dev/null
[ "$(calls)" = 0 ] || fail "mode off: $(calls) syscalls"
[ "$(status "d['events']['lost']")" = 0 ] || fail "lost: $(status "d['events']['lost_by']")"
[ $((SECONDS - started)) -lt 60 ] || fail "the old event may have left the window: too slow"
# what the kernel has withheld stays counted
printf '[trigger once]\nkind = futex\nthreshold = 20ms\ncomm = reloads\ncooldown = 1h\n' | write_config
reload
"$work/reloads" lock --ms 60 >/dev/null
within 10 has_snapshot "*-once-*" || fail "no snapshot of once"
for _ in 1 2 3; do
	"$work/reloads" lock --ms 60 >/dev/null
done
withheld() { [ "$(trigger once suppressed)" -ge 2 ]; }
within 5 withheld || fail "suppressed $(trigger once suppressed)"
before=$(trigger once suppressed)
reload
[ "$(trigger once suppressed)" -ge "$before" ] || fail "suppressed: $(trigger once suppressed), was $before"
# what only a restart changes: not wanted by a configuration that the kernel does not take, here for
# want of descriptors
wants_restart() { ctl status | grep -q "^warning .*restart frecd for it to count"; }
larger() { # KIND
	printf '%s\n' "[recorder]" "evidence = 32M" "[trigger once]" "kind = $1" "threshold = 20ms" "comm = reloads" |
		write_config
	kill -HUP "$frecd_pid"
}
free=0
while [ -e "/proc/$frecd_pid/fd/$free" ]; do
	((++free))
done
prlimit --pid "$frecd_pid" --nofile=$((free + 1)): || fail "cannot take descriptors away"
larger request
within 5 said "cannot reload: cannot attach" || fail "reloaded without descriptors"
prlimit --pid "$frecd_pid" --nofile="$(ulimit -Hn):" || fail "cannot give descriptors back"
ctl status | grep -q "^warning .*the old configuration is still in force" || fail "not rejected: $(ctl status)"
wants_restart && fail "a configuration that was rejected wants a restart"
said "at the next start only" && fail "the log says that a rejected configuration counts at the next start"
[ "$(trigger once kind)" = futex ] || fail "$(ctl triggers)"
larger futex
within 5 wants_restart || fail "status does not say that evidence stays as it was: $(ctl status)"
stop_frecd || fail "frecd ended with $?"
