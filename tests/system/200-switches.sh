#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The switches of a snapshot are those that ftrace saw: hackbench, sysbench threads, sysbench mutex.
. "$(dirname "$0")/../lib.sh"

here=$(dirname "$0")/..
instance=
for tool in hackbench sysbench; do
	command -v $tool >/dev/null || skip "no $tool"
done

trace_end() {
	[ -z "$instance" ] || { echo 0 >"$instance/tracing_on"; echo 0 >"$instance/events/enable"; } 2>/dev/null
	[ -z "$instance" ] || rmdir "$instance"
	mountpoint -q "$work/tracefs" && umount "$work/tracefs"
}
trap 'trace_end; cleanup' EXIT

mkdir "$work/tracefs"
mount -t tracefs frec-truth "$work/tracefs" || skip "tracefs cannot be mounted"
instance=$work/tracefs/instances/frec-truth-$$
mkdir "$instance" || skip "no instances in tracefs"
echo 0 >"$instance/tracing_on"
echo mono >"$instance/trace_clock" || fail "trace_clock mono"
echo 65536 >"$instance/buffer_size_kb"
echo 1 >"$instance/events/sched/sched_switch/enable"

write_config <<-EOF
	[recorder]
	window = 30s
	memory = 64M
EOF
start_frecd

# compare NAME LEAST COMMAND…
compare() {
	local name=$1 least=$2

	shift 2
	echo >"$instance/trace"
	echo 1 >"$instance/tracing_on"
	"$@" >"$work/load" 2>&1 || fail "$name: $(tail -n 3 "$work/load")"
	echo 0 >"$instance/tracing_on"
	ctl snapshot --last 6s -o "$work/$name.pftrace" >/dev/null || fail "$name: snapshot"
	cat "$instance/trace" >"$work/$name.ftrace"
	! grep -Eh '^(overrun|commit overrun|dropped events): [1-9]' "$instance"/per_cpu/cpu*/stats ||
		fail "$name: ftrace itself lost events"
	ctl export "$work/$name.pftrace" --format json >"$work/$name.json" || fail "$name: export"
	echo "$name:"
	"$here/truth_switches.py" "$work/$name.json" "$work/$name.ftrace" "$least" ||
		fail "$name: switches are not those of ftrace"
	rm "$work/$name".*
}

compare hackbench 5000 hackbench -g 4 -l 1000
compare mutex 100 sysbench mutex --threads=64 --mutex-num=1 --mutex-locks=20000 --mutex-loops=10 run
compare threads 5000 sysbench threads --threads=16 --time=1 --thread-locks=2 run
[ "$(status "d['events']['lost']")" = 0 ] || fail "events lost"
