#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tests/run.sh unit|system|vm|fuzz …: runs these tests, a line each, and ends with
# "N passed, N failed, N skipped". A test that exits 77 is skipped; its last line says why.
# TESTS: part of the names of the system tests to run, such as 210, waits or 4*. It is a failure
# when there is no test to run, or none could be run.
set -u

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export BUILD=${BUILD:-$root/build}
case $BUILD in /*) ;; *) BUILD=$root/$BUILD ;; esac
cd "$root" || exit 1
logs=$BUILD/logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0

# tell NAME STATUS SECONDS: a line, and what it counts as
tell() {
	local name=$1 status=$2 log=$logs/${1//\//-}.log

	case $status in
	0)
		passed=$((passed + 1))
		echo "ok   $name ($3 s)"
		;;
	77)
		skipped=$((skipped + 1))
		echo "skip $name: $(tail -n 1 "$log")"
		;;
	*)
		failed=$((failed + 1))
		echo "FAIL $name (status $status, $log)"
		tail -n 25 "$log" | sed 's/^/     /'
		;;
	esac
}

# into_log NAME SECONDS COMMAND…: its output into the log, its status
into_log() {
	local limit=$2 log=$logs/${1//\//-}.log

	shift 2
	timeout -k 10 "$limit" "$@" </dev/null >"$log" 2>&1
}

# may_pass NAME STATUS: is that the end of it? If not, says why it is given a second chance.
may_pass() {
	[ "$2" = 0 ] || [ "$2" = 77 ] && return
	echo "again $1 (status $2): $(grep -m 1 FAILED "$logs/$1.log" || tail -n 1 "$logs/$1.log")"
	return 1
}

# run NAME SECONDS COMMAND…
run() {
	local started=$SECONDS status

	into_log "$@"
	status=$?
	# what drives the real recorder on a host that others use is given a second chance, and says so
	if [ "${again:-}" ] && ! may_pass "$1" $status; then
		into_log "$@"
		status=$?
	fi
	tell "$1" $status $((SECONDS - started))
}

run_unit() {
	local dir test

	for dir in "$BUILD/unit" "$BUILD/sanitize/unit"; do
		for test in "$dir"/test_*; do
			[[ -x $test && $test != *.* ]] && run "${test#"$BUILD"/}" 120 "$test"
		done
	done
}

# beside MANY NAME SECONDS COMMAND…: while others do, so many at a time; how it went is in a file
beside() {
	local many=$1 name=$2

	shift
	while [ "$(jobs -rp | wc -l)" -ge "$many" ]; do
		wait -n
	done
	(
		into_log "$@"
		echo "$? $SECONDS" >"$logs/$name.status"
	) &
	echo "$SECONDS" >"$logs/$name.started"
}

# Tests that say that they may run beside others, three at a time: they wait more than they compute.
run_beside() {
	local test name status ended

	for test; do
		beside 3 "$(basename "$test" .sh)" 240 "$test"
	done
	wait
	for test; do
		name=$(basename "$test" .sh)
		read -r status ended <"$logs/$name.status"
		if may_pass "$name" "$status"; then
			tell "$name" "$status" $((ended - $(<"$logs/$name.started")))
		else
			again='' run "$name" 240 "$test"
		fi
	done
}

run_system() {
	local test name again=1 beside=()

	for test in tests/system/[0-9]*.sh; do
		name=$(basename "$test" .sh)
		# shellcheck disable=SC2053 # a pattern
		[[ $name == *${TESTS:-}* ]] || continue
		if grep -q '^# May run beside others' "$test"; then
			beside+=("$test")
		else
			run "$name" 240 "$test"
		fi
	done
	run_beside "${beside[@]}"
}

# One for each CPU at a time.
run_fuzz() {
	local fuzzer name seeds names=() status ended

	for fuzzer in "$BUILD"/fuzz/fuzz_*; do
		[[ -x $fuzzer && $fuzzer != *.* ]] || continue
		name=$(basename "$fuzzer")
		names+=("$name")
		mkdir -p "$BUILD/corpus/$name"
		seeds=(tests/fuzz/corpus/"$name") # where it begins; what it finds goes into the first one
		[ -d "${seeds[0]}" ] || seeds=()
		beside "$(nproc)" "$name" $((${FUZZ_SECONDS:-5} + 60)) "$fuzzer" \
			-max_total_time="${FUZZ_SECONDS:-5}" -artifact_prefix="$logs/" \
			"$BUILD/corpus/$name" "${seeds[@]}"
	done
	wait
	for name in "${names[@]}"; do
		read -r status ended <"$logs/$name.status"
		tell "$name" "$status" $((ended - $(<"$logs/$name.started")))
	done
}

# Scripts that print a line a test themselves: "ok …", "not ok …" or "skip …".
run_lines() {
	local name=$1 limit=$2 log=$logs/$1.log ok not skip

	shift 2
	timeout -k 10 "$limit" "$@" </dev/null >"$log" 2>&1
	cat "$log"
	ok=$(grep -c '^ok ' "$log") not=$(grep -c '^not ok ' "$log") skip=$(grep -c '^skip ' "$log")
	passed=$((passed + ok)) failed=$((failed + not)) skipped=$((skipped + skip))
	if [ $((ok + not + skip)) = 0 ]; then
		failed=$((failed + 1))
		echo "FAIL $name: no result"
	fi
}

run_vm() {
	run_lines systemd 120 tests/vm/systemd.sh
	run_lines vm 600 tests/vm/run.sh
}

for what in "$@"; do
	before=$((passed + failed + skipped))
	"run_$what"
	if [ $((passed + failed + skipped)) = $before ]; then
		failed=$((failed + 1))
		echo "FAIL $what: no test found"
	fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
