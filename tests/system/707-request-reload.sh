#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A request that was answered while no trigger looked at its connection is not under way when one does
# again; one that a reload finds under way, and watched before and after, still counts.
# May run beside others.
. "$(dirname "$0")/../lib.sh"

cat >"$work/server.py" <<'END'
import socket, sys

s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(16)
c = socket.create_connection(s.getsockname())
a = s.accept()[0]
print(s.getsockname()[1], flush=True)
for line in sys.stdin:
    if line == "ask\n":
        c.sendall(b"question")
        a.recv(100)
    else:
        a.sendall(b"answer")
        c.recv(100)
    print("done", flush=True)
END
coproc SERVER { exec python3 "$work/server.py"; }
server=$!
pids+=("$server")
read -r -t 10 port <&"${SERVER[0]}" || fail "no server"

tell() {
	local answer

	echo "$1" >&"${SERVER[1]}"
	read -r -t 10 answer <&"${SERVER[0]}" && [ "$answer" = done ] || fail "the server does not $1"
}

# configure PORT…: a trigger for each
configure() {
	local port

	for port; do
		printf '[trigger p%s]\nkind = request\nport = %s\nthreshold = 1s\ncooldown = 0\nmax_per_hour = 0\npost = 0\n' \
			"$port" "$port"
	done | write_config
}

fired() {
	[ "$(grep -c "trigger p$port: a request to python3 (pid $server) has not been" "$work/frecd.log")" = "$1" ]
}

configure "$port"
start_frecd
tell ask
tell answer # it does answer

# not looked at: no trigger at all, or one for another server
for other in "" 9; do
	tell ask
	# shellcheck disable=SC2086
	configure $other
	reload
	tell answer
	configure "$port"
	reload
	within 3 fired 1 && fail "fired for a request that has been answered"
done

tell ask
configure "$port" 9
reload
within 10 fired 1 || fail "a reload has lost a request that is under way"
