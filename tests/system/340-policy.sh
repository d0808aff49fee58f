#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Cooldown, quotas, post, merging, fire, pause and resume, and the counts of them all.
# May run beside others.
. "$(dirname "$0")/../lib.sh"

write_config <<-EOF
	[recorder]
	window = 20s
	[snapshots]
	max_total = 7
	[trigger cool]
	kind = offcpu
	threshold = 60ms
	comm = cool
	cooldown = 1h
	post = 0
	[trigger hourly]
	kind = offcpu
	threshold = 60ms
	comm = hourly
	cooldown = 0
	post = 0
	max_per_hour = 2
	[trigger post]
	kind = offcpu
	threshold = 60ms
	comm = post
	post = 700ms
	cooldown = 0
	[trigger other]
	kind = offcpu
	threshold = 60ms
	comm = other
	cooldown = 0
	[trigger total]
	kind = offcpu
	threshold = 60ms
	comm = total
	cooldown = 0
EOF
for name in cool hourly post other marker total; do
	cp "$workloads/waits" "$work/$name"
done
start_frecd

run() { # NAME: sleeps longer than the threshold
	"$work/$1" sleep --ms 90 >/dev/null || fail "$1"
}
is() { [ "$(trigger "$1" "$2")" = "$3" ]; }
must() { # NAME FIELD VALUE
	within 5 is "$1" "$2" "$3" || fail "$1: $2 is $(trigger "$1" "$2"), want $3"
}
written() { [ "$(status "d['spool']['written']")" = "$1" ]; }
must_write() { within 10 written "$1" || fail "$(status "d['spool']['written']") written, want $1"; }

run cool
must cool fired 1
run cool
run cool
must cool suppressed 2
must_write 1
[ "$(trigger cool fired)" = 1 ] || fail "fired in its cooldown"

run hourly
must_write 2
run hourly
must_write 3
run hourly
must hourly suppressed 1
[ "$(trigger hourly fired)" = 2 ] || fail "more than max_per_hour"

# post: what comes after the trigger is in it; another trigger meanwhile goes into the same file
run post
"$work/marker" sleep --ms 1 >/dev/null
run other
must_write 4
file=$(snapshots "*-post-*")
ctl export "$file" --format json >"$work/events" || fail "export"
grep -q marker "$work/events" || fail "no event after the trigger"
for name in post other; do
	grep -q "trigger: $name" "$work/events" || fail "no slice of $name"
done
[ "$(trigger other merged) $(trigger other fired)" = "1 0" ] || fail "not merged"
[ "$(ctl explain "$file" --json | json - "d['trigger']['merged']")" = 1 ] || fail "merged is not said"
[ "$(ctl explain "$file" --json | json - "d['trigger']['also']")" = other ] || fail "which was merged is not said"
ctl explain "$file" | grep -Eq '^also fired other: [^ ]+, thread [0-9]+, [0-9.]+ m?s$' || fail "in words: $(ctl explain "$file")"
ctl explain "$file" | grep -Eq '^trigger +post, kind offcpu: .*, [0-9.]+ m?s, threshold 60 ms, 1 more merged$' || fail "in words: $(ctl explain "$file")"
ctl list | grep -F "$(basename "$file" .pftrace)" | grep -q '; also fired: other$' || fail "list: $(ctl list)"

# fire tests any, whatever the quota; pause: nothing is recorded, nothing fires
path=$(ctl fire cool) || fail "fire"
[ -s "$path" ] || fail "fire: no file '$path'"
must_write 5
must cool fired 2
ctl fire nobody 2>/dev/null && fail "fire of no trigger"
ctl pause >/dev/null || fail "pause"
[ "$(status "d['state']")" = paused ] || fail "not paused"
recorded=$(status "d['events']['recorded']")
run other
[ "$(status "d['events']['recorded']")" = "$recorded" ] || fail "recorded while paused"
"$work/other" sleep --ms 1500 >/dev/null & # begins in the pause, ends after it
sleeper=$!
asleep() { [ "$(awk '{ print $3 }' "/proc/$sleeper/stat")" = S ] && [ "$(cat "/proc/$sleeper/comm")" = other ]; }
within 5 asleep || fail "does not sleep"
sleep 0.5
ctl resume >/dev/null || fail "resume"
is_recording || fail "not recording"
wait "$sleeper"
# its time counts from where recording goes on
must other fired 1
must_write 6
waited=$(sed -n 's/.*trigger other: other .* waited \([0-9]*\) ms, writing.*/\1/p' "$work/frecd.log" | tail -n 1)
[ "$waited" -le 1000 ] || fail "the pause counts: waited $waited ms"

# a thread that waits, runs unseen in the pause, and waits again: that is not one long wait
"$work/other" sleep --ms 40 --count 60 >/dev/null &
sleeper=$!
within 5 asleep || fail "does not sleep"
ctl pause >/dev/null
sleep 0.5
ctl resume >/dev/null
wait "$sleeper"
[ "$(trigger other fired) $(trigger other suppressed)" = "1 0" ] || fail "two waits became one"
# but one that lasted all the time is one
"$work/other" sleep --ms 1500 >/dev/null &
sleeper=$!
within 5 asleep || fail "does not sleep"
ctl pause >/dev/null
ctl resume >/dev/null
wait "$sleeper"
must other fired 2
must_write 7

# two manual ones did not count: one more of max_total
run total
must total fired 1
must_write 8
run total
must total suppressed 1
[ "$(status "sum(t['fired'] for t in d['triggers'])")" = 8 ] || fail "status: $(status "d['triggers']")"
[ "$(snapshots | wc -l)" = 8 ] || fail "$(snapshots | wc -l) files"
[ "$(status "d['events']['lost']")" = 0 ] || fail "lost: $(status "d['events']['lost_by']")"
stop_frecd || fail "frecd ended with $?"
