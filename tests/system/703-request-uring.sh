#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Servers that do their I/O by io_uring: in their own thread, by a thread of the kernel's that polls,
# and by its workers. The one slow request among fast ones fires, also by the program's name, and
# the verdict is about the thread that had the work, not about those that do its I/O.
. "$(dirname "$0")/../lib.sh"

[ "$(cat /proc/sys/kernel/io_uring_disabled 2>/dev/null || echo 0)" = 0 ] || skip "io_uring is disabled"
modes="inline sqpoll async"
comm=uring-loop # the server's own thread does it; else the program is known by its name
for mode in $modes; do
	option=("--$mode")
	[ "$mode" != inline ] || option=()
	"$workloads/uring_server" "${option[@]}" --delay 600ms >"$work/$mode" &
	pids+=($!)
	within 10 grep -q ready "$work/$mode" || fail "no server"
	port=$(sed -n 's/.*port=\([0-9]*\).*/\1/p' "$work/$mode")
	echo "$port" >"$work/$mode.port"
	printf '[trigger %s]\nkind = request\nport = %s\ncomm = %s\nthreshold = 400ms\ncooldown = 1h\npost = 0\n' \
		"$mode" "$port" "$comm" >>"$work/triggers"
	comm=uring_server
done
write_config <"$work/triggers"
start_frecd
for mode in $modes; do
	python3 -c '
import socket, sys
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for text in b"fast", b"fast", b"slow one", b"fast":
    c.sendall(text)
    assert c.recv(100) == text' "$(cat "$work/$mode.port")" || fail "$mode: no answer"
	within 10 has_snapshot "*-$mode-*" || fail "$mode did not fire: $(ctl triggers)"
	ctl explain "$(snapshots "*-$mode-*")" >"$work/$mode.why" || fail "explain $mode"
	ctl explain "$(snapshots "*-$mode-*")" --json >"$work/$mode.json" || fail "explain $mode"
	[ "$(json "$work/$mode.json" "d['trigger']['bytes_in']")" = 8 ] || fail "$mode: $(cat "$work/$mode.why")"
	[ "$(json "$work/$mode.json" "d['cause']['wait'] + ' ' + d['cause']['comm']")" = "sleep uring-loop" ] ||
		fail "$mode: $(cat "$work/$mode.why")"
	grep -q uring_handle_slow "$work/$mode.why" || fail "$mode: not where: $(cat "$work/$mode.why")"
	[ "$(trigger "$mode" fired)" = 1 ] || fail "$mode fired $(trigger "$mode" fired) times"
done
