#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Waits and syscalls in a snapshot agree with what the programs themselves measured: 64 and 32 bit,
# with syscalls = slow, all and off.
. "$(dirname "$0")/../lib.sh"

here=$(dirname "$0")/..

# crowded: us that threads of the host have waited for a CPU, or the host for one of its own
crowded() {
	local some steal

	some=$(sed -n 's/^some .*total=//p' /proc/pressure/cpu)
	steal=$(awk '/^cpu / { print $9 }' /proc/stat)
	echo $((${some:-0} + steal * 1000000 / $(getconf CLK_TCK)))
}

# compare MODE
# unregistered: slow, with threads that are not registered for rseq(2)
compare() {
	local mode=${1/unregistered/slow} what begin before share
	local -x GLIBC_TUNABLES=

	[ "$1" != unregistered ] || GLIBC_TUNABLES=glibc.pthread.rseq=0

	write_quiet_config "window = 20s" "memory = 256M" "evidence = 256M" "syscalls = $mode" \
		"slow_syscall = 200us"
	start_frecd
	begin=$(date +%s%6N) before=$(crowded)
	for what in futex2 waitv lock2; do
		"$workloads/waits" $what --count 20 --ms 8 || [ $? = 77 ] || fail "waits $what"
	done >"$work/truth"
	for what in futex lock lock-recursive lock-errorcheck lock-pi lock-robust lock-shared condvar sem pipe poll epoll sleep vfork; do
		"$workloads/waits" $what --count 20 --ms 8 || fail "waits $what"
	done >>"$work/truth"
	"$workloads/waits" stop --count 20 --ms 8 >>"$work/truth" || fail "waits stop"
	"$workloads/compat" --count 20 --ms 8 >>"$work/truth" || fail "compat"
	"$workloads/compat64" --count 20 --ms 8 >>"$work/truth" || fail "compat64"
	share=$((($(crowded) - before) * 100 / ($(date +%s%6N) - begin)))
	take waits
	[ "$(status "d['events']['lost']")" = 0 ] || fail "records lost: $(status "d['events']")"
	# others have used up the evidence
	[ "$(status "d['events']['refused']")" = 0 ] || { stop_frecd && return 75; }
	echo "syscalls = $mode, $share % of the time somebody waited for a CPU:"
	stop_frecd
	"$here/truth_file.py" "$work/waits.json" || fail "the file with syscalls = $mode"
	DISTURBED=$([ "$share" -gt 10 ] && echo yes) \
		"$here/truth_waits.py" "$work/waits.json" "$work/truth" "$1"
}

# 75: others had the CPUs too often to measure anything
for mode in ${MODES:-slow unregistered all off}; do
	for try in 1 2 3; do
		compare $mode
		result=$?
		[ $result = 75 ] || break
	done
	[ $result = 0 ] || fail "waits with syscalls = $mode, round $try"
done
