#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Clients that send more after silences make a server seem one that does not answer everything. That
# is forgotten with what it answers: then a request that it leaves unanswered fires again.
. "$(dirname "$0")/../lib.sh"

cat >"$work/cases.py" <<'END'
import socket, sys, threading, time

def pair(s):
    c = socket.create_connection(s.getsockname())
    return c, s.accept()[0]

def ask(c, a):
    c.sendall(b"question")
    a.recv(100)
    a.sendall(b"answer")
    c.recv(100)

def tell(c, a):
    c.sendall(b"more")
    a.recv(100)

def answers(s):  # many on one connection
    c, a = pair(s)
    for _ in range(64 * 18):
        ask(c, a)

def connections(s):  # few on each of many
    for _ in range(18):
        ask(*pair(s))

def run(case, s):
    c, a = pair(s)
    ask(c, a)
    tell(c, a)
    for _ in range(3):
        time.sleep(0.4)
        tell(c, a)
    ask(c, a)
    case(s)

servers = {}
for case in answers, connections:
    servers[case] = socket.create_server(("127.0.0.1", 0))
    print(case.__name__, servers[case].getsockname()[1], flush=True)
print("ready", flush=True)
sys.stdin.readline()
threads = [threading.Thread(target=run, args=each) for each in servers.items()]
for t in threads:
    t.start()
for t in threads:
    t.join()
print("done", flush=True)
kept = [pair(s) for s in servers.values()]
for c, a in kept:
    tell(c, a)
sys.stdin.readline()
END
mkfifo "$work/orders"
python3 "$work/cases.py" <"$work/orders" >"$work/out" &
pids+=($!)
exec 9>"$work/orders"
within 10 grep -q ready "$work/out" || fail "no server"
while read -r case port; do
	[ "$case" != ready ] || break
	printf '[trigger %s]\nkind = request\nport = %s\nthreshold = 300ms\ncooldown = 0\npost = 0\n' \
		"$case" "$port"
done <"$work/out" | write_config
start_frecd
echo >&9
within 30 grep -q done "$work/out" || fail "the cases do not end"
for case in answers connections; do
	within 10 grep -q "trigger $case: a request to .* has not been answered" "$work/frecd.log" ||
		fail "$case: what is never answered did not fire"
done
