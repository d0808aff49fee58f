# SPDX-License-Identifier: GPL-2.0
"""What a snapshot takes."""
import json
import os
import re
import subprocess
import sys
import time

from .common import BUILD, Recorder, end, explain, load, quick_or, report, spawn


def memory_of(pid, *kinds):
    """KiB of these kinds; what is mapped of programs, to name their frames, is the page cache's."""
    text = open(f"/proc/{pid}/status").read()
    return sum(int(re.search(rf"{kind}:\s+(\d+)", text)[1]) for kind in kinds)


def watch_worker(r, seen):
    """Peak of the worker's own memory, and of its own and the copy, in MiB; the new file."""
    peak, both, until = 0, 0, time.monotonic() + 60
    while True:
        if time.monotonic() > until:
            sys.exit("bench: the trigger has written no snapshot: " + r.said())
        for pid in r.workers():
            try:
                peak = max(peak, memory_of(pid, "RssAnon"))
                both = max(both, memory_of(pid, "RssAnon", "RssShmem"))
            except (OSError, TypeError):
                pass  # it has just ended
        new = [f for f in r.files() if f not in seen]
        if new:
            return peak / 1024, both / 1024, new[0]
        time.sleep(0.002)


def snapshot_of_full_window(r, name, busy):
    seen = r.files()
    # among hundreds that are ready to run, it is the recorder that is measured
    w = subprocess.Popen(["nice", "-n", "-19", f"{BUILD}/tests/waits", "lock", "--count", "1", "--ms", "150"],
                         stdout=subprocess.PIPE, text=True)
    peak, both, path = watch_worker(r, seen)
    done = time.clock_gettime(time.CLOCK_MONOTONIC)
    fired = json.loads(w.communicate()[0].splitlines()[0])["end_ns"] / 1e9
    end(busy)
    facts = explain(path)
    switches = int(facts["attributes"]["frec.events.switches"])
    size = os.path.getsize(path)
    report(f"{name}: trigger to finished file", done - fired, "s", "target < 2")
    report(f"{name}: file", size / 2**20, "MiB")
    report(f"{name}: bytes a switch", size / switches if switches else None, "bytes",
           f"{switches:,} switches, target <= 6" if switches else r.said().splitlines()[-1])
    report(f"{name}: the worker's own memory", peak, "MiB", "beside the copy of the window")
    memory = r.status()["memory"]
    window = memory["hot"] / 2**20
    report(f"{name}: window, copy, worker and daemon",
           window + memory["evidence"] / 2**20 + both + memory_of(r.process.pid, "RssAnon") / 1024,
           "MiB", f"target <= {2.5 * window + 32:.0f}")


def until_full(r, size):
    """Until as many slots of 32 bytes are written as the window has, and a fifth more."""
    before = r.status()["events"]["recorded"]
    while (r.status()["events"]["recorded"] - before) * 32 < 1.2 * size:
        time.sleep(0.2)


def bench_snapshot():
    r = Recorder("[recorder]\nmemory = 64M\nwindow = 1m\nstacks = 2ms\n"
                 "[trigger lock]\nkind = lock\nthreshold = 100ms\npost = 0\ncooldown = 0\n"
                 "max_per_hour = 0\ncomm = waits\n")
    size = r.status()["memory"]["hot"]
    loads = (("host idle again", load, False), ("load goes on", load, True)) + tuple(
        (command.split()[0] + " goes on", command, True) for command in (
            "hackbench -g 6 -l 10000000", "sysbench threads --threads=16 --time=600 run",
            "stress-ng --switch 4", "stress-ng --futex 4"))
    for name, begin, keep in loads[:quick_or(2, None)]:
        busy = load(60) if begin is load else spawn(*begin.split())
        try:
            until_full(r, size)
            if not keep:
                end(busy)
            snapshot_of_full_window(r, f"64 MiB, {name}", busy)
        finally:
            end(busy)
    report("64 MiB: lost", r.status()["events"]["lost"], "events", "target 0")
    r.stop()
