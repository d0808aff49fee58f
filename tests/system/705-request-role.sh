#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A trigger that knows the program only: connections that the program has made are no requests to
# it, also those from before the recorder's start, whoever speaks first; those it has accepted are.
# May run beside others.
. "$(dirname "$0")/../lib.sh"

cat >"$work/other.py" <<'END'
import socket, threading

def talk(c):  # speaks first, as some databases do
    c.sendall(b"greeting")
    while c.recv(100):
        c.sendall(b"row")

s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(16)
print(s.getsockname()[1], flush=True)
while True:
    threading.Thread(target=talk, args=(s.accept()[0],), daemon=True).start()
END
# what it gets it answers after 400 ms with a question; the last is left unanswered
cat >"$work/program.py" <<'END'
import socket, sys, threading, time

def connect():
    return socket.create_connection(("127.0.0.1", int(sys.argv[1])))

def use(c):
    for _ in range(3):
        c.recv(100)
        time.sleep(0.4)
        c.sendall(b"question")

def serve(a):
    a.recv(100)
    time.sleep(0.4)
    a.sendall(b"answer")

before = connect()
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(16)
early = socket.create_connection(s.getsockname())
accepted = s.accept()[0]
print("ready", flush=True)
sys.stdin.readline()
users = [threading.Thread(target=use, args=(c,)) for c in (before, connect())]
for t in users:
    t.start()
for t in users:
    t.join()
time.sleep(1)
print("used", flush=True)
sys.stdin.readline()
early.sendall(b"question")
serve(accepted)
sys.stdin.readline()
END
python3 "$work/other.py" >"$work/port" &
pids+=($!)
within 10 test -s "$work/port" || fail "no server"
mkfifo "$work/orders"
python3 "$work/program.py" "$(cat "$work/port")" <"$work/orders" >"$work/out" &
program=$!
pids+=("$program")
exec 9>"$work/orders"
within 10 grep -q ready "$work/out" || fail "no program"
write_config <<-END
	[trigger own]
	kind = request
	pid = $program
	threshold = 300ms
	cooldown = 1h
	post = 0
END
start_frecd
echo >&9
within 30 grep -q used "$work/out" || fail "the program hangs"
[ "$(trigger own fired)$(trigger own suppressed)" = 00 ] || fail "fired at what the program asks others"
echo >&9
within 10 has_snapshot '*-own-*' || fail "did not fire at what it is asked"
ctl explain "$(snapshots '*-own-*')" --json >"$work/why.json" || fail "explain"
[ "$(json "$work/why.json" "d['trigger']['bytes_in'] == 8 and d['trigger']['bytes_out'] == 6")" = true ] ||
	fail "another request: $(cat "$work/why.json")"
