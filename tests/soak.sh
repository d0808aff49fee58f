#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# soak.sh [MINUTES]: a build, PostgreSQL below pgbench and nginx below wrk, all at once, for an hour,
# recorded as shipped: nothing is wrong, so hardly a trigger may fire. Fails over 3 snapshots, and
# if an event was lost. As root, behind `make`.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/real.sh"

minutes=${1:-60} snapshots_max=3
bin=/usr/lib/postgresql/15/bin
need nginx wrk "$bin/postgres" "$bin/pgbench" setpriv make
source=$(cd "$(dirname "$0")/.." && pwd)

build() {
	make -s -C "$source" -j2 BUILD="$work/build" programs
	rm -rf "$work/build"
}

port=$(free_port)
mkdir -p "$work/nginx/html"
head -c 64k /dev/urandom >"$work/nginx/html/file"
start_nginx "worker_processes 2;" <<<"server { listen 127.0.0.1:$port; root $work/nginx/html; }"
start_postgres
"$bin/pgbench" -i -s 10 -q >>"$work/pg.log" 2>&1 || fail "pgbench: $(cat "$work/pg.log")"
: | write_config # not a trigger of its own: those that are shipped
start_frecd
servers=${#pids[@]}
repeat build
repeat wrk -t 2 -c 32 -d 20s "http://127.0.0.1:$port/file"
repeat "$bin/pgbench" -c 8 -j 2 -T 20
for ((i = 1; i <= minutes; i++)); do
	sleep 60
	echo "$i min: $(snapshots | wc -l) snapshots, $(status "d['events']['recorded']") events," \
		"$(status "d['events']['lost']") lost, load $(cut -d ' ' -f 1 /proc/loadavg)"
done
for pid in "${pids[@]:servers}"; do # the servers wait for their clients
	kill "$pid"
	pkill -P "$pid"
done
lost=$(status "d['events']['lost']")
count=$(snapshots | wc -l)
grep -h 'frecd: why' "$work/frecd.log"
[ "$count" -le $snapshots_max ] || fail "$count snapshots, at most $snapshots_max were meant"
[ "$lost" = 0 ] || fail "$lost events lost"
stop_frecd || fail "frecd ended with $?"
BUILD=$BUILD LONG=yes "$source/tests/system/800-governor.sh" || [ $? = 77 ] || fail "the governor"
