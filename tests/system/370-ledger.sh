#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# All that the programs tried to record is in the window, has been overwritten or drained, was lost or
# refused: of each CPU and kind, in status all the time and in each snapshot.
. "$(dirname "$0")/../lib.sh"

looked() {
	[ "$(status "d['ledger']['switches_counted']")" -gt 0 ] && [ "$(status "d['uptime_ns'] > 9e9")" = true ]
}

# without: the kernel of some hosts counts more switches than it tells tracers of; that is not ours
balanced() {
	[ "$(status "sum(d['ledger']['unexplained'].values()) - d['ledger']['unexplained']['switches']")" = 0 ]
}

write_quiet_config "window = 4s" "memory = 128M" "syscalls = all" "slow_syscall = 0.1ms" "stacks = 1ms"
start_frecd
for _ in 1 2 3; do
	(while :; do sleep 0.003; done) &
	pids+=($!)
done
within 30 looked || fail "the ledger was not looked at: $(status "d['ledger']")"
balanced || fail "$(status "d['ledger']")"
status "d['ledger']" >"$work/status.json"
for n in 1 2; do
	take "ledger$n"
	python3 - "$work/ledger$n.json" "$work/status.json" <<'END2' || fail "snapshot $n"
import json, sys
status = json.load(open(sys.argv[2]))
events = (json.loads(line) for line in open(sys.argv[1], errors='replace'))
all_attributes = {e['key']: e['value'] for e in events if e['type'] == 'attribute'}
ledger = {k[len('frec.ledger.'):]: int(v) for k, v in all_attributes.items() if k.startswith('frec.ledger.')}
print(ledger)
for what in ('window', 'slots', 'evidence', 'ring_bytes'):
    assert ledger['unexplained.' + what] == 0, what
assert ledger['compared'] > 10000, ledger['compared']
before = {k['kind']: k for k in status['kinds']}
for kind in ('switches', 'wakeups', 'enters', 'exits', 'new_threads', 'lives', 'waits', 'frames'):
    n = {what: ledger[f'{kind}.{what}'] for what in ('tried', 'window', 'gone', 'lost', 'refused')}
    assert n['tried'] >= before[kind]['tried'] > 0, (kind, n)
    # a record that is being written just then has been tried, and is nowhere yet
    under_way = n['tried'] - n['window'] - n['gone'] - n['lost'] - n['refused']
    assert 0 <= under_way < 32 and all(v >= 0 for v in n.values()), (kind, n)
for kind in ('switches', 'wakeups', 'enters', 'waits'):
    assert ledger[kind + '.window'] > 0, kind
END2
done
ctl status | grep -q '^ledger ' || fail "status: $(ctl status)"
