#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# `lock` fires on no wait that is not for a lock, neither outside nor where the process is number 1
# of its pid namespace, so that a flag of 1 looks like an owner.
. "$(dirname "$0")/../lib.sh"

# a name that nobody else's threads have; idle's threads have names of their own
own=idlers-$$
cp "$workloads/waits" "$work/$own"

write_config <<-EOF
	[trigger lock]
	kind = lock
	threshold = 50ms
	cooldown = 0
	comm = idle-*
	[trigger lock-waits]
	kind = lock
	threshold = 50ms
	cooldown = 0
	comm = $own
	[trigger lock-sysbench]
	kind = lock
	threshold = 50ms
	cooldown = 0
	comm = sysbench*
	[trigger lock-own]
	kind = lock
	threshold = 50ms
	cooldown = 0
	exe = $work/*
	[trigger futex]
	kind = futex
	threshold = 50ms
	comm = idle-*
EOF
cp "$workloads/idle" "$work/idle-own"
start_frecd
"$work/idle-own" --seconds 12 --every 200ms >"$work/said" &
pids+=($!)
unshare --pid --fork --kill-child "$work/idle-own" --seconds 12 --every 150ms >"$work/said-inner" &
pids+=($!)
for mode in condvar sem futex pipe poll epoll sleep; do
	"$work/$own" $mode --ms 120 --count 20 >/dev/null &
	pids+=($!)
done
if command -v sysbench >/dev/null; then
	sysbench threads --threads=4 --time=10 --rate=2 run >/dev/null &
	pids+=($!)
fi
wait "${pids[@]}"
pids=()
for file in said said-inner; do
	[ "$(tail -n 1 "$work/$file" | json - "d['waits'] > 100")" = true ] || fail "idle did not wait"
done
[ "$(trigger futex fired)" -ge 1 ] || fail "futex did not see idle's waits"
for name in lock lock-waits lock-own lock-sysbench; do
	[ "$(trigger $name fired) $(trigger $name merged) $(trigger $name suppressed)" = "0 0 0" ] ||
		fail "$name fired: $(ls "$work/spool")"
done
# the same triggers do fire on a lock
"$work/$own" lock --ms 100 >/dev/null
fired() { [ "$(trigger lock-waits fired)" -ge 1 ]; }
within 5 fired || fail "lock does not fire at all"
stop_frecd || fail "frecd ended with $?"
