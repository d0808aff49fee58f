#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Two threads whose tids share a place in the table of states are kept apart, and what is known of a
# thread follows it when exec gives it another tid.
. "$(dirname "$0")/../lib.sh"

trigger_of() {
	printf '%s\n' "[trigger $1]" "kind = offcpu" "threshold = 60ms" "comm = $1" "post = 0" \
		"cooldown = 1m"
}
{
	trigger_of place-one
	trigger_of place-two
	trigger_of waits
} | write_config
start_frecd
cat >"$work/places.py" <<'END'
import ctypes, os, sys, threading, time

PLACES = 1 << 14

def fork_as(pid, then):
    """A child of this pid: another may get it before us."""
    for _ in range(200):
        with open('/proc/sys/kernel/ns_last_pid', 'w') as f:
            f.write(str(pid - 1))
        child = os.fork()
        if not child:
            if os.getpid() == pid:
                then()
            os._exit(0)
        if child == pid:
            return
        os.waitpid(child, 0)
    sys.exit('the pid is never free')

def nap(name):
    ctypes.CDLL(None).prctl(15, name.encode(), 0, 0, 0)
    for _ in range(10):
        time.sleep(0.1)
    ctypes.CDLL(None).prctl(15, b'done', 0, 0, 0)

first = os.fork()
if not first:
    nap('place-one')
    os._exit(0)
fork_as(first - PLACES if first > PLACES + 300 else first + PLACES, lambda: nap('place-two'))
threading.Thread(target=os.execv, args=(sys.argv[1], ['waits', 'sleep', '--ms', '100', '--count', '10'])).start()
time.sleep(60)
END
/usr/bin/python3 "$work/places.py" "$workloads/waits" >/dev/null || fail "the programs"
told() {
	[ $(($(trigger "$1" fired) + $(trigger "$1" merged) + $(trigger "$1" suppressed))) = 10 ]
}
for name in place-one place-two waits; do
	within 5 told "$name" || fail "sleeps of $name: $(ctl status --json)"
done
