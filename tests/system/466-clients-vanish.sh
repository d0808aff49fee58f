#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Clients that disappear at random moments of their snapshot, flood, or pass what lingers when it is
# closed: the recorder turns, answers others, and keeps no descriptor, file or worker of theirs.
# May run beside others.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../torture.sh"

write_quiet_config "window = 2s" "memory = 8M"
start_frecd
ctl snapshot >/dev/null || fail "frecctl snapshot"
before=$(fds)
cat >"$work/client.py" <<'EOF2'
import array, json, os, socket, sys
path = sys.argv[1] + '/run/control.sock'

def connect():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(20)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    s.connect(path)
    return s

def send(s, message, fds=()):
    data = message if isinstance(message, bytes) else json.dumps(message).encode()
    s.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else [])

def status():
    with connect() as s:
        send(s, {'command': 'status'})
        return json.loads(s.recv(1 << 20))
EOF2

# ---- gone in the middle: closed or killed, with an output or without, alone or many at once

cat >"$work/vanish.py" <<'EOF2'
import fcntl, os, random, signal, sys, tempfile, time
from client import connect, send, status
work, rounds = sys.argv[1], int(sys.argv[2])

def output(kind):
    if kind == 'memory':
        return os.memfd_create('x', os.MFD_ALLOW_SEALING)
    if kind == 'sealed':  # nobody can write to it
        fd = os.memfd_create('x', os.MFD_ALLOW_SEALING)
        fcntl.fcntl(fd, 1033, 8)  # F_ADD_SEALS, F_SEAL_WRITE
        return fd
    fd, name = tempfile.mkstemp(dir=work)
    os.unlink(name)
    if kind == 'append':
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
    return fd

def client(kind, wait):
    s = connect()
    fds = [] if kind == 'spool' else [output(kind)]
    send(s, {'command': 'snapshot', **({'pid': os.getppid()} if random.random() < .3 else {})}, fds)
    if kind == 'truncate':
        time.sleep(wait / 2)
        os.ftruncate(fds[0], 0)
    time.sleep(wait)

for n in range(rounds):
    children = []
    for _ in range(random.choice((1, 1, 3))):
        kind = random.choice(('spool', 'spool', 'memory', 'sealed', 'append', 'truncate'))
        wait = random.uniform(0, 0.3)
        pid = os.fork()
        if not pid:
            try:
                client(kind, wait if random.random() < .5 else 60)
            finally:
                os._exit(0)
        children.append(pid)
    time.sleep(random.uniform(0, 0.3))
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
assert status()['ok']
EOF2
PYTHONPATH=$work python3 "$work/vanish.py" "$work" "$(rounds 20 300)" || fail "clients that vanish"
no_worker() {
	! pgrep -P "$frecd_pid" -x frecd-worker
}
within 30 no_worker || fail "a worker goes on for nobody"
ctl snapshot >/dev/null || fail "no snapshot behind them"
within 10 few_fds "$before" || fail "$(fds) descriptors, $before before: $(ls -l "/proc/$frecd_pid/fd")"

# ---- a flood of requests, and of descriptors

cat >"$work/flood.py" <<'EOF2'
import os, random, sys
from client import connect, send
null = [os.open('/dev/null', os.O_RDWR) for _ in range(200)]
while True:
    try:
        with connect() as s:
            s.setblocking(False)
            for _ in range(20):
                send(s, random.choice(({'command': 'status'}, {'command': 'snapshot'}, {'command': 'list'}, b'{')),
                     random.choice(([], null[:1], null)))
    except OSError:
        pass
EOF2
flood=()
for _ in 1 2 3; do
	PYTHONPATH=$work python3 "$work/flood.py" "$work" &
	flood+=($!)
done
pids+=("${flood[@]}")
for ((n = $(rounds 20 500); n > 0; n--)); do
	timeout 20 "$BUILD/frecctl" --run-directory "$work/run" status >/dev/null
	[ $? != 124 ] || fail "no answer while others flood"
done
for pid in "${flood[@]}"; do
	stop_pid "$pid"
done
within 10 ctl status || fail "no answer after the flood"

# ---- the last descriptor of a socket that lingers: closing it would take for ever

cat >"$work/linger.py" <<'EOF2'
import os, socket, struct, sys, time
from client import connect, send
listener = socket.create_server(('127.0.0.1', 0))
def lingering():
    c = socket.create_connection(listener.getsockname())
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 1000))
    c.setblocking(False)
    try:
        while c.send(bytes(1 << 16)):
            pass
    except BlockingIOError:
        pass
    return c.detach()
if not os.fork():
    for message, copies in (({'command': 'snapshot'}, 1), ({'command': 'status'}, 1), (b'rubbish', 9),
                            (b'x' * 70000, 1)):
        s = connect()
        fd = lingering()
        send(s, message, copies * [fd])
        send(s, {'command': 'status'}, [lingering()])  # stays unread where the first one ends the connection
        s.detach()
    print('sent', flush=True)
    os._exit(0)  # which waits for nothing, and leaves the last ones in the sockets
os.wait()
time.sleep(100)  # nobody reads
EOF2
kill -STOP "$frecd_pid"
PYTHONPATH=$work python3 "$work/linger.py" "$work" >"$work/out" 2>&1 &
pids+=($!)
within 10 grep -q sent "$work/out" || fail "linger.py: $(cat "$work/out")"
only_one() { # the child has left all to the recorder
	[ -z "$(pgrep -P "${pids[-1]}")" ]
}
within 5 only_one || fail "linger.py: its child stays"
kill -CONT "$frecd_pid"
timeout 20 "$BUILD/frecctl" --run-directory "$work/run" status >/dev/null || fail "waits for a socket of a client's"
within 10 few_fds "$before" || fail "$(fds) descriptors, $before before: $(ls -l "/proc/$frecd_pid/fd")"
ctl snapshot >/dev/null || fail "no snapshot in the end"
nothing_lost
end_clean
exit 0
