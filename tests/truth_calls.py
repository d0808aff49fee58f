#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""truth_calls.py EXPORT PID COUNT PPID NR: mode all has every one of COUNT calls of NR, in order.

Each was called with its number as first argument and returned PPID.
"""
import sys

from truth_lib import Snapshot, check, finish


def main():
    snapshot = Snapshot(sys.argv[1])
    pid, count, ppid, nr = map(int, sys.argv[2:6])
    calls = [c for c in snapshot.syscalls() if c[3] == pid and c[2] == nr]
    # a shell that became the program has called it, too, and at the end the program asks for PPID
    calls = [c for c in calls if c[4].get('args', [0, 0])[:2] != [0, 0]
             and c[4]['args'][1] == c[4]['args'][0] ^ 0x5a5a]
    check(len(calls) == count, f'{len(calls)} calls, want {count}')
    for i, call in enumerate(calls):
        args = call[4].get('args', [])
        check(args[:2] == [i, i ^ 0x5a5a], f'call {i}: arguments {args}')
        check(call[4].get('ret') == ppid, f'call {i}: returned {call[4].get("ret")}, want {ppid}')
        check(call[0] and call[1] and call[0] < call[1], f'call {i}: from {call[0]} to {call[1]}')
    print(f'{len(calls)} calls')
    finish()


main()
