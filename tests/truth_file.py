#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""truth_file.py EXPORT: is the file sound in itself?

Nothing was refused by its writer, slices and syscalls of a thread nest, what runs has a name and a
process, the switches of a CPU are in order.
"""
import collections
import os
import sys

from truth_lib import Snapshot, check, finish, problem


def check_nesting(tid, items):
    """Slices and syscalls share the thread's track: each lies inside the one that is open."""
    stack = []
    for item in sorted(items, key=lambda i: (i[0], -i[1])):
        while stack and stack[-1][1] <= item[0]:
            stack.pop()
        if stack:
            check(item[1] <= stack[-1][1],
                  f'tid {tid}: {item[2]} [{item[0]}, {item[1]}] crosses the end of {stack[-1][2]} '
                  f'[{stack[-1][0]}, {stack[-1][1]}]')
        stack.append(item)


def check_same_start(tid, items):
    """Two that begin at one time: which is inside the other is not to be known."""
    starts = collections.Counter(i[0] for i in items if i[1] > i[0])
    for ts, n in starts.items():
        if n > 1:
            problem(f'tid {tid}: {n} slices begin at {ts}: {[i[2] for i in items if i[0] == ts]}')


def hidden_comings(snapshot):
    """Threads that left twice without having come: sandboxes hide switches from threads of their PID 1."""
    result = set()
    for tid, moves in snapshot.comings().items():
        if any(not a[1] and not b[1] for a, b in zip(moves, moves[1:])):
            result.add(tid)
    return result - {0}


def main():
    snapshot = Snapshot(sys.argv[1])
    check(snapshot.attributes.get('frec.events.rejected') == 0,
          f'rejected by the writer: {snapshot.attributes.get("frec.events.rejected")}')
    items = collections.defaultdict(list)
    for item in snapshot.slices() + snapshot.syscalls():
        begin = item[0] if item[0] is not None else 0  # waits may have begun before the window
        end = item[1] if item[1] is not None else snapshot.end
        items[item[3]].append([begin, end] + item[2:])
    unseen = hidden_comings(snapshot)
    for tid, mine in items.items():
        if tid in unseen:
            continue
        check_nesting(tid, mine)
        check_same_start(tid, mine)
    tids = set()
    for cpu, events in snapshot.switches().items():
        check(all(a['ts'] <= b['ts'] for a, b in zip(events, events[1:])), f'cpu {cpu}: out of order')
        tids.update(e[side] for e in events for side in ('prev_tid', 'next_tid'))
    # the kernel of some sandboxes hides their PID 1 from BPF's iterators: it has no name then
    hidden = set() if 1 in snapshot.processes else {int(tid) for tid in os.listdir('/proc/1/task')}
    for tid in sorted(tids - hidden - {0}):
        if check(tid in snapshot.threads, f'tid {tid} runs but has no thread in the file'):
            tgid = snapshot.threads[tid][-1]['tgid']
            check(tgid in snapshot.processes, f'tid {tid}: its process {tgid} is not in the file')
            check(snapshot.threads[tid][-1]['name'] not in ('', '?'), f'tid {tid} has no name')
    print(f'{len(tids)} threads, {sum(map(len, items.values()))} slices')
    finish()


main()
