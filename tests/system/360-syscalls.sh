#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A `syscall` trigger in mode all: also for a call that never sleeps, with the right name and time,
# and only for those of its list. Threads that come and go leave nothing in the task table.
. "$(dirname "$0")/../lib.sh"

cp "$(command -v dd)" "$work/busy-dd"
write_config <<-EOF
	[recorder]
	window = 10s
	syscalls = all
	[trigger read]
	kind = syscall
	syscalls = read
	threshold = 20ms
	comm = busy-dd
	cooldown = 0
	[trigger write]
	kind = syscall
	syscalls = write, 500
	threshold = 20ms
	comm = busy-dd
EOF
start_frecd
# one read of 256 MiB of zeroes: tens of milliseconds in the kernel
"$work/busy-dd" if=/dev/zero of=/dev/null bs=256M count=1 2>/dev/null
within 10 has_snapshot "*-read-*" || fail "no snapshot"
[ "$(trigger write fired)" = 0 ] || fail "fired for a call that is not in the list"
ctl explain "$(snapshots | head -n 1)" --json >"$work/explain.json"
[ "$(json "$work/explain.json" "20e6 < d['trigger']['duration_ns'] < 10e9 and 'waker_tid' not in d['trigger']")" = true ] ||
	fail "$(json "$work/explain.json" "d['trigger']")"
[ "$(json "$work/explain.json" "'read(0, ' in d['summary'][0]")" = true ] || fail "$(json "$work/explain.json" "d['summary']")"

bpftool=$(command -v bpftool || echo /usr/sbin/bpftool)
[ -x "$bpftool" ] && [ -e "$work/run/bpf/task_table" ] || skip "cannot read the task table without bpftool and pins"
stale() { # slots of threads that are no more
	"$bpftool" -j map dump pinned "$work/run/bpf/task_table" | python3 -c 'import json, os, sys
live = {int(t) for p in os.listdir("/proc") if p.isdigit() for t in (os.listdir(f"/proc/{p}/task") if os.path.isdir(f"/proc/{p}/task") else [])}
def tid(e):
    return e["formatted"]["value"]["tid"] if "formatted" in e else int.from_bytes(bytes(int(b, 16) for b in e["value"][16:20]), "little")
print(len([1 for e in json.load(sys.stdin) if tid(e) and tid(e) not in live]))'
}
for i in $(seq 1 300); do
	"$workloads/waits" cpuhog --ms 0 >/dev/null
done
few() { [ "$(stale)" -lt 30 ]; } # others come and go while we look
within 10 few || fail "$(stale) places in the table are lost"
[ "$(status "d['events']['lost']")" = 0 ] || fail "lost: $(status "d['events']['lost_by']")"
stop_frecd || fail "frecd ended with $?"
