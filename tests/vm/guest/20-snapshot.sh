#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A manual snapshot is written to a file of the caller and into the spool.
. /tests/lib

recorder_start
sleep 1 # something to write
frecctl snapshot -o "$dir/x.pftrace" || fail "snapshot -o: status $?"
[ -s "$dir/x.pftrace" ] || fail "the snapshot is empty"
path=$(frecctl snapshot) || fail "snapshot: status $?"
[ -s "$path" ] || fail "no file at '$path'"
case $path in
"$spool"/*.pftrace) ;;
*) fail "'$path' is not in the spool" ;;
esac
recorder_stop || fail "frecd left with status $?"
