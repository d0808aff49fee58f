#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A hostile local user floods the trigger socket, passes what is no socket, asks for snapshots and never
# reads them, or hangs up: others do not notice, and it is counted.
. "$(dirname "$0")/../lib.sh"

root=$(cd "$(dirname "$0")/../.." && pwd)
export FREC_RUN_DIRECTORY=$work/run
python=$(PATH=/usr/bin:/bin command -v python3) || skip "needs a python3 that every user may run"
cp "$root/tests/workloads/ask.py" "$root/tests/workloads/trigger.py" "$workloads/waits" "$work"
write_config <<-EOF
	[snapshots]
	user_snapshots = yes

	[trigger legitimate]
	kind = app
	uid = 12346
	cooldown = 0
	max_per_hour = 0
	post = 0

	[trigger slow-lock]
	kind = lock
	threshold = 100ms
	comm = waits
	cooldown = 0
	post = 0
EOF
start_frecd
become() { # UID COMMAND…
	exec setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"
}

# ---- a flood, of triggers and of descriptors; others are heard

cat >"$work/flood.py" <<-'EOF'
	import array, os, socket, struct, sys, threading, time
	path = os.environ['FREC_RUN_DIRECTORY'] + '/trigger.sock'
	head = struct.pack('=IHHQIHH', 0x63657266, 1, 1, 0, os.getpid(), 10, 0) + b'legitimate'
	fds = [os.open('/dev/null', os.O_RDWR) for _ in range(50)]
	def flood(rubbish):
	    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
	    passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))]
	    while True:
	        try:
	            s.sendmsg([os.urandom(rubbish) if rubbish else head], passed if rubbish == 24 else [], 0, path)
	        except OSError:
	            time.sleep(0.001)
	for rubbish in (0, 24, 100000):
	    threading.Thread(target=flood, args=(rubbish,), daemon=True).start()
	time.sleep(60)
EOF
(become 12345 "$python" "$work/flood.py") &
flood=$!
pids+=($flood)
flooded() {
	[ "$(status "d['app']['flood'] > 5000")" = true ]
}
within 30 flooded || fail "no flood: $(status "d['app']")"
for i in 1 2 3 4 5; do
	(become 12346 "$python" "$work/trigger.py" legitimate "number $i") || fail "trigger.py"
	within 10 has_snapshot '*legitimate*' || fail "number $i was not heard: $(ctl status)"
	[ "$(ctl explain "$(snapshots '*legitimate*')" --json | json - "d['trigger']['text']")" = "number $i" ] ||
		fail "number $i: $(ls "$work/spool")"
	rm "$work"/spool/*
done
(become 12346 "$python" "$work/ask.py" >"$work/own") || fail "no snapshot during the flood"
[ "$(status "d['app']['received'] < d['app']['flood'] / 10")" = true ] || fail "too much was let in: $(status "d['app']")"
stop_pid $flood
[ "$(find "/proc/$frecd_pid/fd" | wc -l)" -lt 300 ] || fail "descriptors were left behind"

# ---- who asks and does not read, hangs up, or passes something else

before=$(find "/proc/$frecd_pid/fd" -mindepth 1 | wc -l)
cat >"$work/hostile.py" <<-'EOF'
	import os, socket, sys, time
	sys.path.insert(0, os.path.dirname(sys.argv[0]))
	import ask
	time.sleep(2)  # the flood has used up what this user may send
	read, write = os.pipe()
	listener = socket.create_server(('127.0.0.1', 0))
	tcp = socket.create_connection(listener.getsockname())
	for fds in ([write], [os.open('/dev/null', os.O_RDWR)], [tcp.fileno()], [socket.socket().fileno()]):
	    held = ask.ask(fds=fds)  # nobody to tell
	ours, theirs = socket.socketpair()
	no_pidfd = ask.ask(fds=[theirs.fileno(), os.dup(write)])
	theirs.close()
	error, why = ask.answer(ours)
	assert error and 'no such process' in why, (error, why)
	ask.ask().close()  # hangs up
	time.sleep(1)
	never = ask.ask()  # and is never read
	print('asked', flush=True)
	time.sleep(60)
EOF
(become 12345 "$python" "$work/hostile.py" >"$work/hostile.out" 2>&1) &
hostile=$!
pids+=($hostile)
within 20 grep -q asked "$work/hostile.out" || fail "hostile.py: $(cat "$work/hostile.out")"
(become 12347 "$python" "$work/ask.py" >"$work/own") || fail "another user had to wait"
"$workloads/waits" lock --ms 300ms >/dev/null || fail "waits"
within 15 has_snapshot '*slow-lock*' || fail "no snapshot of a trigger"
ctl snapshot >/dev/null || fail "frecctl snapshot"
[ "$(status "d['app']['snapshots']['refused'] >= 6 and d['app']['snapshots']['written'] >= 2")" = true ] ||
	fail "counts: $(status "d['app']")"

# ---- who passes the last descriptor of a socket that lingers: closing it would take for ever

cat >"$work/linger.py" <<-'EOF'
	import array, os, socket, struct, sys, time
	sys.path.insert(0, os.path.dirname(sys.argv[0]))
	import ask
	listener = socket.create_server(('127.0.0.1', 0))
	request = struct.pack('=IHHQIHH', 0x63657266, 1, 2, 0, 1, 0, 0)
	if not os.fork():
	    for message, copies in ((b'rubbish', 1), (b'rubbish', 9), (request, 1), (request, 9)):
	        c = socket.create_connection(listener.getsockname())
	        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 1000))
	        c.setblocking(False)
	        try:
	            while c.send(bytes(1 << 16)):
	                pass
	        except BlockingIOError:
	            pass
	        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	        s.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
	                               array.array('i', copies * [c.fileno()]))], 0, ask.path())
	        c.detach()
	    print('sent', flush=True)
	    os._exit(0)  # which waits for nothing, and leaves the last ones in the socket
	os.wait()
	time.sleep(60)  # nobody reads
EOF
kill -STOP "$frecd_pid"
(become 12348 "$python" "$work/linger.py" >"$work/linger.out" 2>&1) &
pids+=($!)
within 10 grep -q sent "$work/linger.out" || fail "linger.py: $(cat "$work/linger.out")"
sleep 0.2 # it exits
kill -CONT "$frecd_pid"
timeout 20 "$BUILD/frecctl" --run-directory "$work/run" status >/dev/null || fail "frecd waits for a socket of a user's"
closed() {
	[ "$(find "/proc/$frecd_pid/fd" -mindepth 1 | wc -l)" -le "$before" ]
}
within 40 closed || fail "descriptors are kept: $(ls -l "/proc/$frecd_pid/fd")"
stop_frecd || fail "frecd ended with $?"
exit 0
