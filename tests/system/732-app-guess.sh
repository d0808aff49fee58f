#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The guess server with three lines of frec.h: it fires at its own slow requests, and the verdict names
# the reporter that keeps the locks while it waits for the report service.
. "$(dirname "$0")/../lib.sh"

export FREC_RUN_DIRECTORY=$work/run
write_config <<-EOF
	[trigger slow-guess]
	kind = app
	comm = guess-worker
	cooldown = 1h
	post = 300ms
EOF
start_frecd
service() { # NAME PROGRAM OPTION…
	local name=$1

	shift
	"$@" >"$work/$name.out" 2>&1 &
	pids+=($!)
	within 10 grep -q 'ready port=' "$work/$name.out" || fail "$name does not listen"
	port=$(sed -n 's/.*port=\([0-9]*\).*/\1/p' "$work/$name.out")
}
service report "$workloads/report_service" --delay 400ms
report_port=$port
service guess "$workloads/guess_server_frec" --report-port "$report_port" --report-every 1s
server=${pids[-1]}
"$workloads/guess_load" --port "$port" --seconds 60 >/dev/null 2>&1 &
pids+=($!)
within 30 has_snapshot '*slow-guess*' || fail "no snapshot: $(ctl status)"
ctl explain "$(snapshots '*slow-guess*')" --json >"$work/explain.json" || fail "explain"
check() { # EXPRESSION
	[ "$(json "$work/explain.json" "$1")" = true ] || fail "$1: $(ctl explain "$(snapshots '*slow-guess*')")"
}
check "d['trigger']['pid'] == $server and d['trigger']['comm'] == 'guess-worker'"
check "d['trigger']['text'].startswith('guess ') and d['trigger']['duration_ns'] > 100e6"
check "d['chain'][0]['wait'] == 'lock' and d['chain'][0]['pid'] == $server"
check "any(l['comm'] == 'reporter' and 'http_post' in l['stack'] for l in d['chain'])"
check "d['cause']['comm'] in ('reporter', 'report_service')"
[ "$(snapshots | wc -l)" = 1 ] || fail "more than one: $(snapshots)"
stop_frecd || fail "frecd ended with $?"
exit 0
