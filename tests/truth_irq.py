#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""truth_irq.py EXPORT TRUTH: timers wake from an interrupt, writers and lock owners by their name.

TRUTH: lines of `waits sleep` and `waits pipe`.
"""
import sys

from truth_lib import Snapshot, check, finish, json_lines


def main():
    snapshot = Snapshot(sys.argv[1])
    # the writer runs when it wakes: the last switch-in before it on that CPU
    seen = {'sleep': 0, 'pipe': 0}
    slept = {}
    for event in snapshot.of('switch'):
        if event['prev_state'] & 3:
            slept.setdefault(event['prev_tid'], []).append(event['ts'])
    for event in json_lines(sys.argv[2]):
        # preempted before it could sleep, until there was no need to
        if not any(event['begin_ns'] <= ts <= event['end_ns'] for ts in slept.get(event['tid'], [])):
            continue
        wakings = [e for e in snapshot.of('waking') if e['tid'] == event['tid']
                   and event['begin_ns'] <= e['ts'] <= event['end_ns']]
        if not check(wakings, f'{event["what"]} of {event["tid"]}: no wake-up'):
            continue
        waking = wakings[-1]
        seen[event['what']] += 1
        if event['what'] == 'sleep':
            check(waking['irq'], f'a timer woke {event["tid"]}, not {waking["waker_tid"]}: {waking}')
        else:
            check(not waking['irq'] and waking['waker_tid'] == event['waker_tid'],
                  f'{event["waker_tid"]} woke {event["tid"]}: {waking}')
    check(min(seen.values()) >= 20, f'only {seen}')
    wakings = snapshot.of('waking')
    irq = sum(e['irq'] != 0 for e in wakings)
    print(f'{len(wakings)} wake-ups, {irq} from interrupts')
    finish()


main()
