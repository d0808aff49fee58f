#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# 20,000 threads, if the host allows so many: each is in the snapshot, and the recorder takes no more
# memory for them when they are gone.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../torture.sh"

want=20000
room=$(($(cat /proc/sys/kernel/pid_max) - $(awk -F '[/ ]' '{ print $5 }' /proc/loadavg) - 2000))
maps=$(($(cat /proc/sys/vm/max_map_count) / 2 - 1000)) # a stack and its guard each
for most in $room $maps $(($(cat /proc/sys/kernel/threads-max) / 2)) "$(ulimit -u)"; do
	[ "$most" = unlimited ] || [ "$most" -ge $want ] || want=$most
done
[ "$want" -ge 2000 ] || skip "this host allows $want threads only"
write_quiet_config "window = 5s"
start_frecd
ctl snapshot >/dev/null || fail "frecctl snapshot"
heap() {
	awk '/^RssAnon/ { print $2 }' "/proc/$frecd_pid/status"
}
before=$(fds) memory=$(heap)
"$workloads/crowd" --threads $want --seconds 100 >"$work/crowd" 2>&1 &
crowd=$!
pids+=("$crowd")
there() {
	grep -q '"crowd"' "$work/crowd" || ! kill -0 $crowd
}
within 60 there
kill -0 $crowd 2>/dev/null || skip "no $want threads here: $(cat "$work/crowd")"
take crowd
python3 - "$work/crowd.json" $crowd $want <<'PYTHON' || fail "not all of them"
import json, sys
n = sum(1 for line in open(sys.argv[1], errors='replace') if line.startswith('{"type":"thread"')
        and json.loads(line).get('tgid') == int(sys.argv[2]))
print(n, 'of', sys.argv[3], 'threads')
assert n >= int(sys.argv[3]), n
PYTHON
stop_pid $crowd
pids=()
path=$(ctl snapshot) || fail "no snapshot when they are gone"
ctl explain "$path" >/dev/null || fail "$path is not whole"
within 10 few_fds "$before" || fail "$(fds) descriptors, $before before"
[ "$(heap)" -le $((memory + 2048)) ] || fail "$(heap) KiB of memory, $memory before"
nothing_lost
end_clean
[ $want = 20000 ] || echo "with $want threads: more are not allowed here"
exit 0
