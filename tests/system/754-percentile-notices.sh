#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A server that answers at once, to clients that send a notice after each answer, which needs none, and
# then are silent: that they are is no latency of the server's.
# May run beside others.
. "$(dirname "$0")/../lib.sh"

cat >"$work/server.py" <<'END'
import socket, sys, threading, time

def serve(a):
    while data := a.recv(100):
        if data != b"notice":
            a.sendall(b"answer")

def ask(c):
    for _ in range(30):
        c.sendall(b"question")
        c.recv(100)
        c.sendall(b"notice")
        time.sleep(0.2)

s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
sys.stdin.readline()
threads = []
for _ in range(4):
    c = socket.create_connection(s.getsockname())
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
    threads.append(threading.Thread(target=ask, args=(c,)))
for t in threads:
    t.start()
for t in threads:
    t.join()
print("done", flush=True)
END
mkfifo "$work/orders"
python3 "$work/server.py" <"$work/orders" >"$work/out" &
pids+=($!)
exec 9>"$work/orders"
within 10 test -s "$work/out" || fail "no server"
write_config <<-END
	[trigger half]
	kind = percentile
	percentile = request p50 100ms/2s
	port = $(cat "$work/out")
	post = 0
END
start_frecd
echo >&9
within 30 grep -q done "$work/out" || fail "the clients do not end"
[ "$(status "[h for h in d['histograms'] if h.get('trigger') == 'half'][0]['count'] >= 100")" = true ] ||
	fail "not counted: $(ctl status)"
[ "$(trigger half fired)" = 0 ] || fail "fired for what the clients took: $(ctl status)"
