#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""truth_lives.py EXPORT TRUTH: names, processes and incarnations against what tests/workloads/life says.

Besides its lines TRUTH may hold {"what":"argv","pid":P,"argv":[…]} and {"what":"cgroup","pid":P,
"path":"/…"}: what the snapshot must say of a process, alive or gone.
"""
import sys

from truth_lib import Snapshot, check, finish, json_lines

TICK_NS = 10000000


def label(event):
    return f'{event["what"]} {event.get("comm", "")} {event.get("outer_tid", event["pid"])}'


def lives_of(snapshot, tid):
    # the thread's own time is its start, which the program knows in ticks of BOOTTIME
    return {(e['ts'] + snapshot.offset) // TICK_NS: e for e in snapshot.threads.get(tid, [])}


def check_life(snapshot, event):
    tid = event['outer_tid']
    lives = lives_of(snapshot, tid)
    life = lives.get(event['start_ticks'])
    if not check(life, f'{label(event)}: began at tick {event["start_ticks"]}, '
                 f'the snapshot knows {sorted(lives)}'):
        return
    last = event.get('last_comm', event['comm'])
    check(life['name'] == last, f'{label(event)}: named {life["name"]}, want {last}')
    check(life['tgid'] in snapshot.processes, f'{label(event)}: process {life["tgid"]} not in the file')
    if tid == event['tid']:
        check(life['tgid'] == event['pid'], f'{label(event)}: of process {life["tgid"]}')
    else:
        check(life['nstid'] == event['tid'], f'{label(event)}: nstid {life["nstid"]}')
    if event['what'] == 'rename':
        return
    comms = {e['next_comm'] for e in snapshot.of('switch')
             if e['next_tid'] == tid and event['begin_ns'] <= e['ts'] <= event['end_ns']}
    check(comms <= {event['comm']}, f'{label(event)}: ran as {comms}')


def check_rename(snapshot, event):
    found = [e for e in snapshot.of('rename') if e['tid'] == event['outer_tid']
             and event['begin_ns'] <= e['ts'] <= event['end_ns']]
    check([e['new_comm'] for e in found] == [event['comm']], f'{label(event)}: {found}')


def check_exec(snapshot, event):
    found = [e for e in snapshot.of('exec') if e['tid'] == event['pid'] and e['ts'] >= event['end_ns']]
    check(found and found[0]['old_tid'] == event['tid'], f'{label(event)}: {found}')


def check_owner(snapshot, event):
    found = [s for s in snapshot.slices() if s[3] == event['outer_tid'] and s[2] == 'wait: lock'
             and s[0] < event['end_ns'] and s[1] > event['begin_ns']]
    owners = [s[4].get('owner_tid') for s in found]
    check(owners == [event['owner_outer_tid']],
          f'{label(event)}: owners {owners}, want {event["owner_outer_tid"]}')
    check([s[4].get('owner_comm') for s in found] == ['ns-owner'], f'{label(event)}: {found}')


def check_argv(snapshot, event):
    told = [e['argv'] for e in snapshot.processes.get(event['pid'], [])]
    check(told and told[-1] == event['argv'], f'{label(event)}: {told}, want {event["argv"]}')


def check_cgroup(snapshot, event):
    told = [e['description'] for e in snapshot.of('track') if e['tid'] == event['pid']]
    check(told == ['cgroup ' + event['path']], f'{label(event)}: {told}, want {event["path"]}')


def main():
    snapshot = Snapshot(sys.argv[1])
    truth = json_lines(sys.argv[2])
    renames = [e for e in truth if e['what'] == 'rename']
    for event in renames:
        event['last_comm'] = renames[-1]['comm']
    more = {'rename': check_rename, 'exec-from-thread': check_exec, 'pidns': check_owner,
            'argv': check_argv, 'cgroup': check_cgroup}
    for event in truth:
        if event['what'] not in ('argv', 'cgroup'):
            check_life(snapshot, event)
        if event['what'] in more:
            more[event['what']](snapshot, event)
    print(f'{len(truth)} facts of lives')
    check(truth, 'nothing to compare with')
    finish()


main()
