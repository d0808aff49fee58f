#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Clients that send rubbish, hang, come in crowds, die, or pass an output that cannot be written:
# each gets its answer, and everybody else theirs within a second.
. "$(dirname "$0")/../lib.sh"

write_quiet_config
ulimit -Sn 256
start_frecd
ulimit -Sn "$(ulimit -Hn)"
awk '/^Max open files/ && $4 == $5 { good = 1 } END { exit !good }' "/proc/$frecd_pid/limits" ||
	fail "does not raise the limit of its descriptors"
worker_runs() {
	pgrep -P "$frecd_pid" -x frecd-worker
}
wait_worker() { # it may be there for half a second
	until worker_runs >/dev/null; do
		kill -0 "$client" 2>/dev/null || fail "no worker"
	done
}
fds() {
	find "/proc/$frecd_pid/fd" -mindepth 1 | wc -l
}
ctl snapshot >/dev/null || fail "frecctl snapshot"
before=$(fds)

python3 - "$work/run/control.sock" "$work" <<'PYTHON' || fail "control socket"
import array, json, os, socket, sys, time
path, work = sys.argv[1:]

def connect():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(5)
    s.connect(path)
    return s

def answer(s):
    return json.loads(s.recv(1 << 20))

def ask(message, fds=()):
    with connect() as s:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else []
        s.sendmsg([data], ancillary)
        return answer(s)

def ok_soon(what):
    begin = time.monotonic()
    assert ask({'command': 'status'})['ok'], what
    took = time.monotonic() - begin
    assert took < 1, f'{what}: status took {took:.2f} s'

def refused(message, pattern, fds=()):
    reply = ask(message, fds)
    assert reply['ok'] is False and pattern in reply['error'], (message[:80], reply)
    assert '\n' not in reply['error']
    ok_soon(message[:80])

rubbish = 'that is no request'
for data in (b'\0' * 100, b'GET / HTTP/1.0\r\n\r\n', b'{', b'[]', b'{"command":', os.urandom(1000),
             b'[' * 60000, b'{"a":' * 9000 + b'1' + b'}' * 9000, b'{"command":"status","command":"x"}',
             b'x' * 65536, b'"' + b'\\' * 65000):
    refused(data, rubbish)
for size in (65537, 150000):
    refused(b'{"command":"' + b'x' * size + b'"}', rubbish)
refused(b'{}', 'no command')
refused(b'{"command":7}', 'no command')
refused(b'{"command":"no\\nsuch"}', 'unknown command')
for request, pattern in (({'pid': -1}, 'pid'), ({'pid': 'x'}, 'pid'), ({'pid': 1 << 40}, 'pid'),
                         ({'last_ns': -1}, 'last_ns'), ({'only': 1}, 'only'), ({'only': True}, 'only')):
    refused(json.dumps({'command': 'snapshot', **request}).encode(), pattern)
refused(b'{"command":"fire","name":"none"}', 'no trigger')
with connect() as s:
    s.send(b'')  # as if it had gone
ok_soon('an empty message')

# outputs
snapshot = b'{"command":"snapshot"}'
readable, writable = os.pipe()
os.set_blocking(writable, False)
try:
    while True:
        os.write(writable, b'x' * 4096)
except BlockingIOError:
    pass
os.set_blocking(writable, True)
refused(snapshot, 'no regular file', [writable])
for name, flags, pattern in (('/dev/full', os.O_WRONLY, 'no regular file'),
                             (work, os.O_RDONLY, 'not open for writing'),
                             (work + '/frec.conf', os.O_RDONLY, 'not open for writing'),
                             (work + '/frec.conf', os.O_PATH, 'not open for writing')):
    fd = os.open(name, flags)
    refused(snapshot, pattern, [fd])
    os.close(fd)
many = [os.open('/dev/null', os.O_WRONLY) for _ in range(100)]
refused(snapshot, rubbish, many)
for fd in many:
    os.close(fd)

# many snapshots queued: each gets a file or is told so at once
waiting = [connect() for _ in range(14)]
for s in waiting:
    s.send(snapshot)
ok_soon('queued snapshots')
replies = [answer(s) for s in waiting]
good = [r['path'] for r in replies if r['ok']]
assert len(good) >= 8 and len(set(good)) == len(good), replies
assert all(os.path.exists(p) for p in good)
assert all(r['ok'] or 'too many snapshots' in r['error'] for r in replies), replies
for s in waiting:
    s.close()

# a crowd that connects and hangs; then one that has sent half of something
crowd = []
for i in range(100):
    s = connect()
    if i % 3 == 0:
        s.send(b'{"command":"status"}')  # and never reads
    crowd.append(s)
    if i % 10 == 0:
        ok_soon(f'{i} clients hang')
ok_soon('100 clients hang')
first = answer(crowd[1])
assert first['ok'] is False and 'no request came' in first['error'], first
begin = time.monotonic()
last = crowd[-2]
last.settimeout(10)
reply = answer(last)
took = time.monotonic() - begin
assert 'no request came' in reply['error'] and took < 8, (reply, took)
PYTHON
is_recording || fail "does not record any more"

