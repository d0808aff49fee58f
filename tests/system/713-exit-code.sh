#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# An exit code that was asked for leaves one snapshot, by name, program or unit; 0, other codes and
# other programs leave none, nor does what is asked of a running recorder before it is reloaded.
# May run beside others.
. "$(dirname "$0")/../lib.sh"

write_config <<-END
	[trigger some]
	kind = exit
	signals = none
	exit_codes = 3, 250
	comm = dies
	cooldown = 0s
	[trigger any]
	kind = exit
	exit_codes = any
	exe = $work/also-dies
	cooldown = 0s
END
cp "$workloads/dies" "$work/also-dies"
start_frecd

# run PROGRAM ARGUMENT…: its pid
run() {
	"$@" &
	pid=$!
	wait "$pid" 2>/dev/null
}

# left TRIGGER: one snapshot of $pid
left() {
	within 20 has_snapshot "*-$1-*-$pid" || fail "no snapshot of $pid: $(ctl triggers)"
	[ "$(snapshots "*-$pid*" | wc -l)" = 1 ] || fail "$(snapshots)"
	ctl explain "$(snapshots "*-$1-*-$pid")" --json >"$work/why" || fail "explain"
}

"$workloads/dies" exit 0
"$workloads/dies" exit 4
"$workloads/dies" segv 2>/dev/null
run "$workloads/dies" exit 3 1200
left some
json "$work/why" 'd["cause"]["text"]' | grep -q "^dies (pid $pid) exited with 3$" ||
	fail "cause: $(json "$work/why" 'd["cause"]')"
[ "$(json "$work/why" 'd["trigger"]["exit_code"]')" = 3 ] || fail "$(json "$work/why" 'd["trigger"]')"
[ "$(json "$work/why" 'd["subject"]["wall_ns"] > 900e6')" = true ] ||
	fail "not the last second: $(json "$work/why" 'd["subject"]')"
ctl export "$(snapshots)" --format json | grep -q '"name":"exited with 3"' || fail "no instant"
run "$workloads/dies" exit 250
left some
[ "$(trigger any fired)" = 0 ] || fail "any: $(ctl triggers)"

"$work/also-dies" exit 0
run "$work/also-dies" exit 1
left any
run "$work/also-dies" segv
left any
[ "$(trigger some fired) $(trigger any fired)" = "2 2" ] || fail "$(ctl triggers)"

# programs of the kind are attached at a reload, and let go of
sed -i '/^\[trigger some\]/,$d' "$work/frec.conf"
printf '%s\n' "[trigger never]" "kind = lock" "threshold = 4s" "comm = nobody-has-this" >>"$work/frec.conf"
reload
if [ -d "$work/run/bpf" ] && [ -e "$work/run/bpf/control" ]; then
	ls "$work"/run/bpf/link_on_signal_deliver 2>/dev/null && fail "it is still attached"
fi
"$workloads/dies" exit 3
printf '%s\n' "[trigger back]" "kind = exit" "exit_codes = 3" "comm = dies" "cooldown = 0s" >>"$work/frec.conf"
reload
run "$workloads/dies" exit 3
left back
[ "$(trigger back fired)" = 1 ] || fail "$(ctl triggers)"
exit 0
