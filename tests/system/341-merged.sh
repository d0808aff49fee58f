#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What fires while another trigger's snapshot is still to be written goes into it, with all that is
# known of it: how a process ended and by whom, what a program says, whose request it was.
# May run beside others.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../real.sh"

port=$(free_port)
write_config <<-END
	[recorder]
	window = 20s
	[trigger first]
	kind = offcpu
	threshold = 60ms
	comm = first
	post = 5s
	[trigger died]
	kind = exit
	comm = nightsleep
	signals = KILL
	[trigger told]
	kind = app
	uid = 0
	[trigger slow-answer]
	kind = request
	port = $port
	threshold = 50ms
END
cp "$workloads/waits" "$work/first"
cp "$(command -v sleep)" "$work/nightsleep"
python3 - "$port" >"$work/listens" <<-'END' &
	import socket, sys, time
	s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
	print("yes", flush=True)
	c, _ = s.accept()
	c.recv(100)
	time.sleep(0.2)
	c.send(b"late")
	c.recv(100)
END
pids+=($!)
within 10 grep -q yes "$work/listens" || fail "the server does not listen"
"$work/nightsleep" 60 &
sleeper=$!
start_frecd
"$work/first" sleep --ms 90 >/dev/null || fail "first"
kill -KILL "$sleeper"
wait "$sleeper" 2>/dev/null
FREC_RUN_DIRECTORY=$work/run python3 "$(dirname "$0")/../workloads/trigger.py" told 'query took long' || fail "trigger.py"
python3 -c 'import socket, sys
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
c.send(b"now")
c.recv(100)' "$port" || fail "no answer"
within 20 has_snapshot '*-first-*' || fail "no snapshot: $(ctl triggers)"
[ "$(trigger died merged) $(trigger told merged) $(trigger slow-answer merged)" = "1 1 1" ] ||
	fail "not merged: $(ctl triggers)"
ctl explain "$(snapshots '*-first-*')" >"$work/why" || fail "explain"
says() { # PATTERN
	grep -Eq -- "$1" "$work/why" || fail "no '$1' in: $(cat "$work/why")"
}
says "^(also fired|          ) died: nightsleep, thread $sleeper was killed by SIGKILL, sent by [^ ]+ \(pid $$\)"
says "^(also fired|          ) told: [^ ]+, thread [0-9]+.*, says: query took long$"
says "^(also fired|          ) slow-answer: [^ ]+, thread [0-9]+, to 127.0.0.1:$port, from 127.0.0.1:[0-9]+, [0-9.]+ ms$"
[ "$(grep -c '^also fired' "$work/why")" = 1 ] || fail "$(cat "$work/why")"
stop_frecd || fail "frecd ended with $?"
exit 0
