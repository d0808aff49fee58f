#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A snapshot walks thousands of threads and copies the window in a thread of its own, so that the
# main loop goes on meanwhile; and the recorder and its helpers go before others, a worker behind them.
. "$(dirname "$0")/../lib.sh"

write_quiet_config
start_frecd
python3 - 2000 <<'PYTHON' &
import threading, sys
threading.stack_size(32768 * 2)
stop = threading.Event()
for _ in range(int(sys.argv[1])):
    threading.Thread(target=stop.wait, daemon=True).start()
stop.wait()
PYTHON
many=$!
pids+=("$many")
threads() { [ "$(ls "/proc/$many/task" | wc -l)" -gt 2000 ]; }
within 30 threads || fail "no 2,000 threads"

daemon=$frecd_pid
python3 - "$daemon" "$work" <<'PYTHON' &
# What is seen of frecd's threads and of its workers, until both have been seen, or somebody ends us.
import glob, os, sys, time
pid, work = sys.argv[1:]
seen = set()
while len(seen) < 2:
    for comm in glob.glob(f'/proc/{pid}/task/*/comm'):
        try:
            if open(comm).read().strip() == 'frecd-capture':
                seen.add('capture')
        except OSError:
            pass
    for child in open(f'/proc/{pid}/task/{pid}/children').read().split():
        try:
            fields = open(f'/proc/{child}/stat').read()
            nice = int(fields.rsplit(')', 1)[1].split()[16])
            if '(frecd-worker)' in fields and nice in (0, -19):
                seen.add('worker')
        except OSError:
            pass
open(work + '/seen', 'w').write(' '.join(sorted(seen)))
PYTHON
pids+=($!)
both() {
	ctl snapshot -o "$work/one.pftrace" >/dev/null || fail "snapshot"
	[ -e "$work/seen" ]
}
within 20 both || fail "no thread of its own for the capture was seen, or no worker"

for pid in "$daemon" $(cat "/proc/$daemon/task/$daemon/children"); do
	nice=$(ps -o ni= -p "$pid") || continue # a worker, that has ended
	case $(cat "/proc/$pid/comm") in
	frecd | frecd-opener | frecd-spooler) [ "$nice" -eq -19 ] || fail "$(ps -o comm=,ni= -p "$pid")" ;;
	esac
done
ctl export "$work/one.pftrace" --format json >"$work/one.json" || fail "export"
python3 - "$work/one.json" "$many" <<'PYTHON' || fail "threads in the trace"
import json, sys
n = sum(1 for line in open(sys.argv[1], errors='replace') if line.startswith('{"type":"thread"')
        and json.loads(line).get('pid', json.loads(line).get('tgid')) == int(sys.argv[2]))
assert n >= 2000, n
PYTHON
stop_frecd || fail "frecd ended with $?"
