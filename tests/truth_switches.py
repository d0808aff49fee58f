#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""truth_switches.py EXPORT FTRACE [LEAST]: the switches of a snapshot against ftrace's, CPU by CPU.

Counts within 0.1 %, the same threads in the same order, the same states; at least LEAST of them.
"""
import re
import sys

from truth_lib import Snapshot, check, finish

LINE = re.compile(r'\[(\d+)\] \S+ +(\d+)\.(\d{6}): sched_switch: .* ?prev_pid=(\d+) prev_prio=(-?\d+) '
                  r'prev_state=(\S+) ==> .* ?next_pid=(\d+) next_prio=(-?\d+)')
STATES = {'S': 1, 'D': 2, 'T': 4, 't': 8, 'X': 0x10, 'Z': 0x20, 'P': 0x40, 'I': 0x80}
EDGE_NS = 2000000  # of the interval: neither side is complete there
TOLERANCE = 0.001


def state_of(text):
    if text.endswith('+'):
        return 0x100
    return sum(STATES.get(letter, 0) for letter in text.split('|')) if text != 'R' else 0


def read_ftrace(path):
    """[ts, (prev, next, prev_state, next_prio), prev_prio] by CPU."""
    cpus = {}
    with open(path, encoding='utf-8', errors='replace') as file:
        for line in file:
            m = LINE.search(line)
            if m:
                ts = int(m[2]) * 1000000000 + int(m[3]) * 1000
                cpus.setdefault(int(m[1]), []).append(
                    (ts, (int(m[4]), int(m[7]), state_of(m[6]), int(m[8])), int(m[5])))
    return cpus


def complete(events):
    """Puts in what ftrace left out: the switches out of idle.

    On some virtual CPUs it has none of them at all, with and without a recorder. Its own chain says
    where one was and between whom: the CPU went idle, and next a thread leaves which had not come.
    """
    result = events[:1]
    for before, event in zip(events, events[1:]):
        if before[1][1] == 0 and event[1][0] != 0:
            result.append((event[0], (0, event[1][0], 0, event[2]), 0))
        result.append(event)
    return result


def differences(ours, theirs):
    """Walks both; after a difference goes on where four in a row agree again."""
    i = j = n = 0
    first = None
    while i < len(ours) and j < len(theirs):
        if ours[i][1] == theirs[j][1]:
            i, j = i + 1, j + 1
            continue
        first = first or (ours[i], theirs[j])
        for skip in range(1, 2000):
            found = [(a, skip - a) for a in range(skip + 1)
                     if [x[1] for x in ours[i + a:i + a + 4]] ==
                     [x[1] for x in theirs[j + skip - a:j + skip - a + 4]]]
            if found:
                i, j, n = i + found[0][0], j + found[0][1], n + skip
                break
        else:
            break
    return n + len(ours) - i + len(theirs) - j, first


def inside(events, begin, end):
    return [e for e in events if begin <= e[0] < end]


def trim(ours, theirs):
    """The interval's ends are known to a microsecond: there one side may have a few more."""
    for _ in range(2):
        for cut in range(4):
            if ours[cut:cut + 4] and [x[1] for x in ours[cut:cut + 4]] == [x[1] for x in theirs[:4]]:
                ours = ours[cut:]
                break
            if [x[1] for x in ours[:4]] == [x[1] for x in theirs[cut:cut + 4]]:
                theirs = theirs[cut:]
                break
        ours, theirs = ours[::-1], theirs[::-1]
    return ours, theirs


def main():
    snapshot = Snapshot(sys.argv[1])
    truth = read_ftrace(sys.argv[2])
    least = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
    switches = snapshot.switches()
    begin = max([snapshot.start] + [events[0][0] for events in truth.values()]) + EDGE_NS
    end = min([snapshot.end] + [events[-1][0] for events in truth.values()]) - EDGE_NS
    total = 0
    # an idle CPU may have none at all
    busy = sorted(cpu for cpu, events in switches.items()
                  if any(begin <= event['ts'] < end for event in events))
    check(set(busy) <= set(truth), f'CPUs {busy}, ftrace {sorted(truth)}')
    for cpu, events in sorted(truth.items()):
        ours = [(e['ts'], (e['prev_tid'], e['next_tid'], e['prev_state'], e['next_prio']))
                for e in switches.get(cpu, [])]
        check(all(a[0] <= b[0] for a, b in zip(ours, ours[1:])), f'cpu {cpu}: out of order')
        theirs = complete(events)
        added = len(theirs) - len(events)
        ours, theirs = trim(inside(ours, begin, end), inside(theirs, begin, end))
        wrong, first = differences(ours, theirs)
        print(f'cpu {cpu}: {len(ours)} switches, ftrace {len(theirs)} (of them {added} out of idle '
              f'that it only implies), {wrong} differ')
        limit = TOLERANCE * len(theirs)
        check(abs(len(ours) - len(theirs)) <= limit,
              f'cpu {cpu}: {len(ours)} switches, ftrace {len(theirs)}')
        check(wrong <= limit, f'cpu {cpu}: {wrong} differ, first ours and theirs: {first}')
        total += len(theirs)
    check(total >= least, f'only {total} switches were compared')
    finish()


main()
