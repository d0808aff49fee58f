#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Somebody sets the clock, forth and back: windows keep their length, cooldowns last as long as before,
# no snapshot is removed for having been taken "before" the others, and recording goes on.
. /tests/lib

recorder_start "max_files = 3" "[trigger ours]" "kind = offcpu" "threshold = 100ms" "comm = waits" \
	"cooldown = 1h" "post = 0"
start=$(date +%s)

# as until_true, but by the clock that nobody sets
until_up() # SECONDS COMMAND...
{
	up=$(($(cut -d . -f 1 /proc/uptime) + $1))
	shift
	while ! "$@" >"$dir/until" 2>&1; do
		[ "$(cut -d . -f 1 /proc/uptime)" -lt $up ] || {
			cat "$dir/until"
			return 1
		}
		sleep 0.2
	done
}

fired() # NUMBER
{
	[ "$(frecctl triggers --json | json fired)" = "$1" ]
}

there()
{
	[ -n "$(find "$spool" -name '*-ours-*.pftrace')" ]
}

/tests/bin/waits sleep --ms 150 >/dev/null || fail "waits"
until_up 20 there || fail "the trigger did not fire"
for seconds in +86400 -172800 +31536000 -63072000 +1; do
	date -s "@$(($(date +%s) + seconds))" >/dev/null || fail "cannot set the clock"
	/tests/bin/waits sleep --ms 150 >/dev/null || fail "waits"
	path=$(frecctl snapshot) || fail "no snapshot with the clock set $seconds s"
	[ -s "$path" ] || fail "$path was removed at once"
	case $path in
	*/"$(date -u +%Y)"-*) ;;
	*) fail "$path with the clock at $(date -u)" ;;
	esac
	frecctl explain "$path" --json >"$dir/why" || fail "explain $path"
	frecctl export "$path" --format json >"$dir/events" || fail "export $path"
	length=$(($(json end_ns <"$dir/why") - $(json start_ns <"$dir/why")))
	[ $length -lt 90000000000 ] || fail "a window of $length ns"
	grep -q '"waits"' "$dir/events" || fail "does not record any more"
done
fired 1 || fail "the cooldown is over: $(frecctl triggers --json)"
[ "$(frecctl triggers --json | json suppressed)" -ge 5 ] || fail "nothing was held back: $(frecctl triggers --json)"
there || fail "the first of a trigger was removed"
[ "$(find "$spool" -name '*.pftrace' | wc -l)" = 3 ] || fail "files: $(ls "$spool")"
[ "$(frecctl status --json | json lost)" = 0 ] || fail "lost: $(frecctl status)"
recorder_stop || fail "frecd left with status $?"
date -s "@$start" >/dev/null
