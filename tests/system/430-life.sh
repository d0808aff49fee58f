#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The ends of the daemon, its worker and its opener: no half file, nothing left running, said in
# the log, and recording starts or goes on.
. "$(dirname "$0")/../lib.sh"

write_quiet_config
frecctl=("$BUILD/frecctl" --run-directory "$work/run")
child() { # NAME: of frecd's child; pgrep takes as long as a worker on a busy host
	local children pid comm

	read -r -a children <"/proc/$frecd_pid/task/$frecd_pid/children"
	for pid in "${children[@]}"; do
		read -r comm <"/proc/$pid/comm" && [ "$comm" = "$1" ] && echo "$pid" && return
	done 2>/dev/null
	return 1
}
no_child() {
	! child "$1"
}
ended() {
	! kill -0 "$1" 2>/dev/null
}
said() {
	grep -q -- "$1" "$work/frecd.log"
}
rubbish() {
	find "$work/spool" "$work" -maxdepth 1 -name '*.tmp' -o -name 'own.pftrace.*'
}
links() {
	find "$work/run/bpf" -name 'link_*' 2>/dev/null | wc -l
}
slow_snapshot() { # …: a snapshot that is being written, its worker stopped in the middle
	"${frecctl[@]}" snapshot "$@" >"$work/out" 2>&1 &
	client=$!
	until worker=$(child frecd-worker); do
		kill -0 $client || fail "no worker: $(cat "$work/out")"
	done
	kill -STOP "$worker" || fail "the worker was too fast"
}
start_frecd
"$workloads/switches" --pairs 4 --seconds 4 >/dev/null

# ---- the worker: killed, stopped for a while

# a worker that dies is followed by one that looks at no process's files, once
slow_snapshot
kill -KILL "$worker"
wait $client || fail "no snapshot without stacks: $(cat "$work/out")"
said 'writing without stacks' || fail "not said"
[ "$(snapshots | wc -l)" = 1 ] || fail "no file"
rm -f "$work"/spool/*
slow_snapshot
first=$worker
another() {
	worker=$(child frecd-worker) && [ "$worker" != "$first" ] && kill -STOP "$worker"
}
kill -KILL "$worker"
until another; do
	kill -0 $client 2>/dev/null || fail "no second worker: $(cat "$work/out")"
done
kill -KILL "$worker"
wait $client && fail "a snapshot of two dead workers"
grep -q 'no snapshot: the worker died' "$work/out" || fail "$(cat "$work/out")"
said 'no snapshot: the worker died' || fail "not said"
[ -z "$(snapshots)$(rubbish)" ] || fail "half a file"
slow_snapshot
within 1 is_recording || fail "a worker that hangs holds up the recorder"
kill -CONT "$worker"
wait $client || fail "no snapshot: $(cat "$work/out")"
[ "$(snapshots | wc -l)" = 1 ] || fail "no file"

# ---- the opener: killed again and again

for n in 1 2 3 4; do
	opener=$(child frecd-opener) || fail "no opener"
	kill -KILL "$opener"
	another() {
		child frecd-opener && [ "$(child frecd-opener)" != "$opener" ]
	}
	within 5 another || fail "no other opener"
	told() {
		[ "$(grep -c 'opener has died; another' "$work/frecd.log")" = $n ]
	}
	within 5 told || fail "not said"
done
ctl snapshot >/dev/null || fail "no snapshot with another opener"
kill -KILL "$(child frecd-opener)"
within 5 said 'snapshots will lack command lines' || fail "not said"
ctl snapshot >/dev/null || fail "no snapshot without opener"
is_recording || fail "does not record"

# ---- SIGTERM while a snapshot is written

before=$(snapshots | wc -l)
for output in "" "-o $work/own.pftrace"; do
	# shellcheck disable=SC2086
	slow_snapshot $output
	kill -TERM "$frecd_pid"
	wait "$frecd_pid" || fail "frecd ended with $?"
	wait $client && fail "a snapshot without recorder"
	[ "$(cat "$work/out")" = "frecctl: the recorder was stopped" ] || fail "$(cat "$work/out")"
	said 'the snapshot that was being written is dropped' || fail "not said"
	ended "$worker" || fail "the worker lives"
	[ "$(snapshots | wc -l)" = "$before" ] && [ -z "$(rubbish)" ] || fail "half a file"
	start_frecd
	"$workloads/switches" --pairs 4 --seconds 2 >/dev/null
done

# ---- kill -9 while a snapshot is written, then another start

slow_snapshot
opener=$(child frecd-opener)
kill -KILL "$frecd_pid"
wait "$frecd_pid"
wait $client && fail "a snapshot without recorder"
within 5 ended "$worker" || fail "the worker outlives the daemon"
within 5 ended "$opener" || fail "the opener outlives the daemon"
[ "$(links)" -ge 8 ] || fail "recording ended with the daemon"
[ -z "$(rubbish)" ] || fail "half a file in the spool"
mapfile -t programs < <(for link in "$work"/run/bpf/link_*; do
	PATH=$PATH:/usr/sbin bpftool -j link show pinned "$link"
done | grep -o '"prog_id":[0-9]*' | cut -d: -f2)
[ ${#programs[@]} -ge 8 ] || fail "no programs"
start_frecd
said "rescuing the window of a recorder that died" || fail "not said"
dead() {
	! PATH=$PATH:/usr/sbin bpftool prog show id "$1"
}
for id in "${programs[@]}"; do
	within 5 dead "$id" || fail "program $id of the dead recorder is still there"
done
[ -z "$(rubbish)" ] || fail "half a file stays"
ctl snapshot >/dev/null || fail "no snapshot after the restart"
[ "$(status "d['pinned']")" = true ] || fail "not pinned"
[ "$(status "d['events']['lost']")" = 0 ] || fail "events lost"
stop_frecd || fail "frecd ended with $?"
[ -z "$(rubbish)" ] || fail "rubbish"
exit 0
