# SPDX-License-Identifier: GPL-2.0
"""What the truth_*.py checks share: a snapshot as frecctl exports it, and a way to complain."""
import json
import sys

problems = []


def problem(text):
    """Notes what is wrong; finish() tells. The first twenty are enough to understand."""
    problems.append(text)
    if len(problems) <= 20:
        print('  ' + text, file=sys.stderr)


def check(condition, text):
    if not condition:
        problem(text)
    return condition


def finish():
    if len(problems) > 20:
        print(f'  … {len(problems)} in all', file=sys.stderr)
    sys.exit(1 if problems else 0)


def json_lines(path):
    with open(path, encoding='utf-8', errors='replace') as file:
        return [json.loads(line) for line in file if line.startswith('{')]


class Snapshot:
    """The events of `frecctl export FILE --format json`; their times become MONOTONIC."""

    def __init__(self, path):
        self.events = json_lines(path)
        clocks = next(e for e in self.events if e['type'] == 'clocks')
        self.offset = clocks['boottime'] - clocks['monotonic']
        self.end = clocks['monotonic']
        for event in self.events:
            if event.get('ts'):
                event['ts'] -= self.offset
        self.attributes = {e['key']: e['value'] for e in self.events if e['type'] == 'attribute'}
        # boottime, but for the suspends of this boot, of which a test has none
        self.start = int(self.attributes['frec.window.start_ns']) - self.offset
        self.threads = {}
        self.processes = {}
        for event in self.of('thread'):
            self.threads.setdefault(event['tid'], []).append(event)
        for event in self.of('process'):
            self.processes.setdefault(event['pid'], []).append(event)

    def of(self, *kinds):
        return [e for e in self.events if e['type'] in kinds]

    def switches(self):
        """By CPU; without the switch that only says who ran when the window began."""
        cpus = {}
        for event in self.of('switch'):
            cpus.setdefault(event['cpu'], []).append(event)
        for events in cpus.values():
            if events[0]['prev_tid'] == 0 and events[0]['ts'] <= self.start:
                del events[0]
        return cpus

    def comings(self):
        """By tid: [ts, True if it came to a CPU, False if it left], in order."""
        result = {}
        for event in self.of('switch'):
            result.setdefault(event['prev_tid'], []).append((event['ts'], False))
            result.setdefault(event['next_tid'], []).append((event['ts'], True))
        for moves in result.values():
            moves.sort()
        return result

    def slices(self):
        """[begin, end, name, tid, args, kind] of all threads' tracks; an open end is None.

        The name of a wait is "wait: lock"; the address and the like behind it are left out.
        """
        tids = {e['uuid']: e['tid'] for e in self.of('track')}
        stacks, result = {}, []
        for event in self.of('slice'):
            tid = tids.get(event['track'])
            if not tid:
                continue
            stack = stacks.setdefault(event['track'], [])
            if event['phase'] == 'begin':
                args = {a['key']: a.get('value') for a in event['args']}
                name = event['name']
                if name.startswith('wait: '):
                    name = ' '.join(name.split(' ')[:2])
                stack.append([event['ts'], None, name, tid, args, 'slice'])
                result.append(stack[-1])
            elif event['phase'] == 'end':
                if check(stack, f'tid {tid}: the end of a slice that did not begin'):
                    stack.pop()[1] = event['ts']
        return result

    def syscalls(self):
        """As slices(): enter and exit of a thread come on whatever CPU, so by time."""
        events = sorted(self.of('sys_enter', 'sys_exit'),
                        key=lambda e: (e['ts'], e['type'] == 'sys_enter'))
        begun, result = {}, []
        for event in events:
            tid = event['tid']
            if event['type'] == 'sys_enter':
                check(tid not in begun, f'tid {tid}: syscall {event["nr"]} at {event["ts"]} '
                      f'entered inside another: {begun.get(tid)}')
                begun[tid] = [event['ts'], None, event['nr'], tid, {'args': event['args']}, 'syscall']
                result.append(begun[tid])
            elif tid in begun:
                call = begun.pop(tid)
                # the kernel lets a 64-bit execveat end as an execve
                check(call[2] == event['nr'] or (call[2], event['nr']) == (322, 59),
                      f'tid {tid}: exit of {event["nr"]} from syscall {call[2]} at {event["ts"]}')
                call[1], call[4]['ret'] = event['ts'], event['ret']
            else:
                result.append([None, event['ts'], event['nr'], tid, {'ret': event['ret']}, 'syscall'])
        return result
