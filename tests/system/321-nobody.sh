#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Triggers that mean nobody who is there: log and status say so, and status no longer once somebody is.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../real.sh"

cgroups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
[ -n "$cgroups" ] || skip "no cgroup v2 is mounted"
own_cgroup "$cgroups/frec-nobody-$$"
cat >"$work/listen.py" <<'END'
import os, socket, sys, threading

def listen(family, address):
    s = socket.socket(family)
    s.bind(address)
    s.listen(1)
    return s

kept = [listen(socket.AF_INET, ("127.0.0.1", int(sys.argv[1]))), listen(socket.AF_UNIX, sys.argv[2]),
        listen(socket.AF_UNIX, "\0" + sys.argv[2])]
threading.Thread(target=lambda: (print(threading.get_native_id(), flush=True), sys.stdin.read())).start()
END
mkfifo "$work/in"
listen() { # PORT PATH OUT
	python3 "$work/listen.py" "$1" "$2" <"$work/in" >"$3" &
	server=$!
	pids+=($server)
	within 10 test -s "$3" || fail "no server"
}
exec 9<>"$work/in"
there=$(free_port)
listen "$there" "$work/there" "$work/out"
thread=$(cat "$work/out")
absent=$(free_port)
true &
dead=$!
wait $dead

section() { # NAME FILTER…
	printf '[trigger %s]\nkind = %s\nthreshold = 10s\ncomm = nobody-has-this\n' "$1" "$2"
	shift 2
	printf '%s\n' "$@"
}
{
	printf '[recorder]\nwindow = 20s\n'
	section pid-dead lock "pid = $dead"
	section pid-there lock "pid = $server"
	section pid-thread lock "pid = $thread"
	section unit-absent lock "unit = frec-no-such-unit.service"
	section unit-there lock "unit = frec-nobody-$$"
	section port-absent request "port = $absent"
	section port-there request "port = $there"
	section path-absent request "port = $work/absent"
	section path-there request "port = $work/there"
	section name-absent request "port = @$work/absent"
	section name-there request "port = @$work/there"
} | write_config
start_frecd

warned() { # names of triggers that status warns of
	status "' '.join(w.split()[1] for w in d['warnings'] if w.startswith('trigger '))"
}
want="pid-dead pid-thread unit-absent port-absent path-absent name-absent"
[ "$(warned)" = "$want" ] || fail "status: $(ctl status)"
for line in "trigger pid-dead cannot fire: no process $dead lives" \
	"trigger pid-thread cannot fire: $thread is a thread of process $server" \
	"trigger unit-absent cannot fire now: no cgroup (v2) matches its unit" \
	"trigger port-absent sees nobody listen on port $absent now, in the host's network namespace" \
	"trigger path-absent sees nobody listen on $work/absent now, by that name" \
	"trigger name-absent sees nobody listen on @$work/absent now, by that name"; do
	grep -qF "$line" "$work/frecd.log" || fail "the log does not say: $line"
	ctl status | grep -qF "$line" || fail "status does not say: $line"
done
[ "$(grep -c '^.*trigger .*\(cannot fire\|sees nobody\)' "$work/frecd.log")" = 6 ] || fail "the log says more"

# they come, and the process goes
listen "$absent" "$work/absent" "$work/out2"
mkdir "$group/frec-no-such-unit.service"
is() { [ "$(warned)" = "$1" ]; }
within 15 is "pid-dead pid-thread" || fail "they are there: $(ctl status)"
rmdir "$group/frec-no-such-unit.service"
within 15 is "pid-dead pid-thread unit-absent" || fail "the unit has gone: $(ctl status)"
stop_frecd || fail "frecd ended with $?"
