# SPDX-License-Identifier: GPL-2.0
"""The daemon alone: how fast it starts, and what it takes below load."""
import time

from .common import Recorder, end, load, quick_or, report


def bench_start():
    times = []
    for _ in range(5):
        r = Recorder("")
        times.append(r.start_seconds)
        r.stop()
    report("start to recording, median of 5", sorted(times)[2] * 1000, "ms", "target < 1000")


def bench_load():
    r = Recorder("")
    before, cpu, began = r.status(), r.cpu(), time.monotonic()
    busy = load(quick_or(10, 60))
    busy.wait()
    took, used, after = time.monotonic() - began, r.cpu() - cpu, r.status()
    events = after["events"]["recorded"] - before["events"]["recorded"]
    report("load: events a second", int(events / took), "events/s", f"for {took:.0f} s, target > 200,000")
    report("load: lost", after["events"]["lost"], "events", "target 0")
    report("load: daemon, of one CPU", used / took * 100, "%", "target < 0.5")
    report("load: daemon, resident beside the window", after["memory"]["daemon_rss"] / 2**20, "MiB")
    report("load: window held", after["window"]["held_ns"] / 1e9, "s",
           f"in {after['memory']['hot'] >> 20} MiB")
    busy = load(20)
    time.sleep(1)
    for _ in range(3):
        report("load goes on: a snapshot takes", r.snapshot()["duration_ns"] / 1e9, "s")
    report("load goes on: lost with three snapshots", r.status()["events"]["lost"], "events", "target 0")
    end(busy)
    r.stop()
