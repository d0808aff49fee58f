#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""truth_focus.py WHOLE FOCUS ONLY LAST PID PARTNER STRANGER LAST_NS: what --pid, --only, --last leave.

PID waits for PARTNER (a process); STRANGER has nothing to do with either. Taken one after the other,
so they are compared where all have everything: in the interval that they share.
"""
import sys

from truth_lib import Snapshot, check, finish


def count(snapshot, begin, end, tids=None):
    n = 0
    for event in snapshot.of('switch'):
        if begin <= event['ts'] < end:
            n += tids is None or event['prev_tid'] in tids or event['next_tid'] in tids
    return n


def tids_of(snapshot, pid):
    return {e['tid'] for e in snapshot.of('thread') if e['tgid'] == pid}


def details(snapshot, pid):
    tids = tids_of(snapshot, pid)
    return sum(s[3] in tids for s in snapshot.slices() + snapshot.syscalls())


def main():
    whole, focus, only, last = (Snapshot(path) for path in sys.argv[1:5])
    pid, partner, stranger, last_ns = map(int, sys.argv[5:9])
    begin = max(s.start for s in (whole, focus, only)) + 1000000
    end = min(s.end for s in (whole, focus, only)) - 1000000
    for snapshot, name in ((whole, 'whole'), (focus, '--pid'), (only, '--only')):
        check(details(snapshot, pid), f'{name}: no details of the process')
        check(details(snapshot, partner), f'{name}: no details of the one that it waits for')
    check(details(whole, stranger), 'whole: no details of the stranger')
    for snapshot, name in ((focus, '--pid'), (only, '--only')):
        check(not details(snapshot, stranger), f'{name}: details of the stranger')
    both = tids_of(whole, pid) | tids_of(whole, partner)
    n, of_both = count(whole, begin, end), count(whole, begin, end, both)
    check(n > of_both > 10, f'{n} switches, {of_both} of both')
    check(count(focus, begin, end) == n, f'--pid: {count(focus, begin, end)} switches of {n}')
    check(count(only, begin, end, both) == of_both,
          f'--only: {count(only, begin, end, both)} switches of them, want {of_both}')
    others = tids_of(whole, stranger)
    check(count(whole, begin, end, others - both) > 10, 'the stranger hardly ran')
    # it stays only where it took over from one of those that are wanted, or they from it
    left = [e for e in only.of('switch') if begin <= e['ts'] < end
            and {e['prev_tid'], e['next_tid']} - others <= {0}]
    check(not left, f'--only: {len(left)} switches of the stranger and idle, e.g. {left[:1]}')
    listed = {e['pid'] for e in only.of('process')}
    check({pid, partner} <= listed and stranger not in listed, f'--only: lists the processes {sorted(listed)}')
    first = min(e['ts'] for e in last.of('switch') + last.of('waking') if e['ts'] > last.start)
    check(last.end - last_ns - 1000000 <= first <= last.end - last_ns // 2,
          f'--last: begins {last.end - first} ns before its end, want {last_ns}')
    check(last.end - last.start <= last_ns + 1000000, f'--last: the window is {last.end - last.start} ns')
    print(f'{n} switches, {of_both} of the two')
    finish()


main()
