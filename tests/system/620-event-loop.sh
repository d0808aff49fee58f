#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A proxy waits for its backend, and others come and go meanwhile: most of its time is between them,
# but who asked waits for the backend. In a loop of its own, and in one of short time-outs.
. "$(dirname "$0")/../lib.sh"

write_config <<-END
	[recorder]
	window = 10s
	evidence = 64M
	[trigger asked]
	kind = offcpu
	threshold = 150ms
	comm = asker
	cooldown = 0
END
start_frecd
cat >"$work/proxy" <<'END'
import ctypes, os, select, socket, sys, time

def process(comm, deed):
    pid = os.fork()
    if pid == 0:
        ctypes.CDLL(None).prctl(15, comm, 0, 0, 0)
        deed()
        time.sleep(0.1) # ends after all is over
        os._exit(0)
    return pid

asker, client = socket.socketpair()
upstream, backend = socket.socketpair()
noise, others = socket.socketpair()
chatters = sys.argv[1] == 'chatter'

def answer():
    backend.recv(1)
    time.sleep(0.333)
    backend.send(b'b')

def chatter():
    for _ in range(8 if chatters else 0):
        time.sleep(0.05)
        others.send(b'n')

def proxy():
    poll = select.poll()
    for s in client, upstream, noise:
        poll.register(s, select.POLLIN)
    while True:
        for fd, _ in poll.poll(None if chatters else 50):
            os.read(fd, 1)
            if fd == client.fileno():
                upstream.send(b'q')
            if fd == upstream.fileno():
                client.send(b'r')
                return

def ask():
    time.sleep(0.05) # all the others wait
    asker.send(b'x')
    asker.recv(1)

for pid in [process(*p) for p in ((b'backend', answer), (b'chatter', chatter), (b'proxy', proxy),
                                  (b'asker', ask))]:
    os.waitpid(pid, 0)
END
for kind in chatter time-outs; do
	python3 "$work/proxy" $kind || fail "python3"
	within 5 has_snapshot '*-asked-*' || fail "$kind: no snapshot"
	ctl explain "$(snapshots '*-asked-*' | head -n 1)" --json >"$work/why.json" || fail "explain"
	python3 - "$work/why.json" <<-'END' || fail "$kind: the verdict: $(cat "$work/why.json")"
		import json, sys
		d = json.load(open(sys.argv[1]))
		assert [l['comm'] for l in d['chain']] == ['asker', 'proxy', 'backend'], d['chain']
		assert d['cause']['wait'] in ('sleep', 'runqueue'), d['cause']
	END
	rm "$work"/spool/*
done
