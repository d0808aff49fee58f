#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# `lock` fires on no wait that is not for a lock, neither outside nor where the process is number 1
# of its pid namespace, so that a flag of 1 looks like an owner.
. "$(dirname "$0")/../lib.sh"

write_config <<-EOF
	[trigger lock]
	kind = lock
	threshold = 50ms
	cooldown = 0
	comm = idle*
	[trigger lock-waits]
	kind = lock
	threshold = 50ms
	cooldown = 0
	comm = waits*
	[trigger lock-sysbench]
	kind = lock
	threshold = 50ms
	cooldown = 0
	comm = sysbench*
	[trigger futex]
	kind = futex
	threshold = 50ms
	comm = idle*
EOF
start_frecd
"$workloads/idle" --seconds 12 --every 200ms >"$work/idle" &
pids+=($!)
unshare --pid --fork --kill-child "$workloads/idle" --seconds 12 --every 150ms >"$work/idle-inner" &
pids+=($!)
for mode in condvar sem futex pipe poll epoll sleep; do
	"$workloads/waits" $mode --ms 120 --count 20 >/dev/null &
	pids+=($!)
done
if command -v sysbench >/dev/null; then
	sysbench threads --threads=4 --time=10 --rate=2 run >/dev/null &
	pids+=($!)
fi
wait "${pids[@]}"
pids=()
[ "$(json "$work/idle" "d['waits'] > 100" 2>/dev/null || tail -n 1 "$work/idle" | json - "d['waits'] > 100")" = true ] ||
	fail "idle did not wait"
[ "$(trigger futex fired)" -ge 1 ] || fail "futex did not see idle's waits"
for name in lock lock-waits lock-sysbench; do
	[ "$(trigger $name fired) $(trigger $name merged) $(trigger $name suppressed)" = "0 0 0" ] ||
		fail "$name fired: $(ls "$work/spool")"
done
# the same triggers do fire on a lock
"$workloads/waits" lock --ms 100 >/dev/null
fired() { [ "$(trigger lock-waits fired)" -ge 1 ]; }
within 5 fired || fail "lock does not fire at all"
stop_frecd || fail "frecd ended with $?"
