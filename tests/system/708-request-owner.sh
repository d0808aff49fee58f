#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Whose request it is that nobody reads: not of the program that had a connection at the same place in
# the kernel's memory before, and of a server that accepts none of many its all the same.
# May run beside others.
. "$(dirname "$0")/../lib.sh"

# accepts what is asked for, reads nothing, and lets go of all
cat >"$work/server.py" <<'END'
import socket, sys

s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(256)
print(s.getsockname()[1], flush=True)
for line in sys.stdin:
    kept = [s.accept()[0] for _ in range(int(line))]
    sys.stdin.readline()
    for a in kept:
        a.close()
    print("done", flush=True)
END
cat >"$work/client.py" <<'END'
import socket, sys

kept = []
for _ in range(int(sys.argv[2])):
    c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    c.sendall(b"question")
    kept.append(c)
print("asked", flush=True)
sys.stdin.readline()
END
start() {
	mkfifo "$work/$1.in"
	python3 "$work/server.py" <"$work/$1.in" >"$work/$1.out" &
	pids+=($!)
	pid[$1]=$!
	exec {to[$1]}>"$work/$1.in"
	within 10 test -s "$work/$1.out" || fail "no server"
	port[$1]=$(cat "$work/$1.out")
}

declare -a pid port to
start 1
start 2
start 3
for i in 1 2 3; do
	printf '[trigger unread-%s]\nkind = request\nport = %s\nthreshold = 200ms\ncooldown = 0\npost = 0\n' \
		$i "${port[i]}"
done | write_config
start_frecd

# ask SERVER N: as many connections with a request, which end with descriptor 7
ask() {
	rm -f "$work/client.in"
	mkfifo "$work/client.in"
	python3 "$work/client.py" "${port[$1]}" "$2" <"$work/client.in" >"$work/client.out" &
	pids+=($!)
	exec 7>"$work/client.in"
	within 20 grep -q asked "$work/client.out" || fail "the client cannot ask"
}

echo 200 >&"${to[1]}"
ask 1 200
within 20 has_snapshot '*-unread-1-*' || fail "the first server: did not fire"
exec 7>&-
echo >&"${to[1]}"
within 10 grep -q done "$work/1.out" || fail "the first server does not let go"
echo 200 >&"${to[2]}"
ask 2 200
within 20 has_snapshot '*-unread-2-*' || fail "the second server: did not fire"
grep 'unread-2: a request' "$work/frecd.log" | grep -vF "(pid ${pid[2]})" >"$work/wrong"
[ ! -s "$work/wrong" ] || fail "the first server, ${pid[1]}, is said to have it: $(cat "$work/wrong")"

ask 3 20
within 20 has_snapshot '*-unread-3-*' || fail "the third server: did not fire"
grep 'unread-3: a request' "$work/frecd.log" | grep -vF "(pid ${pid[3]})" >"$work/wrong"
[ ! -s "$work/wrong" ] || fail "the third server, ${pid[3]}, is not said to have it: $(cat "$work/wrong")"
