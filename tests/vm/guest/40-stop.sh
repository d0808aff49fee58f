#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Pins outlive a killed daemon; the next one writes what they hold to a snapshot.
# A clean stop leaves none.
. /tests/lib

recorder_start
[ -n "$(pinned)" ] || fail "nothing is pinned below $pins"
kill -KILL "$pid"
wait "$pid"
pid=
[ -n "$(pinned)" ] || fail "the pins died with the daemon"
recorder_start
rescued()
{
	[ -n "$(find "$spool" -name '*-rescue-frecd-*.pftrace')" ]
}
until_true 30 rescued || fail "the window of the killed one is in no snapshot"
recorder_stop || fail "frecd left with status $?"
[ -z "$(pinned)" ] || fail "left behind: $(pinned)"
[ ! -e "$run/control.sock" ] || fail "left behind: control.sock"
