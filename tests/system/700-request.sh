#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The guess server, unchanged, and a trigger that knows its port only: one snapshot, at a request
# that was slow, and the verdict leads to the reporter that kept the locks meanwhile.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../real.sh"

port=$(free_port)
report_port=$(free_port)
write_config <<-END
	[trigger slow-request]
	kind = request
	port = $port
	threshold = 100ms
	cooldown = 1h
END
"$workloads/report_service" --port "$report_port" >/dev/null &
pids+=($!)
"$workloads/guess_server" --port "$port" --report-port "$report_port" --report-every 2s >/dev/null &
pids+=($!)
within 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" || fail "the server does not listen"
start_frecd
"$workloads/guess_load" --port "$port" --rate 200 --seconds 60 >/dev/null &
pids+=($!)
within 30 has_snapshot '*-slow-request-*' || fail "no snapshot: $(ctl triggers)"
file=$(snapshots '*-slow-request-*')
ctl explain "$file" --json >"$work/why.json" || fail "explain"
[ "$(json "$work/why.json" "d['trigger']['kind']")" = request ] || fail "kind"
json "$work/why.json" "d['trigger']['server']" | grep -q ":$port\$" || fail "server: $(cat "$work/why.json")"
[ "$(json "$work/why.json" "d['trigger']['duration_ns'] >= 100000000")" = true ] || fail "duration"
chain=$(json "$work/why.json" "[l['comm'] + ' ' + l['wait'] for l in d['chain']]")
[[ $chain == *lock*reporter* ]] || fail "the chain is $chain"
ctl export "$file" --format json | grep -q "\"name\":\"request 127.0.0.1:$port\"" || fail "no slice of the request"
[ "$(trigger slow-request fired)" = 1 ] || fail "fired $(trigger slow-request fired) times"
