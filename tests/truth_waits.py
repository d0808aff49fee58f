#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""truth_waits.py EXPORT TRUTH off|slow|unregistered|all: the waits of a snapshot against what programs measured.

Every wait is there with its facts. Its begin and end agree within 50 us with the program's own
clock for nine of ten: between clock and sleep a thread can be preempted, which is no error. Where the
program says that it was, nothing is measured. Exit status 75: this was so often that too little is left, or
times alone are wrong and the environment has DISTURBED=yes. Unregistered threads are interrupted to
tell of the end of a call (frecd(8)), which takes virtual machines tens of us: they have 100.
"""
import collections
import os
import sys

from truth_lib import Snapshot, check, finish, json_lines, problems

LIMIT_NS = 50000
SHARE = 0.9
FUTEX_WAIT, FUTEX_LOCK_PI, FUTEX_WAIT_BITSET = 0, 6, 9
PRIVATE, REALTIME = 128, 256

# what: name of the wait's slice, futex operations, expected value, bytes of the object
FUTEXES = {
    'futex': ('wait: futex', {FUTEX_WAIT | PRIVATE}, 7, 4),
    'futex2': ('wait: futex', {None}, 7, 4),
    'waitv': ('wait: futex', {None}, None, 4),
    'lock': ('wait: lock', {FUTEX_WAIT | PRIVATE}, 2, 4),
    'lock2': ('wait: lock', {None}, 2, 4),
    'lock-recursive': ('wait: lock', {FUTEX_WAIT | PRIVATE}, 2, 4),
    'lock-errorcheck': ('wait: lock', {FUTEX_WAIT | PRIVATE}, 2, 4),
    'lock-pi': ('wait: lock', {FUTEX_LOCK_PI | PRIVATE}, None, 4),
    'lock-robust': ('wait: lock', {FUTEX_WAIT, FUTEX_WAIT | PRIVATE}, 'owner', 4),
    'lock-shared': ('wait: lock', {FUTEX_WAIT}, 2, 4),
    'condvar': ('wait: futex', {FUTEX_WAIT_BITSET | PRIVATE | REALTIME,
                                FUTEX_WAIT_BITSET | PRIVATE}, None, 48),
    'sem': ('wait: futex', {FUTEX_WAIT_BITSET | REALTIME, FUTEX_WAIT_BITSET | PRIVATE | REALTIME},
            0, 4),
}
# what: number on x86-64, place of the descriptor among the arguments, result
SYSCALLS = {'pipe': (0, 0, 1), 'poll': (7, None, 1), 'epoll': (232, 0, 1),
            'sleep': (230, None, 0), 'vfork': (58, None, None),
            'futex2': (455, None, 0), 'waitv': (449, None, None), 'lock2': (455, None, 0)}
COMPAT = {'sleep': 'clock_nanosleep', 'pipe': 'read', 'futex': 'futex', 'int80': 'nanosleep'}

deviations = collections.defaultdict(list)
disturbed = collections.Counter()


def best(candidates, event):
    """The slice that covers most of the event."""
    def overlap(item):
        begin, end = item[0] or 0, item[1] or 0
        return min(end, event['end_ns']) - max(begin, event['begin_ns'])
    candidates = [c for c in candidates if overlap(c) > 0]
    return max(candidates, key=overlap) if candidates else None


def label(event):
    return f'{event["what"]} of {event["tid"]} at {event["begin_ns"]}'


def measure(key, found, event):
    if event.get('preempted'):
        disturbed[key] += 1
        return
    # copies the process first: the program cannot say when its sleep begins
    begin = 0 if event['what'] == 'vfork' else abs(found[0] - event['begin_ns'])
    deviations[key].append(max(begin, abs(found[1] - event['end_ns'])))


def check_waker(event, args):
    if 'waker_tid' in event:
        check(args.get('waker_tid') == event['waker_tid'],
              f'{label(event)}: waker {args.get("waker_tid")} {args.get("woken_by", "")}, '
              f'want {event["waker_tid"]}')


def check_futex(event, found):
    name, ops, val, size = FUTEXES[event['what']]
    args = found[4]
    addr, at = int(event['addr'], 16), int(str(args.get('address', 0)), 0)
    check(found[2] == name, f'{label(event)}: {found[2]}, want {name}')
    check(addr <= at < addr + size, f'{label(event)}: address {at:#x}, want {addr:#x}')
    check(args.get('op') in ops, f'{label(event)}: op {args.get("op")}, want one of {ops}')
    if val == 'owner':
        val = event['owner_tid'] | 0x80000000
    check(val is None or args.get('val') == val, f'{label(event)}: val {args.get("val")}, want {val}')
    check(args.get('owner_tid') == event.get('owner_tid'),
          f'{label(event)}: owner {args.get("owner_tid")}, want {event.get("owner_tid")}')
    check_waker(event, args)


def is_compat(event):
    return bool(event.get('compat'))


def check_syscall(event, calls, mode):
    nr, fd, ret = SYSCALLS.get(event['what'], (202, None, None))
    found = best([c for c in calls.get(event['tid'], []) if c[2] == nr and c[1]], event)
    if mode == 'off':
        check(not found, f'{label(event)}: syscall slice in mode off')
        return
    if not check(found, f'{label(event)}: no slice of syscall {nr}'):
        return
    if found[0]:
        measure(event['what'] + ' syscall', found, event)
    args = found[4].get('args', [])
    check(fd is None or 'fd' not in event or (args and args[fd] == event['fd']),
          f'{label(event)}: arguments {args}, want fd {event.get("fd")}')
    check(ret is None or found[4].get('ret') == ret,
          f'{label(event)}: returned {found[4].get("ret")}, want {ret}')


def check_compat(event, slices, mode):
    names = {f'sys_{COMPAT[event["what"]]}{suffix} (32 bit)' for suffix in ('', '_time64')}
    mine = slices.get(event['tid'], [])
    found = best([s for s in mine if s[2] in names], event)
    if mode == 'off':
        check(not found, f'{label(event)}: syscall slice in mode off')
    elif check(found, f'{label(event)}: no slice {names}, but {sorted({s[2] for s in mine})}'):
        measure(event['what'] + ' syscall, 32 bit', found, event)
        want = {'pipe': 1}.get(event['what'], 0)
        check(found[4].get('ret') == want, f'{label(event)}: returned {found[4].get("ret")}')
    if event['what'] == 'futex':
        wait = best([s for s in mine if s[2] == 'wait: futex'], event)
        if check(wait, f'{label(event)}: no futex wait (32 bit)'):
            measure('futex, 32 bit', wait, event)
            check(wait[4].get('val') == 7, f'{label(event)}: val {wait[4].get("val")}')
            check(wait[4].get('owner_tid') is None, f'{label(event)}: has an owner')


def check_event(event, slices, calls, mode):
    if is_compat(event):
        check_compat(event, slices, mode)
        return
    mine = slices.get(event['tid'], [])
    if event['what'] in FUTEXES:
        found = best([s for s in mine if s[2].startswith('wait:')], event)
        if check(found and found[1], f'{label(event)}: no wait in the snapshot'):
            measure(event['what'], found, event)
            if 'addr' in event:
                check_futex(event, found)
    if event['what'] == 'stop':
        found = best([s for s in mine if s[2] == 'wait: stopped'], event)
        if check(found and found[1], f'{label(event)}: no stop, but {[s[2] for s in mine]}'):
            ns = event['asked_ms'] * 1000000
            check(found[1] - found[0] > 0.8 * ns, f'{label(event)}: only {found[1] - found[0]} ns')
        return
    check_syscall(event, calls, mode)


def came_unseen(event, moves):
    """Left twice without having come: sandboxes hide switches from threads of their PID 1."""
    mine = [m for m in moves.get(event['tid'], []) if m[0] >= event['begin_ns']]
    left = [i for i, m in enumerate(mine[:-1]) if not m[1] and not mine[i + 1][1]]
    return bool(left) and mine[left[0]][0] < event['end_ns']


def by_tid(items):
    result = collections.defaultdict(list)
    for item in items:
        result[item[3]].append(item)
    return result


def main():
    snapshot = Snapshot(sys.argv[1])
    mode = sys.argv[3]
    slow = int(snapshot.attributes['frec.config.slow_syscall_ns'])
    slices, calls = by_tid(snapshot.slices()), by_tid(snapshot.syscalls())
    truth = json_lines(sys.argv[2])
    check(truth and snapshot.start < truth[0]['begin_ns'], 'the window does not hold all events')
    asked, unseen, moves = collections.Counter(), 0, snapshot.comings()
    for event in truth:
        # a preemption before it can make a wait shorter than what is recorded
        if came_unseen(event, moves):
            unseen += 1
        elif event['end_ns'] - event['begin_ns'] > slow + LIMIT_NS:
            asked[event['what']] += 1
            check_event(event, slices, calls, mode)
    print(f'{len(truth)} waits, {unseen} of them with a switch that no tracepoint tells')
    check(unseen <= 0.05 * len(truth), f'{unseen} waits of {len(truth)} with hidden switches')
    for what in {event['what'] for event in truth}:
        check(asked[what] >= 10, f'{what}: only {asked[what]} waits that were long enough')
    few = [key for key, n in disturbed.items() if n and len(deviations[key]) < 10]
    if few and not problems:
        print(f'preempted too often: {few}')
        sys.exit(75)
    wrong = len(problems)
    for key, values in sorted(deviations.items()):
        limit = 2 * LIMIT_NS if mode == 'unregistered' else LIMIT_NS
        good = sum(v <= limit for v in values)
        values.sort()
        print(f'{key}: {good} of {len(values)} within {limit // 1000} us, '
              f'median {values[len(values) // 2] / 1000:.1f}')
        check(good >= SHARE * len(values), f'{key}: {good} of {len(values)} within {limit // 1000} us')
    if problems and not wrong and os.environ.get('DISTURBED') == 'yes':
        sys.exit(75)
    finish()


main()
