#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A thread of Python serves a request while another computes: it waits for the interpreter's lock, in
# rounds of 5 ms whose time is up. That is no pause, and who had the lock is named; a pause is one.
. "$(dirname "$0")/../lib.sh"

write_config <<-EOF
	[recorder]
	window = 10s
	evidence = 64M
	[trigger turns]
	kind = request
	port = $work/sock
	threshold = 150ms
	cooldown = 0
EOF
start_frecd
cat >"$work/server" <<'EOF'
import ctypes, os, socket, sys, threading, time

kind, path = sys.argv[1:]
try: # one CPU is enough, others may want theirs
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
except PermissionError:
    pass
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
if os.fork() == 0:
    c = socket.socket(socket.AF_UNIX)
    c.connect(path)
    time.sleep(0.2) # both threads wait
    c.send(b'q')
    c.recv(1)
    os._exit(0)

def name(comm):
    ctypes.CDLL(None).prctl(15, comm, 0, 0, 0)

def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass

def compute(comm):
    name(comm)
    asked.wait()
    while not answered:
        pass

def serve():
    global answered
    name(b'turns-serve')
    c, _ = listener.accept()
    c.recv(1)
    asked.set()
    if kind == 'both':
        spin(0.3)
    elif kind == 'pauses':
        for _ in range(6):
            threading.Event().wait(0.08)
    else: # each lets go of the lock
        for _ in range(80 if kind == 'calls' else 40):
            time.sleep(0.0002)
    c.send(b'r')
    answered = True

asked, answered = threading.Event(), False
threads = [threading.Thread(target=serve)]
for i in range(2 if kind == 'three' else 1):
    threads.append(threading.Thread(target=compute, args=(b'turns-compute%d' % i,)))
for t in threads:
    t.start()
for t in threads:
    t.join()
os.wait()
EOF
cat >"$work/check" <<'EOF'
import json, sys

kind, d = sys.argv[1], json.load(open(sys.argv[2]))
parts = {p['wait']: p['ns'] for p in d['subject']['parts']}
futex, sleep = parts.get('futex', 0), parts.get('sleep', 0)
comms = [l['comm'] for l in d['chain']]
if kind == 'pauses':
    told = sleep >= 480e6 and sleep > futex and comms == ['turns-serve']
elif kind == 'both':
    told = futex > 100e6 and futex > 4 * sleep and 'turns-compute' in d['cause']['text']
else:
    told = futex > 100e6 and futex > 4 * sleep and comms[0] == 'turns-serve' and \
        len(comms) == 2 and comms[1].startswith('turns-compute')
sys.exit(not told)
EOF

# explained KIND: is it?
explained() {
	rm -f "$work"/spool/* "$work/sock"
	python3 "$work/server" "$1" "$work/sock" || fail "python3"
	within 20 has_snapshot '*-turns-*' || fail "$1: no snapshot"
	ctl explain "$(snapshots '*-turns-*' | head -n 1)" --json >"$work/why.json" || fail "explain"
	python3 "$work/check" "$1" "$work/why.json"
}

# without that right its threads may wait for a CPU most of the time
for kind in calls both three pauses; do
	explained $kind || explained $kind || explained $kind ||
		fail "$kind: the verdict: $(cat "$work/why.json")"
done
