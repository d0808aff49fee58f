#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Pins outlive a killed daemon and are taken over by the next; a clean stop
# leaves none.
. /tests/lib

recorder_start
[ -n "$(pinned)" ] || fail "nothing is pinned below $pins"
kill -KILL "$pid"
wait "$pid"
pid=
[ -n "$(pinned)" ] || fail "the pins died with the daemon"
recorder_start
recorder_stop || fail "frecd left with status $?"
[ -z "$(pinned)" ] || fail "left behind: $(pinned)"
[ ! -e "$run/control.sock" ] || fail "left behind: control.sock"
