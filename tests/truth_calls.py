#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""truth_calls.py EXPORT PID COUNT RESULT NR: mode all has every one of COUNT calls of NR, in order.

Call i was made with i + 1000 and that xor 0x5a5a, and returned RESULT.
"""
import sys

from truth_lib import Snapshot, check, finish


def main():
    snapshot = Snapshot(sys.argv[1])
    pid, count, result, nr = map(int, sys.argv[2:6])
    calls = [c for c in snapshot.syscalls() if c[3] == pid and c[2] == nr]
    check(len(calls) == count, f'{len(calls)} calls, want {count}')
    for i, call in enumerate(calls, 1000):
        args = call[4].get('args', [])
        check(args[:2] == [i, i ^ 0x5a5a], f'call {i}: arguments {args}')
        check(call[4].get('ret') == result, f'call {i}: returned {call[4].get("ret")}, want {result}')
        check(call[0] and call[1] and call[0] < call[1], f'call {i}: from {call[0]} to {call[1]}')
    print(f'{len(calls)} calls')
    finish()


main()
