#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# soak.sh [MINUTES]: a build, PostgreSQL below pgbench and nginx below wrk, all at once, for an hour,
# recorded as shipped: nothing is wrong, so hardly a trigger may fire. Fails over 3 snapshots, and
# if an event was lost. TORTURE=MINUTES: then, beside this recorder, which may not grow by it, the long
# versions of the tests that are hard on one, again and again. As root, behind `make`.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/real.sh"
. "$(dirname "$0")/torture.sh"

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

# has: what the recorder and its helpers hold: KiB of heap, descriptors, pins
has() {
	local pid kib=0

	for pid in "$frecd_pid" $(pgrep -P "$frecd_pid"); do
		kib=$((kib + $(awk '/^RssAnon/ { print $2 }' "/proc/$pid/status")))
	done
	echo "$kib $(fds) $(pins | wc -l)"
}
idle() {
	! pgrep -P "$frecd_pid" -x frecd-worker
}
within 30 idle
before=$(has)
for ((until = SECONDS + ${TORTURE:-0} * 60; SECONDS < until; )); do
	for test in "$source"/tests/system/4{6[5-9],7[5-7]}-*.sh; do
		LONG=yes BUILD=$BUILD "$test" >"$work/test.log" 2>&1 || [ $? = 77 ] ||
			fail "$(basename "$test"): $(tail -n 25 "$work/test.log")"
		echo "$(basename "$test"): $(grep -v '^$' "$work/test.log" | tail -n 1)"
	done
	within 60 idle
	echo "heap, descriptors, pins: $(has), $before before"
done
read -r kib descriptors pinned <<<"$(has)"
read -r kib0 descriptors0 pinned0 <<<"$before"
[ "$kib" -le $((kib0 + 2048)) ] || fail "$kib KiB of heap, $kib0 before"
[ "$descriptors" -le $((descriptors0 + 1)) ] || fail "$descriptors descriptors, $descriptors0 before"
# one more or less: what tells the ends of calls is attached when that pays
[ "$pinned" -le $((pinned0 + 1)) ] || fail "$pinned pins, $pinned0 before"
[ "$(unexplained)" = 0 ] || fail "not accounted for: $(status "d['ledger']")"
stop_frecd || fail "frecd ended with $?"
[ -z "$(pins)" ] || fail "pins left: $(pins)"
[ -z "$(find "$work/spool" -name '*.tmp')" ] || fail "half files: $(ls -A "$work/spool")"
BUILD=$BUILD LONG=yes "$source/tests/system/800-governor.sh" || [ $? = 77 ] || fail "the governor"
