#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every kind of trigger fires on its workload, not on the others, and says who waited, how long,
# for whom, and who woke it.
. "$(dirname "$0")/../lib.sh"

# a name that nobody else's threads have
own=kinds-$$
cp "$workloads/waits" "$work/$own"

write_config <<-EOF
	[recorder]
	window = 2s
	[trigger t-lock]
	kind = lock
	threshold = 60ms
	comm = $own
	cooldown = 0
	max_per_hour = 0
	[trigger t-futex]
	kind = futex
	threshold = 60ms
	comm = $own
	cooldown = 0
	max_per_hour = 0
	[trigger t-syscall]
	kind = syscall
	syscalls = read, poll
	threshold = 60ms
	comm = $own
	cooldown = 0
	max_per_hour = 0
	[trigger t-iowait]
	kind = iowait
	threshold = 60ms
	comm = $own
	cooldown = 0
	max_per_hour = 0
EOF
start_frecd

# counts: NAME=COUNT of each trigger, all that it saw
counts() {
	ctl triggers --json | json - "' '.join('%s=%d' % (t['name'], t['fired'] + t['merged'] + t['suppressed']) for t in d)"
}

# has_fired "BEFORE" TRIGGER…: all of these have, since; $now is what was seen
has_fired() {
	local before=" $1 " name

	now=" $(counts) "
	shift
	for name in "$@"; do
		is_same "$name" && return 1
	done
	return 0
}

is_same() { # TRIGGER: its count is as in $before
	[[ " $before " =~ \ t-$1=([0-9]+)\  ]] && [[ $now == *" t-$1=${BASH_REMATCH[1]} "* ]]
}

# is_written N: more than N snapshots, and none under way
is_written() {
	[ "$(snapshots | wc -l)" -gt "$1" ] &&
		[ "$(grep -c "writing a snapshot" "$work/frecd.log")" = "$(grep -c "snapshot $work" "$work/frecd.log")" ]
}

# is_long: the program came early enough to its wait
is_long() {
	[ "$(head -n 1 "$work/truth" | json - "d['end_ns'] - d['begin_ns'] > 10**8")" = true ]
}

# slow MODE "TRIGGERS THAT FIRE" "ONES THAT MUST NOT" [COMMAND…]: runs waits MODE below COMMAND;
# what it printed is in $work/truth
slow() {
	local mode=$1 fire=$2 quiet=$3 before name files late=0

	shift 3
	until [ "$late" = 10 ]; do
		before=$(counts)
		files=$(snapshots | wc -l)
		"$@" "$work/$own" "$mode" --ms 120 --dir "$work" >"$work/truth" || fail "waits $mode"
		is_long && break
		((++late))
	done
	# shellcheck disable=SC2086 # a list
	within 5 has_fired "$before" $fire || fail "$fire did not fire on waits $mode"
	[ -z "$fire" ] || within 10 is_written "$files" || fail "snapshots are not written"
	now=" $(counts) "
	for name in $quiet; do
		is_same "$name" || fail "$name fired on waits $mode"
	done
}

# is_told: it may take a moment longer than another one's, which ended just before
is_told() {
	local file

	ls -t "$work"/spool/*.pftrace | head -n 2 | while read -r file; do
		ctl export "$file" --format json | grep "\"name\":\"trigger: $trigger\"" && break
	done >"$work/fired"
	[ -s "$work/fired" ]
}

# facts EXPRESSION: over t (what $trigger saw last) and w (the truth). Triggers that fire together
# share a file, and any of them may have given it its name.
facts() {
	within 10 is_told || fail "$trigger: in none of the last snapshots"
	[ "$(python3 -c 'import json, sys
fired = max((json.loads(line) for line in open(sys.argv[1])), key=lambda e: e["ts"])
t = {a["key"]: a["value"] for a in fired["args"]}
w = json.loads(open(sys.argv[2]).readlines()[0])
print(bool(eval(sys.argv[3])))' "$work/fired" "$work/truth" "$1")" = True ] ||
		fail "$trigger: $1: $(cat "$work/fired" "$work/truth")"
}

# the thread may be preempted before and after the wait itself
near="w['end_ns'] - w['begin_ns'] - 15000000 < t['duration_ns'] < w['end_ns'] - w['begin_ns'] + 50000"
woken="t['waker_tid'] == w['waker_tid']"

for mode in lock lock-pi lock-robust lock-shared; do
	slow $mode "lock futex" "syscall iowait"
	trigger=t-lock # t-futex fires at the same moment and is merged into it
	facts "t['pid'] == w['pid'] and t['tid'] == w['tid'] and $near and $woken and \
t['owner_tid'] == w['owner_tid'] and int(str(t['address']), 0) == int(w['addr'], 0)"
done

for mode in futex condvar sem; do
	slow $mode "futex" "lock syscall iowait"
	trigger=t-futex
	facts "t['tid'] == w['tid'] and $near and $woken and 'owner_tid' not in t"
done

for mode in pipe poll; do
	slow $mode "syscall" "lock futex iowait"
	trigger=t-syscall
	facts "t['tid'] == w['tid'] and $near and $woken"
done
slow epoll "" "lock futex syscall iowait"
slow sleep "" "lock futex syscall iowait"
slow vfork "iowait" "lock syscall"
[ "$(json "$work/truth" "d['state']")" = D ] || fail "no D in the truth"
trigger=t-iowait
facts "t['tid'] == w['tid'] and $near"
slow cpuhog "" "lock iowait syscall"

# in a pid namespace of its own: owners are tids of that namespace
for mode in lock lock-recursive lock-errorcheck lock-pi lock-robust lock-shared; do
	slow $mode "lock futex" "syscall iowait" unshare --pid --fork --kill-child
	trigger=t-lock
	facts "t['owner_tid'] == t['waker_tid'] != w['owner_tid'] and $near"
done
[ "$(status "d['events']['lost']")" = 0 ] || fail "lost: $(status "d['events']['lost_by']")"

# only_trigger KIND THRESHOLD: alone, as others would be merged with it
only_trigger() {
	write_config <<-EOF
		[recorder]
		window = 2s
		[trigger t-$1]
		kind = $1
		threshold = $2
		comm = $own
		cooldown = 0
		max_per_hour = 0
	EOF
	kill -HUP "$frecd_pid"
	within 5 is_loaded "$1" || fail "no reload"
}
is_loaded() { ctl triggers --json | grep -q "t-$1"; }

only_trigger offcpu 60ms
for mode in epoll sleep; do
	slow $mode offcpu ""
done
trigger=t-offcpu
facts "t['tid'] == w['tid'] and $near and 'waker_tid' not in t"
before=$(counts)
"$work/$own" sleep --ms 20 >"$work/truth"
[ "$(counts)" = "$before" ] || fail "offcpu fired below its threshold"

only_trigger runqueue 2ms
slow cpuhog runqueue ""
trigger=t-runqueue
facts "t['pid'] == w['pid'] and 2000000 <= t['duration_ns'] <= w['waited_ns'] + 50000000"

stop_frecd || fail "frecd ended with $?"
