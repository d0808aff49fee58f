#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Who wakes: a timer's interrupt accuses nobody, the writer of a pipe is named; also right after the
# start, when programs were attached in the middle of interrupts.
. "$(dirname "$0")/../lib.sh"

here=$(dirname "$0")/..

write_quiet_config "window = 20s" "memory = 64M"
for round in 1 2 3; do
	start_frecd
	"$workloads/waits" sleep --count 25 --ms 3 >"$work/truth" || fail "waits sleep"
	"$workloads/waits" pipe --count 25 --ms 3 >>"$work/truth" || fail "waits pipe"
	take irq
	"$here/truth_irq.py" "$work/irq.json" "$work/truth" || fail "round $round: wakers"
	stop_frecd
done
