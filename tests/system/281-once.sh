#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A syscall that sleeps many times is one wait: its trigger is told of it once while it lasts, and
# neither at the ends of its sleeps nor at its own end again. A sleep is told of for itself.
. "$(dirname "$0")/../lib.sh"

write_config <<-END
	[recorder]
	window = 10s
	[trigger call]
	kind = syscall
	syscalls = recvfrom
	threshold = 300ms
	comm = once-call*
	hold = 5s
	cooldown = 0
	[trigger sleep]
	kind = offcpu
	threshold = 300ms
	comm = once-sleep
	cooldown = 0
END
start_frecd
cat >"$work/trickle.py" <<'END'
import ctypes, os, socket, sys, time
left, right = socket.socketpair()
if not os.fork():
    for _ in range(int(sys.argv[2])):
        time.sleep(float(sys.argv[3]))
        left.send(b'x')
    os._exit(0)
ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0)
right.recv(int(sys.argv[2]), socket.MSG_WAITALL)
ctypes.CDLL(None).prctl(15, b'done', 0, 0, 0)
END
told() {
	echo $(($(trigger "$1" fired) + $(trigger "$1" merged) + $(trigger "$1" suppressed)))
}
told_of_all() {
	[ "$(told sleep)" = 4 ]
}
python3 "$work/trickle.py" once-sleep 4 0.8 || fail "python3"
within 10 told_of_all || fail "four sleeps were told of $(told sleep) times"

idle() { # the next one shall be a snapshot of its own
	[ "$(snapshots | wc -l)" = "$(trigger sleep fired)" ]
}
within 20 idle || fail "$(snapshots)"
python3 "$work/trickle.py" once-call 4 0.8 || fail "python3"
within 15 has_snapshot '*-call-*' || fail "no snapshot of the syscall"
[ "$(told call)" = 1 ] || fail "the syscall was told of $(told call) times"
grep -q 'trigger call: once-call .* and still does' "$work/frecd.log" || fail "not told of while it lasts"
ctl export "$(snapshots '*-call-*' | head -n 1)" --format json >"$work/call.json" || fail "export"
python3 - "$work/call.json" <<-'END' || fail "the trigger in the snapshot"
	import json, sys
	events = [json.loads(line) for line in open(sys.argv[1], errors='replace')]
	hits = [e for e in events if e['type'] == 'slice' and e['name'] == 'trigger: call']
	args = {a['key']: a.get('value') for a in hits[0]['args']}
	assert args['duration_ns'] > 3e9 and 'still_waiting' not in args and args['sleeps'] == 4, args
END

# none of its sleeps is long
python3 "$work/trickle.py" once-calls 20 0.1 || fail "python3"
told_again() {
	[ "$(told call)" = 2 ]
}
within 15 told_again || fail "the call of many short sleeps was told $(told call) times in all"
grep -q 'trigger call: once-calls .* and still does' "$work/frecd.log" ||
	fail "the call of many short sleeps was not told of while it lasted"
