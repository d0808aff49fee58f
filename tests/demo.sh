#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Records this machine while a server with a latency bug runs, until the trigger has written a
# snapshot, and shows what is in it. BUILD: where the programs are; DEMO_DEADLINE: seconds to wait.
set -u

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${BUILD:-$root/build}
deadline=${DEMO_DEADLINE:-60}
kept=${TMPDIR:-/tmp}/frec-demo
work=
frecd_pid=
pids=()

say() {
	printf 'demo: %s\n' "$*"
}

fail() {
	printf 'demo: %s\n' "$*" >&2
	exit 1
}

# stop PID: asks, and after 10 s insists. Only ever one of our own children.
stop() {
	local until=$((SECONDS + 10))

	kill "$1" 2>/dev/null
	while kill -0 "$1" 2>/dev/null; do
		if ((SECONDS >= until)); then
			kill -KILL "$1" 2>/dev/null
			break
		fi
		sleep 0.05
	done
	wait "$1" 2>/dev/null
}

stop_all() {
	local pid

	for pid in "${pids[@]}" $frecd_pid; do
		stop "$pid"
	done
	pids=()
	frecd_pid=
}

# A frecd that was killed leaves its bpffs mounted.
unmount() {
	local pin=$work/run/bpf

	if grep -qF " $pin bpf " /proc/self/mounts && ! umount "$pin"; then
		printf 'demo: %s is still mounted, remove it by hand\n' "$pin" >&2
		return 1
	fi
}

cleanup() {
	trap '' INT TERM
	stop_all
	if [ -n "$work" ] && unmount; then
		rm -rf --one-file-system "$work"
	fi
}

check() {
	local program

	[[ $deadline =~ ^[1-9][0-9]{0,5}$ ]] ||
		fail "DEMO_DEADLINE: got '$deadline', want whole seconds from 1"
	[ "$(id -u)" = 0 ] || fail "needs root: sudo make demo"
	for program in frecd frecctl tests/guess_server tests/report_service tests/guess_load; do
		[ -x "$build/$program" ] || fail "$build/$program is missing: run make first"
	done
	# root writes there: a directory of root's own, not what somebody else put in its place
	mkdir -m 0755 "$kept" 2>/dev/null
	if [ ! -d "$kept" ] || [ -L "$kept" ] || [ ! -O "$kept" ]; then
		fail "$kept is not a directory of root"
	fi
}

configure() {
	work=$(mktemp -d "${TMPDIR:-/tmp}/frec-demo.XXXXXX") ||
		fail "cannot make a temporary directory"
	# the recorder's worker is not root and passes through
	if ! chmod 0711 "$work" || ! mkdir "$work/run"; then
		fail "cannot write to $work"
	fi
	cat >"$work/frec.conf" <<-EOF
		[daemon]
		run_directory = $work/run
		pin_directory = $work/run/bpf

		[snapshots]
		directory = $work/spool

		[trigger slow-lock]
		kind = lock
		threshold = 100ms
		comm = guess*
		post = 200ms
	EOF
}

frecctl() {
	"$build/frecctl" --run-directory "$work/run" "$@"
}

last_line() {
	tail -n 1 "$1" 2>/dev/null
}

start_recorder() {
	local until=$((SECONDS + 15))

	"$build/frecd" --config "$work/frec.conf" >"$work/frecd.log" 2>&1 &
	frecd_pid=$!
	until frecctl status --json 2>"$work/status.log" | grep -q '"state": *"recording"'; do
		kill -0 "$frecd_pid" 2>/dev/null ||
			fail "frecd ended before it recorded: $(last_line "$work/frecd.log")"
		((SECONDS < until)) || fail "frecd does not record after 15 s:" \
			"$(last_line "$work/frecd.log") $(last_line "$work/status.log")"
		sleep 0.1
	done
	say "frecd records (pid $frecd_pid)"
}

# start_service NAME [OPTIONS]: sets `port` when it listens.
start_service() {
	local name=$1 until=$((SECONDS + 10)) pid

	shift
	: >"$work/$name.out"
	"$build/tests/$name" "$@" >"$work/$name.out" 2>"$work/$name.log" &
	pid=$!
	pids=("$pid" "${pids[@]}")
	until port=$(sed -n 's/^ready port=\([0-9]*\) .*/\1/p' "$work/$name.out") &&
		[ -n "$port" ]; do
		kill -0 "$pid" 2>/dev/null ||
			fail "$name did not start: $(last_line "$work/$name.log")"
		((SECONDS < until)) || fail "$name does not listen after 10 s"
		sleep 0.05
	done
	say "$name listens on port $port (pid $pid)"
}

start_load() {
	"$build/tests/guess_load" --port "$port" --seconds $((deadline + 30)) \
		>"$work/guess_load.out" 2>"$work/guess_load.log" &
	load_pid=$!
	pids=("$load_pid" "${pids[@]}")
	say "guess_load sends 200 requests a second (pid $load_pid)"
}

# Sets `snapshot`: the one that our trigger wrote.
wait_for_snapshot() {
	local until=$((SECONDS + deadline))

	say "waiting for the trigger: a wait for a lock of 100 ms or longer"
	until snapshot=$(frecctl list --json 2>"$work/list.log" |
		grep -o '"path": *"[^"]*slow-lock[^"]*"' | head -n 1 | cut -d '"' -f 4) &&
		[ -n "$snapshot" ]; do
		kill -0 "$frecd_pid" 2>/dev/null ||
			fail "frecd ended: $(last_line "$work/frecd.log")"
		kill -0 "$load_pid" 2>/dev/null ||
			fail "guess_load ended: $(last_line "$work/guess_load.log")"
		((SECONDS < until)) ||
			fail "no snapshot after $deadline s:" \
				"$(last_line "$work/frecd.log") $(last_line "$work/list.log")"
		sleep 0.2
	done
}

keep_snapshot() {
	local file=$kept/${snapshot##*/}

	# it tells about the whole host: not for everybody's eyes
	(umask 077 && cp -- "$snapshot" "$file") || fail "cannot copy the snapshot to $kept"
	# for the browser of whoever called sudo
	[ -z "${SUDO_UID:-}" ] || chown "$SUDO_UID" "$file"
	snapshot=$file
}

show() {
	local summary

	printf '\nclient:   %s\n' "$(last_line "$work/guess_load.out")"
	printf 'snapshot: %s\n\n' "$snapshot"
	summary=$("$build/frecctl" explain "$snapshot" 2>"$work/explain.log") ||
		fail "frecctl explain failed: $(last_line "$work/explain.log")"
	printf '%s\n\n' "$summary"
	printf 'To see it on a time line, open %s at https://ui.perfetto.dev\n' "$snapshot"
}

main() {
	check
	trap cleanup EXIT
	trap 'say interrupted >&2; exit 130' INT
	trap 'say terminated >&2; exit 143' TERM
	configure
	start_recorder
	start_service report_service
	start_service guess_server --report-port "$port"
	start_load
	wait_for_snapshot
	keep_snapshot
	stop_all
	show
}

main "$@"
