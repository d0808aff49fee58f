#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# frecctl why of a thread that another one stopped, of processes that ended, and of PID 1.
. /tests/lib

says() { # PATTERN OPTION…: why prints a line like this
	pattern=$1
	shift
	frecctl why "$@" >"$dir/why" 2>&1 || fail "why $*: $(cat "$dir/why")"
	tr -s '\n ' ' ' <"$dir/why" | grep -Eq "$pattern" || fail "why $*: $(cat "$dir/why")"
}
recorder_start
sleep 60 &
sleeper=$!
sleep 0.3
sh -c "kill -STOP $sleeper; exec sleep 60" &
killer=$!
until grep -q '^State:.*T' "/proc/$sleeper/status"; do :; done
sleep 0.3
# a guest without KVM may take too long over the signal to be sure whose it was
says "was stopped for .* and still is, by a signal( that [^ ]* \(tid $killer\) sent|; who sent it is not recorded); .kill -CONT $sleeper. lets it go on" --pid $sleeper
kill -KILL $sleeper
wait $sleeper
says "^[^ ]* \(pid $sleeper\) was killed by SIGKILL" --pid $sleeper
sh -c 'sleep 0.2; exit 3' &
dead=$!
wait $dead
says "^[^ ]* \(pid $dead\) exited with 3; that was" --pid $dead
says "window" --pid 1
kill $killer
recorder_stop || fail "frecd left with status $?"
