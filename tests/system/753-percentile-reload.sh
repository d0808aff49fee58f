#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A reload lets the histogram of a trigger that stays be; one that comes begins with nothing, also
# where another has counted before it, and does not fire by what that one saw.
# May run beside others.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../real.sh"

port=$(free_port)
cat >"$work/server.py" <<'END'
import socket, sys

with open("/proc/self/comm", "w") as f:
    f.write("frec-server")
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen(8)
c = socket.create_connection(s.getsockname())
a, _ = s.accept()
print("ready", flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        c.sendall(b"question")
        a.recv(100)
        a.sendall(b"answer")
        c.recv(100)
    print("done", line, flush=True)
END
mkfifo "$work/orders"
python3 "$work/server.py" "$port" <"$work/orders" >"$work/out" &
pids+=($!)
exec 9>"$work/orders"
within 10 grep -q ready "$work/out" || fail "no server"
asked=0
ask() { # HOW MANY; a number of its own each time
	echo "$1" >&9
	within 20 grep -q "done $1" "$work/out" || fail "not answered: $1"
	asked=$((asked + $1))
}
one() { # NAME PERCENTILE
	printf '[trigger %s]\nkind = percentile\nport = %s\npercentile = %s\n' "$1" "$port" "$2"
}
configure() {
	write_config
	reload
}
of() { # TRIGGER FIELD
	status "[h['$2'] for h in d['histograms'] if h.get('trigger') == '$1'][0]"
}

{
	one kept "request p99 1s/1h"
	one gone "request p99 1s/1h"
} | write_config
start_frecd
ask 1000
[ "$(of kept count) $(of gone count)" = "1000 1000" ] || fail "$(ctl status)"

# as it was, but for what it may be
configure < <(one kept "request p90 900ms/1h")
[ "$(of kept count)" = 1000 ] || fail "not kept: $(ctl status)"
ask 10
[ "$(of kept count)" = 1010 ] || fail "the reload lost some: $(ctl status)"

# in the place of the one that is gone: any request would fire it
configure < <(
	one kept "request p90 900ms/1h"
	one anew "request p50 1us/1s"
)
[ "$(of anew count) $(of anew max_ns) $(of anew sum_ns) $(of anew buckets)" = "0 0 0 []" ] || fail "it has what others counted: $(ctl status)"
ask 9
[ "$(of kept count) $(of anew count)" = "1019 9" ] || fail "$(ctl status)"
[ "$(trigger anew fired)" = 0 ] || fail "fired, by what was before"
fired() { [ "$(trigger anew fired)" = 1 ]; }
for ((n = 20; n < 50; n++)); do
	fired && break
	ask "$n"
	sleep 0.1
done
fired || fail "did not fire: $(ctl status)"
[ "$(of kept count)" = "$asked" ] || fail "asked $asked: $(ctl status)"

# no trigger of requests: nobody looks at them any more, and nothing is told of those before
ctl status | grep -Eq '^ +request of all servers that triggers look at: p50 |^latency +request of all servers that triggers look at: p50 ' ||
	fail "status does not say of whom: $(ctl status)"
all() { status "[h['count'] for h in d['histograms'] if h['of'] == 'request' and 'trigger' not in h]"; }
before=$(all)
configure < <(printf '[trigger never]\nkind = percentile\npercentile = runqueue p99 1s/1h\n')
[ "$(all)" = "[]" ] || fail "nobody counts, and yet there are $(all)"
ctl status | grep -Eq '^latency +runqueue of all threads: ' || fail "$(ctl status)"
ask 100
configure < <(one kept "request p90 900ms/1h")
[ "$(all)" = "$before" ] || fail "requests were counted for nobody: $before, now $(all)"
