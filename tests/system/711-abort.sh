#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# An abort names who called it; a signal that another process sent names that one, if `signals` says
# so. A process that many signals end at once fires once, a thread that ends fires nothing.
# May run beside others.
. "$(dirname "$0")/../lib.sh"

write_config <<-END
	[trigger died]
	kind = exit
	exe = $workloads/dies
	cooldown = 0s
	[trigger ended]
	kind = exit
	signals = TERM, KILL
	comm = dies
	cooldown = 0s
END
start_frecd

run() {
	"$workloads/dies" "$@" &
	pid=$!
}

# dead NAME TRIGGER REGEX: process $pid has one snapshot of that trigger, whose cause is that
dead() {
	local file

	wait "$pid" 2>/dev/null
	within 20 has_snapshot "*-$2-dies-$pid" || fail "$1: no snapshot of $pid: $(ctl triggers)"
	file=$(snapshots "*-$2-dies-$pid")
	ctl explain "$file" --json >"$work/$1.why" || fail "explain"
	json "$work/$1.why" 'd["cause"]["text"]' | grep -Eq "$3" ||
		fail "$1: want '$3': $(json "$work/$1.why" 'd["cause"]')"
	[ "$(snapshots "*-$pid*" | wc -l)" = 1 ] || fail "$1: $(snapshots "*-$pid*")"
}

# asleep: it waits for its end
asleep() {
	grep -q "^State:.S" "/proc/$pid/status" && [ "$(cut -d' ' -f1 "/proc/$pid/syscall")" = "$1" ]
}
pause_nr=$(python3 -c 'import platform; print({"x86_64": 34}.get(platform.machine(), 73))')

run abort 1200
dead abort died "^dies \(pid $pid\) was killed by SIGABRT, which it sent itself, in abort, called by check_it, die, main$"
[ "$(json "$work/abort.why" 'd["subject"]["wall_ns"] > 900e6')" = true ] ||
	fail "not the last second: $(json "$work/abort.why" 'd["subject"]')"

run wait
within 10 asleep "$pause_nr" || fail "it does not wait"
kill -TERM "$pid"
dead term ended "^dies \(pid $pid\) was killed by SIGTERM, sent by [^ ]+ \(pid $$\), in pause, called by die, main$"

run wait
within 10 asleep "$pause_nr" || fail "it does not wait"
kill -KILL "$pid"
kill -TERM "$pid" 2>/dev/null
dead kill ended "^dies \(pid $pid\) was killed by SIGKILL, sent by [^ ]+ \(pid $$\), in pause, called by die, main$"

# by a process that takes itself for the watchdog
run wait
within 10 asleep "$pause_nr" || fail "it does not wait"
python3 -c "import os; open('/proc/self/comm', 'w').write('watchdog'); os.kill($pid, 6)"
dead watchdog died "^dies \(pid $pid\) was killed by SIGABRT, sent by watchdog \(pid [0-9]+\), in pause, called by die, main$"
[ "$(json "$work/watchdog.why" 'd["trigger"]["sender_comm"]')" = watchdog ] ||
	fail "$(json "$work/watchdog.why" 'd["trigger"]')"

# a signal that no trigger is about
run wait
within 10 asleep "$pause_nr" || fail "it does not wait"
kill -HUP "$pid"
wait "$pid" 2>/dev/null
[ "$(trigger died fired) $(trigger ended fired)" = "2 2" ] || fail "fired: $(ctl triggers)"
exit 0