# ---- a client that dies while its snapshot is written: the spool's is finished, its own is not

"$workloads/switches" --pairs 4 --seconds 3 >/dev/null
count=$(snapshots | wc -l)
ctl snapshot >/dev/null &
client=$!
wait_worker
kill -9 $client
one_more() {
	[ "$(snapshots | wc -l)" = $((count + 1)) ]
}
within 10 one_more || fail "not finished"

for signal in KILL TERM; do
	"$BUILD/frecctl" --run-directory "$work/run" snapshot -o "$work/own.pftrace" 2>/dev/null &
	client=$!
	wait_worker
	kill -$signal $client
	wait $client && fail "interrupted, but done"
	gone() {
		! worker_runs
	}
	within 5 gone || fail "the worker goes on for nobody"
	[ ! -e "$work/own.pftrace" ] || fail "half a file"
done

[ "$(grep -c 'the client that wanted it has gone' "$work/frecd.log")" = 2 ] || fail "not said"

# ---- no descriptors left: the idlest goes, or the next waits; nothing spins

python3 - "$work/run/control.sock" "$frecd_pid" <<'PYTHON' || fail "without descriptors"
import array, json, os, resource, socket, sys, time
path, pid = sys.argv[1], int(sys.argv[2])
limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)

def connect(message=None, fds=()):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(5)
    s.connect(path)
    if message:
        send(s, message, fds)
    return s

def send(s, command, fds=()):
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else []
    s.sendmsg([json.dumps({'command': command}).encode()], ancillary)

def answer(s):
    return json.loads(s.recv(1 << 20))

def lowest_free():
    used = {int(fd) for fd in os.listdir(f'/proc/{pid}/fd')}
    return min(n for n in range(len(used) + 1) if n not in used)

def exhaust():
    time.sleep(0.2)  # what has just been closed is closed there as well
    n = lowest_free()
    time.sleep(0.1)  # it opens some files once a second
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (min(n, lowest_free()), limits[1]))

def restore():
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)

def cpu_seconds():
    fields = open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

idle = connect('status')
assert answer(idle)['ok']
exhaust()
assert answer(connect('status'))['ok'], 'the idlest does not make room'
assert 'others want to be heard' in answer(idle)['error']
restore()

s = connect('status')
assert answer(s)['ok']
exhaust()
send(s, 'snapshot', [os.open('/dev/null', os.O_WRONLY)])
reply = answer(s)
assert reply['ok'] is False and 'no descriptors left' in reply['error'], reply
s.close()

exhaust()
before = cpu_seconds()
waits = connect('status')
time.sleep(2)
used = cpu_seconds() - before
assert used < 1, f'{used} s of CPU while a client cannot be accepted'
restore()
assert answer(waits)['ok']
PYTHON

# ---- the socket is removed, or another's

said() {
	[ "$(grep -c "$1" "$work/frecd.log")" = "$2" ]
}
rm "$work/run/control.sock"
within 4 is_recording || fail "unreachable without its socket"
ctl snapshot >/dev/null || fail "no snapshot by the new socket"
python3 - "$work/run/control.sock" <<'PYTHON'
import os, socket, sys, time
os.unlink(sys.argv[1])
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind(sys.argv[1])
s.listen(16)
time.sleep(3.5)  # another listens for so long, then nobody does
PYTHON
within 4 is_recording || fail "unreachable behind another's socket"
said 'there is a new one' 2 || fail "not said twice"
said 'there cannot be a new one' 1 || fail "not said once"
sleep 2
said 'there is a new one' 2 || fail "replaces its own"

# ---- frecctl's own outputs

ctl snapshot -o "$work/own.pftrace" >/dev/null || fail "-o FILE"
ctl snapshot -o - >"$work/stdout.pftrace" || fail "-o -"
ctl snapshot -o - | cat >"$work/pipe.pftrace" || fail "-o - into a pipe"
for file in own stdout pipe; do
	ctl explain "$work/$file.pftrace" --json | json - "d['events']['switch'] > 1000" | grep -q true || fail "$file"
done
ctl snapshot -o - >/dev/full 2>"$work/out" && fail "/dev/full"
[ "$(cat "$work/out")" = "frecctl: cannot write the snapshot to stdout: No space left on device" ] || fail "$(cat "$work/out")"
ctl snapshot -o "$work/none/x" 2>"$work/out" && fail "no directory"
ctl snapshot -o - 2>/dev/null | sleep 3 &
pids+=($!)
within 1 ctl status || fail "a slow reader holds up the recorder"

few_fds() {
	[ "$(fds)" -le "$before" ]
}
within 8 few_fds || fail "$(fds) descriptors, $before before"
[ "$(status "d['events']['lost']")" = 0 ] || fail "events lost"
stop_frecd || fail "ended with $?"
[ ! -e "$work/run/control.sock" ] || fail "leaves its socket"
exit 0
