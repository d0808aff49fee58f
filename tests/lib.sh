# SPDX-License-Identifier: GPL-2.0
# lib.sh - sourced by the system tests: a recorder of their own, and ways to ask it.
#
# $work is the test's directory, removed at its end. Everything that a test starts in the
# background and adds to `pids` is stopped. A failed check ends the test.
# shellcheck shell=bash
set -u

BUILD=${BUILD:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/build}
frecd=$BUILD/frecd
workloads=$BUILD/tests
pids=()
frecd_pid=

fail() {
	echo "FAILED: $*" >&2
	[ -z "$frecd_pid" ] || { echo "--- frecd:"; tail -n 20 "$work/frecd.log"; } >&2
	exit 1
}

skip() {
	echo "$*"
	exit 77
}

[ "$(id -u)" = 0 ] || skip "needs root"
work=$(mktemp -d "${TMPDIR:-/tmp}/frec-test.XXXXXX") || exit 1
chmod 755 "$work"

# can_mount: in a mount namespace of its own; not in a chroot, nor without CAP_SYS_ADMIN.
can_mount() {
	unshare --mount mount -t tmpfs none "$work" 2>/dev/null
}

stop_pid() {
	local until=$((SECONDS + 15))

	kill -CONT "$1" 2>/dev/null
	kill "$1" 2>/dev/null
	while kill -0 "$1" 2>/dev/null; do
		((SECONDS < until)) || kill -KILL "$1" 2>/dev/null
		sleep 0.02
	done
	wait "$1" 2>/dev/null
}

cleanup() {
	local pid mount

	for pid in "${pids[@]}" $frecd_pid; do
		stop_pid "$pid"
	done
	grep -o " $work/[^ ]* bpf " /proc/self/mounts | while read -r mount _; do
		umount -l "$mount" # an opener may still be about to end
	done
	rm -rf --one-file-system "$work"
}
trap cleanup EXIT

# own_cgroup PATH: makes this cgroup; it ends with the test, and with it who is in it.
own_cgroup() {
	mkdir "$1" || skip "cannot make a cgroup"
	group=$1
	trap leave_cgroup EXIT
}

leave_cgroup() {
	local pid

	for pid in $(cat "$group/cgroup.procs"); do
		kill -KILL "$pid"
	done
	within 10 rmdir "$group"
	cleanup
}

# within SECONDS COMMAND…: waits until the command succeeds.
within() {
	local until=$((SECONDS + $1))

	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < until)) || return 1
		sleep 0.05
	done
}

# write_config [FILE]: configuration from stdin, behind the directories of this test.
write_config() {
	cat >"${1:-$work/frec.conf}" - <<-EOF
		[daemon]
		run_directory = $work/run
		pin_directory = $work/run/bpf
		[snapshots]
		directory = $work/spool
		min_free = 0%
		[recorder]
		overhead_budget = 100%
	EOF
	cat >>"${1:-$work/frec.conf}"
}

# write_quiet_config [LINE…]: records with these lines of [recorder] and one trigger, which never fires.
write_quiet_config() {
	printf '%s\n' "[recorder]" "$@" "[trigger never]" "kind = lock" "threshold = 4s" \
		"comm = nobody-has-this" | write_config
}

# take NAME [OPTION…]: a snapshot, $work/NAME.pftrace, and its events, $work/NAME.json.
take() {
	local name=$1

	shift
	ctl snapshot "$@" -o "$work/$name.pftrace" >/dev/null || fail "snapshot $*"
	ctl export "$work/$name.pftrace" --format json >"$work/$name.json" || fail "export"
}

ctl() {
	"$BUILD/frecctl" --run-directory "$work/run" "$@"
}

is_recording() {
	ctl status --json | grep -q '"state": *"recording"'
}

# start_frecd: with $work/frec.conf; returns when it records.
start_frecd() {
	"$frecd" --config "$work/frec.conf" 2>"$work/frecd.log" &
	frecd_pid=$!
	within 20 is_recording || fail "frecd does not record"
}

stop_frecd() {
	local pid=$frecd_pid

	frecd_pid=
	kill "$pid" || return
	wait "$pid"
}

reloads() {
	grep -c 'configuration reloaded' "$work/frecd.log"
}

has_reloaded() {
	[ "$(reloads)" -gt "$1" ]
}

# reload: returns when frecd has taken the configuration again.
reload() {
	local before

	before=$(reloads)
	kill -HUP "$frecd_pid"
	within 10 has_reloaded "$before" || fail "no reload"
}

# json FILE|- EXPRESSION: evaluates a Python expression over the document d.
json() {
	python3 -c 'import json, sys
d = json.load(sys.stdin if sys.argv[1] == "-" else open(sys.argv[1]))
v = eval(sys.argv[2])
print(json.dumps(v) if isinstance(v, (bool, dict, list)) else v)' "$@"
}

status() {
	ctl status --json | json - "$1"
}

# trigger NAME FIELD: a counter of this trigger.
trigger() {
	ctl triggers --json | json - "[t for t in d if t['name'] == '$1'][0]['$2']"
}

# snapshots [GLOB]: paths of the finished snapshots.
snapshots() {
	find "$work/spool" -name "${1:-*}.pftrace" 2>/dev/null | sort
}

has_snapshot() {
	[ -n "$(snapshots "$1")" ]
}
