#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Whose waits a histogram counts follows the thread: through a new name, another user, another cgroup
# and another program, and none of them before.
. "$(dirname "$0")/../lib.sh"

root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
[ -n "$root" ] || skip "no cgroup v2 is mounted"
own_cgroup "$root/frec-test-$$"
cp "$(command -v sh)" "$work/frec-exec"
cat >"$work/changes.py" <<'END'
import os, sys, time

os.set_blocking(0, False)

def wait_for_order():  # and for a CPU, again and again
    while True:
        time.sleep(0.002)
        try:
            if os.read(0, 1):
                return
        except BlockingIOError:
            pass

wait_for_order()
with open("/proc/self/comm", "w") as f:
    f.write("frec-renamed")
wait_for_order()
with open(sys.argv[1], "w") as f:
    f.write(str(os.getpid()))
wait_for_order()
os.setuid(54321)
wait_for_order()
os.execv(sys.argv[2], [sys.argv[2], "-c", "while :; do sleep 0.01; done"])
END
mkfifo "$work/orders"
python3 "$work/changes.py" "$group/cgroup.procs" "$work/frec-exec" <"$work/orders" &
pids+=($!)
exec 9>"$work/orders"
one() { # NAME FILTER…
	printf '[trigger %s]\nkind = percentile\npercentile = runqueue p50 1s/1h\n' "$1"
	shift
	printf '%s\n' "$@"
}
{
	one name comm=frec-renamed
	one group "unit=frec-test-$$"
	one user uid=54321
	one program "exe=$work/frec-exec"
	one together "exe=$work/frec-exec" "unit=frec-test-$$" uid=54321 comm=frec-exec
	one not-together "exe=$work/frec-exec" comm=frec-other
	one pid "pid=$!"
} | write_config
start_frecd

# counted: the triggers whose histograms have something in them, by name
counted() {
	status "' '.join(sorted(h['trigger'] for h in d['histograms'] if h.get('trigger') and h['count']))"
}
now() { [ "$(counted)" = "$1" ]; }
within 10 now "pid" || fail "at first: $(counted)"
step() { # WHAT TRIGGERS
	echo >&9
	within 10 now "$2" || fail "$1: $(counted)"
}
step "renamed" "name pid"
step "in a cgroup" "group name pid"
step "another user" "group name pid user"
step "another program" "group name pid program together user"

# that of the whole host is what nobody asked for
[ "$(status "[h['of'] for h in d['histograms'] if 'trigger' not in h]")" = "[]" ] || fail "$(ctl status)"

# what it was is not counted any more
of() {
	status "[h['count'] for h in d['histograms'] if h.get('trigger') == '$1'][0]"
}
grown() {
	[ "$(of program)" -gt "$1" ]
}
renamed=$(of name)
within 10 grown "$(($(of program) + 10))" || fail "it is not counted: $(ctl status)"
[ "$(of name)" = "$renamed" ] || fail "counted under the name that it had: $(ctl status)"
exit 0
