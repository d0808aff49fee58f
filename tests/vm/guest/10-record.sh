#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The recorder starts, records, sees events and holds a window.
. /tests/lib

holds_window()
{
	frecctl status --json >"$dir/status"
	[ "$(json held_ns <"$dir/status")" -gt 0 ] && [ "$(json recorded <"$dir/status")" -gt 0 ]
}

recorder_start
until_true 20 holds_window || fail "no window: $(cat "$dir/status")"
[ "$(json lost <"$dir/status")" = 0 ] || fail "events lost: $(cat "$dir/status")"
recorder_stop || fail "frecd left with status $?"
