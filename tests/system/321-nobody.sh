#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Triggers that mean nobody who is there: log and status say so, and status no longer once somebody is.
# May run beside others.
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
python=$(realpath "$(command -v python3)")
ln -s "$python" "$work/link"
cat >"$work/name.py" <<'END'
import sys, threading

def name(text):
    open(f"/proc/self/task/{threading.get_native_id()}/comm", "w").write(text)

name(sys.argv[1])
threading.Thread(target=lambda: (name(sys.argv[2]), print(1, flush=True), sys.stdin.read())).start()
END
named() { # NAME THREAD OUT: a process of that name, with another thread
	python3 "$work/name.py" "$1" "$2" <"$work/in" >"$3" &
	pids+=($!)
	within 10 test -s "$3" || fail "no process $1"
}
named "frec-t$$" "frec-u$$" "$work/named"
true &
dead=$!
wait $dead

section() { # NAME FILTER…
	printf '[trigger %s]\nkind = %s\nthreshold = 10s\nuid = 4000000000\n' "$1" "$2"
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
	section comm-absent lock "comm = frec-n?$$"
	section comm-there lock "comm = frec-t$$*"
	section thread-there offcpu "comm = ?rec-u$$"
	section exe-absent lock "exe = $work/program"
	section exe-link lock "exe = $work/link"
	section exe-there lock "exe = $python"
	section exe-glob lock "exe = $work/prog*"
} | write_config
start_frecd

warned() { # names of triggers that status warns of
	status "' '.join(w.split()[1] for w in d['warnings'] if w.startswith('trigger '))"
}
want="pid-dead pid-thread unit-absent port-absent path-absent name-absent comm-absent exe-absent exe-link"
[ "$(warned)" = "$want" ] || fail "status: $(ctl status)"
for line in "trigger pid-dead cannot fire: no process $dead lives" \
	"trigger pid-thread cannot fire: $thread is a thread of process $server" \
	"trigger unit-absent cannot fire now: no cgroup (v2) matches its unit" \
	"trigger port-absent sees nobody listen on port $absent now, in the host's network namespace" \
	"trigger path-absent sees nobody listen on $work/absent now, by that name" \
	"trigger name-absent sees nobody listen on @$work/absent now, by that name" \
	"trigger comm-absent sees no thread of the name frec-n?$$ now" \
	"trigger exe-absent sees no file $work/program now, in frecd's mount namespace" \
	"trigger exe-link cannot fire outside of containers: $work/link is a link to $python"; do
	grep -qF "$line" "$work/frecd.log" || fail "the log does not say: $line"
	ctl status | grep -qF "$line" || fail "status does not say: $line"
done
[ "$(grep -c '^.*trigger .*\(cannot fire\|sees n\)' "$work/frecd.log")" = 9 ] || fail "the log says more"

# they come, and the process goes
listen "$absent" "$work/absent" "$work/out2"
mkdir "$group/frec-no-such-unit.service"
cp /bin/true "$work/new"
mv "$work/new" "$work/link"
is() { [ "$(warned)" = "$1" ]; }
within 15 is "pid-dead pid-thread comm-absent exe-absent" || fail "they are there: $(ctl status)"
rmdir "$group/frec-no-such-unit.service"
within 15 is "pid-dead pid-thread unit-absent comm-absent exe-absent" || fail "the unit has gone: $(ctl status)"

# a reload looks at the names again
named "frec-no$$" "frec-u$$" "$work/named2"
kill -HUP "$frecd_pid"
within 15 is "pid-dead pid-thread unit-absent exe-absent" || fail "the name is there: $(ctl status)"
stop_frecd || fail "frecd ended with $?"
