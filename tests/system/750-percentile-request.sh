#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A server whose every 20th answer takes 200 ms: its p99 is over 20 ms, its median is not. What the
# kernel counted lies between what the server and what its clients measured.
# May run beside others.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../real.sh"

cat >"$work/server.py" <<'END'
import json, socket, sys, threading, time

CLIENTS = 3
port, asked = int(sys.argv[1]), int(sys.argv[2]) // CLIENTS
seen = {"server": [], "client": []}

def serve(c):
    for number in range(asked):
        c.recv(100)
        begin = time.monotonic_ns()
        if number % 20 == 19:
            time.sleep(0.2) # longer than a busy host keeps a thread from a CPU
        seen["server"].append(time.monotonic_ns() - begin)
        c.sendall(b"answer")

def ask(c):
    for _ in range(asked):
        begin = time.monotonic_ns()
        c.sendall(b"question")
        c.recv(100)
        seen["client"].append(time.monotonic_ns() - begin)

with open("/proc/self/comm", "w") as f: # of its threads, too
    f.write("frec-server")
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", port))
s.listen(8)
threads = []
for _ in range(CLIENTS):
    c = socket.create_connection(("127.0.0.1", port))
    a, _ = s.accept()
    threads += [threading.Thread(target=serve, args=(a,)), threading.Thread(target=ask, args=(c,))]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(json.dumps(seen))
END
port=$(free_port)
other=$(free_port)
requests=1200
{
	while read -r name filter percentile; do
		printf '[trigger %s]\nkind = percentile\n%s\npercentile = %s\ncooldown = 1h\n' "$name" "${filter/=/ = }" "$percentile"
	done <<-END
		high port=$port request p99 20ms/1s
		mine comm=frec-server request p99 20ms/1s
		median port=$port request p50 20ms/1s
		few port=$port request p99.99 20ms/1s
		above port=$port request p99 10s/1s
		other port=$other request p99 20ms/1s
		nobody comm=frec-nobody request p99 20ms/1s
	END
} | write_config
start_frecd
python3 "$work/server.py" "$port" "$requests" >"$work/seen.json" || fail "the server"

fired=$(ctl triggers --json | json - "sorted(t['name'] for t in d if t['fired'] + t['merged'])")
[ "$fired" = '["high", "mine"]' ] || fail "fired: $fired: $(ctl triggers; ctl status)"

# the snapshot is about the slowest request, explained like any other
within 10 has_snapshot '*' || fail "no snapshot"
file=$(snapshots | head -n 1)
ctl explain "$file" --json >"$work/why.json" || fail "explain"
why() { json "$work/why.json" "$1"; }
[ "$(why "d['trigger']['kind']")" = percentile ] || fail "kind"
why "d['trigger']['text']" | grep -Eq '^request p99 is [0-9.]+ ms, over 20 ms, in the last 1 s: [0-9]+ samples$' ||
	fail "text: $(why "d['trigger']")"
[ "$(why "d['trigger']['server']")" = "127.0.0.1:$port" ] || fail "server: $(why "d['trigger']")"
[ "$(why "d['trigger']['comm']")" = frec-server ] || fail "comm: $(why "d['trigger']")"
[ "$(why "d['cause']['wait']")" = sleep ] || fail "cause: $(why "d['cause']")"
why "d['cause']['text']" | grep -q '^request p99 is .*; frec-server (tid' || fail "cause: $(why "d['cause']")"
[ "$(why "d['attributes']['frec.verdict.text'] == d['cause']['text']")" = true ] || fail "the recorder says else: $(why "d['attributes']['frec.verdict.text']")"
within 5 grep -q "trigger [a-z]*: request p99 is .*, writing a snapshot" "$work/frecd.log" || fail "the log does not say why"
ctl status | grep -Eq 'request of high: p50 .*, p99 .*, max .*; 1,?200 counted' || fail "$(ctl status)"

too_few() { ctl status | grep -Eq '^warning +trigger few has [0-9]+ of 10000 samples in the last 1 s: too few to judge p99.99$'; }
within 5 too_few || fail "status does not say that there are too few: $(ctl status)"

ctl status --json >"$work/status.json"
python3 - "$work/status.json" "$work/seen.json" "$requests" <<'END' || fail "the histograms are wrong"
import json, sys

status, seen, n = json.load(open(sys.argv[1])), json.load(open(sys.argv[2])), int(sys.argv[3])
all_of = {h.get("trigger", h["of"]): h for h in status["histograms"]}
for values in seen.values():
    values.sort()
for name in ("high", "mine"):
    h = all_of[name]
    assert h["of"] == "request" and h["count"] == n, (name, h["count"])
    assert sum(c for _, c in h["buckets"]) == n, name
    for key, share in ("p50_ns", .5), ("p90_ns", .9), ("p99_ns", .99), ("p999_ns", .999), ("max_ns", 1):
        low, high = (seen[side][-(-int(n * share * 1000) // 1000) - 1] for side in ("server", "client"))
        # what the server saw is a part of it, and it is a part of what the client saw
        assert low * .95 <= h[key] <= high * 1.05, (name, key, low, h[key], high)
    assert sum(seen["server"]) <= h["sum_ns"] <= sum(seen["client"]), name
    slow = sum(c for end, c in h["buckets"] if end > 200e6)
    assert slow >= n / 20, (name, slow)
assert all_of["request"]["count"] >= n, all_of["request"] # a trigger that names no port has all looked at
for name in ("other", "nobody"):
    assert all_of[name]["count"] == 0 and all_of[name]["max_ns"] == 0, name
END
