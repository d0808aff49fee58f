#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Mode slow: who slept briefly in a call and computes since has left that call: it is not taken for
# slow, nor an answer for given then. Of threads that are not registered for rseq(2), as others pass
# a place that tells.
. "$(dirname "$0")/../lib.sh"

# one that is preempted is told of at that: then there is nothing to see
undisturbed=(chrt -f 1)
"${undisturbed[@]}" true 2>/dev/null || undisturbed=()
own=left-$$

cat >"$work/left.py" <<'END'
import fcntl, os, socket, sys, time

def compute(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass

def serve(listener): # what it logs has to wait a little, the answer takes long
    log, sink = os.pipe()
    fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, 4096)
    if not os.fork():
        os.close(sink)
        time.sleep(0.0003)
        while os.read(log, 4096):
            time.sleep(0.0003)
        os._exit(0)
    connection = listener.accept()[0]
    connection.recv(10)
    for _ in range(3):
        os.write(sink, b'x' * 4096)
    compute(0.4)
    os.write(connection.fileno(), b'a')

if sys.argv[1] == 'compute':
    open('/proc/self/comm', 'w').write(sys.argv[2])
    time.sleep(0.0002)
    compute(0.6)
elif sys.argv[1] == 'sleep':
    open('/proc/self/comm', 'w').write(sys.argv[2])
    time.sleep(0.3)
else:
    listener = socket.create_server(('127.0.0.1', int(sys.argv[1])))
    if not os.fork():
        client = socket.create_connection(listener.getsockname())
        client.send(b'q')
        client.recv(10)
        os._exit(0)
    serve(listener)
END
left() { # WHAT
	GLIBC_TUNABLES=glibc.pthread.rseq=0 "${undisturbed[@]}" python3 "$work/left.py" "$1" "$own" || fail "$1"
}
fired() { # TRIGGER: how often
	echo $(($(trigger "$1" fired) + $(trigger "$1" merged) + $(trigger "$1" suppressed)))
}

port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
write_config <<-EOF
	[recorder]
	syscalls = slow
	[trigger call]
	kind = syscall
	threshold = 100ms
	comm = $own
	cooldown = 0
	[trigger answer]
	kind = request
	port = $port
	threshold = 200ms
	cooldown = 0
EOF
start_frecd
for _ in 1 2 3; do
	left compute
done
for n in 1 2 3; do
	left "$port"
	answered() { [ "$(fired answer)" = "$n" ]; }
	within 5 answered || fail "$(fired answer) of $n slow answers were told of"
done
[ "$(fired call)" = 0 ] || fail "slow calls of one that computed: $(grep 'trigger call' "$work/frecd.log")"
left sleep
slept() { [ "$(fired call)" = 1 ]; }
within 5 slept || fail "$(fired call) of 1 slow call was told of"
stop_frecd || fail "frecd ended with $?"
