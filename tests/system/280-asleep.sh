#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Threads that sleep in read() since before the window, one of them since before the recording: both
# are in the snapshot with syscall, arguments, kernel stack and an honest age.
. "$(dirname "$0")/../lib.sh"

write_quiet_config "window = 5s"
for name in early late; do
	cp "$(type -P cat)" "$work/$name"
	mkfifo "$work/fifo-$name"
	sleep 50 >"$work/fifo-$name" &
	pids+=($!)
done

now() {
	python3 -c 'import time; print(time.clock_gettime_ns(time.CLOCK_BOOTTIME))'
}
in_read() {
	grep -q '^0 ' "/proc/$reader/syscall"
}
# asleep NAME: a process in read(); $before and $after: it began to between these times
asleep() {
	before=$(now)
	"$work/$1" "$work/fifo-$1" &
	reader=$!
	pids+=("$reader")
	within 10 in_read || fail "$1 does not read"
	after=$(now)
}
asleep early
early=$reader
start=$(now)
start_frecd
started=$(now)
asleep late
passed() {
	[ "$(now)" -gt $((after + 8 * 1000000000)) ]
}
within 20 passed || fail "no time"
take asleep
python3 - "$work/asleep.json" "$early" "$start" "$started" "$reader" "$before" "$after" <<'PYTHON' || fail "who sleeps"
import json, sys
events = [json.loads(line) for line in open(sys.argv[1], errors='replace')]
tids = {e['uuid']: e['tid'] for e in events if e['type'] == 'track' and e.get('tid')}
end = next(e for e in events if e['type'] == 'clocks')['boottime']
early, start, started, late, before, after = map(int, sys.argv[2:])
for tid, begin, begun, at_least in ((early, start, started, True), (late, before, after, None)):
    slices = [e for e in events if e['type'] == 'slice' and tids.get(e['track']) == tid]
    waits = [e for e in slices if e['name'].startswith('wait: read fd 3 pipe')]
    assert len(waits) == 1 and waits == slices, (tid, slices)
    args = {a['key']: a['value'] for a in waits[0]['args']}
    assert args['still_waiting'] is True and args.get('at_least') is at_least, args
    # taken a moment before the clocks of the file were, or after
    assert end - begun - 5e8 <= args['waited_ns'] <= end - begin + 5e8, (args, end - begin)
    functions = [f['function'] for f in waits[0]['stack'] if f['kind'] == 'kernel']
    assert any('pipe_read' in f for f in functions), functions
    calls = [e for e in events if e['type'] == 'sys_enter' and e['tid'] == tid]
    assert len(calls) == 1 and calls[0]['nr'] == 0, calls
    assert calls[0]['args'][0] == 3 and len(calls[0]['args']) == 3, calls
PYTHON
[ "$(status "d['events']['lost']")" = 0 ] || fail "lost: $(status "d['events']['lost_by']")"

# its end is evidence as any other's
kill "${pids[0]}"
ended() {
	! kill -0 "$early" 2>/dev/null
}
within 5 ended || fail "early does not end"
take ended
python3 - "$work/ended.json" "$early" <<'PYTHON' || fail "a wait that ended"
import json, sys
events = [json.loads(line) for line in open(sys.argv[1], errors='replace')]
tids = {e['uuid']: e['tid'] for e in events if e['type'] == 'track' and e.get('tid')}
slices = [e for e in events if e['type'] == 'slice' and tids.get(e['track']) == int(sys.argv[2])]
wait = [e for e in slices if e['name'].startswith('wait: read fd 3 pipe')][0]
args = {a['key']: a['value'] for a in wait['args']}
assert args['at_least'] is True and args['waited_ns'] > 8e9 and 'still_waiting' not in args, args
assert any(e['phase'] == 'end' and e['name'] == wait['name'] for e in slices), slices
PYTHON
stop_frecd || fail "frecd ended with $?"
