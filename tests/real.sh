# SPDX-License-Identifier: GPL-2.0
# real.sh - sourced behind lib.sh by the tests that count the stacks of programs as Debian ships them.
# shellcheck shell=bash disable=SC2034,SC2154

# need PROGRAM…: all of them, or the test cannot run.
need() {
	local program

	for program; do
		command -v "$program" >/dev/null || skip "needs $program (make deps)"
	done
}

# free_port: a port of 127.0.0.1 that nobody has now.
free_port() {
	/usr/bin/python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Stacks as shipped. What else happens on the host must neither push them out nor fire triggers.
record() {
	write_config <<-END
		[recorder]
		evidence = 64M
		${1:-}
		[trigger none]
		kind = lock
		threshold = 1s
		comm = nobody
	END
	start_frecd
}

# count NAME=PID…: snapshot now, and counts in $work/NAME.count.
focus=
count() {
	ctl snapshot ${focus:+--pid "$focus"} -o "$work/real.pftrace" >/dev/null || fail "snapshot"
	ctl export "$work/real.pftrace" --format json >"$work/real.json" || fail "export"
	/usr/bin/python3 "$(dirname "${BASH_SOURCE[0]}")/stacks_count.py" "$work/real.json" "$@" \
		>"$work/count" 2>"$work/bad" || fail "count: $(cat "$work/bad")"
	[ -z "${VERBOSE:-}" ] || cat "$work/count" "$work/bad" >&2
}

# expect NAME WAITS STACKS FUNCTION…: at least so many waits and different stacks were there, 95 % of
# either lead to the start, and these functions are in some of them.
expect() {
	local name=$1 waits=$2 kinds=$3 all good distinct whole cut functions f

	shift 3
	read -r _ all good distinct whole cut functions < <(grep "^$name " "$work/count")
	((all >= waits && distinct >= kinds)) ||
		fail "$name: the load made $all waits, $distinct stacks; $waits and $kinds were meant"
	((good * 100 >= all * 95)) || fail "$name: $good of $all waits lead to their start: $(cat "$work/bad")"
	((whole * 100 >= distinct * 95)) ||
		fail "$name: $whole of $distinct stacks lead to their start: $(cat "$work/bad")"
	for f; do
		[[ ,$functions, == *,$f,* ]] || fail "$name: no stack has $f: $functions"
	done
}
