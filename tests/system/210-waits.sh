#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Waits and syscalls in a snapshot agree with what the programs themselves measured: 64 and 32 bit,
# with syscalls = slow, all and off.
. "$(dirname "$0")/../lib.sh"

here=$(dirname "$0")/..

# compare MODE
compare() {
	local mode=$1 what

	write_config <<-EOF
		[recorder]
		window = 20s
		memory = 256M
		evidence = 64M
		syscalls = $mode
		slow_syscall = 200us
	EOF
	start_frecd
	for what in futex2 waitv lock2; do
		"$workloads/waits" $what --count 20 --ms 8 || [ $? = 77 ] || fail "waits $what"
	done >"$work/truth"
	for what in futex lock lock-pi lock-robust lock-shared condvar sem pipe poll epoll sleep vfork; do
		"$workloads/waits" $what --count 20 --ms 8 || fail "waits $what"
	done >>"$work/truth"
	"$workloads/waits" stop --count 20 --ms 8 >>"$work/truth" || fail "waits stop"
	"$workloads/compat" --count 20 --ms 8 >>"$work/truth" || fail "compat"
	"$workloads/compat64" --count 20 --ms 8 >>"$work/truth" || fail "compat64"
	ctl snapshot -o "$work/waits.pftrace" >/dev/null || fail "snapshot"
	ctl export "$work/waits.pftrace" --format json >"$work/waits.json" || fail "export"
	[ "$(ctl explain "$work/waits.pftrace" --json | json - "d['window']['refused'] + d['window']['lost']")" = 0 ] ||
		fail "records refused or lost"
	echo "syscalls = $mode:"
	"$here/truth_waits.py" "$work/waits.json" "$work/truth" $mode || fail "waits with syscalls = $mode"
	"$here/truth_file.py" "$work/waits.json" || fail "the file with syscalls = $mode"
	stop_frecd
}

for mode in ${MODES:-slow all off}; do
	compare $mode
done
