# SPDX-License-Identifier: GPL-2.0
"""Snapshots of windows that are full, by size, on a host that is idle again; and beside redis."""
import contextlib
import json
import os
import subprocess
import time

from .common import BUILD, TICKS, end, explain, load, or_skipped, quick_or, report, report_median, run
from .rivals import frec
from .rounds import column, interleave
from .servers import Redis
from .snapshot import until_full

SIZES = (8, 32, 64, 256)  # MiB
TARGETS = {("wall time", 64): "target: upper bound <= 1", ("a record in the file", 64): "target <= 4"}


def full(mib):
    """A recorder whose window was filled by pairs of threads that pass a byte."""
    r = frec(more=f"memory = {mib}M\nwindow = 1h")
    busy = load(300)
    try:
        until_full(r, mib << 20)
    finally:
        end(busy)
    return r


def cpu_of_all(r):
    """Seconds: of the daemon, and of its children that have ended."""
    with open(f"/proc/{r.process.pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return r.cpu() + (int(fields[13]) + int(fields[14])) / TICKS


def records(path):
    found = explain(path)["attributes"]
    return sum(int(found[f"frec.events.{kind}"]) for kind in ("switches", "wakeups", "syscalls", "waits"))


def timed_snapshot(r):
    cpu = cpu_of_all(r)
    said = r.snapshot()
    while r.workers():  # the worker's time counts with its end
        time.sleep(0.001)
    found = {"wall time": said["duration_ns"] / 1e9, "CPU of daemon and worker": cpu_of_all(r) - cpu,
             "a record in the file": said["bytes"] / records(said["path"])}
    os.unlink(said["path"])
    return found


@contextlib.contextmanager
def snapshotting(r):
    """One is taken meanwhile."""
    asked = subprocess.Popen([f"{BUILD}/frecctl", "--run-directory", f"{r.work}/run", "snapshot"],
                             stdout=subprocess.DEVNULL)
    try:
        yield None
    finally:
        asked.wait()


def with_and_without(r, what, measure, rounds):
    taken = interleave({"without": contextlib.nullcontext, "with": lambda: snapshotting(r)}, {what: measure}, rounds)
    return taken[what]["with"], taken[what]["without"]


def gaps(seconds):
    found = json.loads(run(f"{BUILD}/tests/gaps", "--seconds", f"{seconds:.2f}"))
    return {"longest": found["longest_ns"] / 1e6, "lost": found["lost_ns"] / 1e6}


def bench_window(mib, rounds):
    name = f"{mib} MiB: snapshot"
    with full(mib) as r:
        taken = [timed_snapshot(r) for _ in range(rounds)]
        for key, unit in (("wall time", "s"), ("CPU of daemon and worker", "s"), ("a record in the file", "bytes")):
            report_median(f"{name}: {key}", column(taken, key), unit, TARGETS.get((key, mib), ""))
        seconds = 1.5 * max(column(taken, "wall time")) + 0.2
        during, calm = with_and_without(r, name, lambda: gaps(seconds), rounds)
        for key, what in (("longest", "longest pause of a busy program"),
                          ("lost", "time it did not have, all CPUs")):
            report_median(f"{name}: {what}", [a[key] - b[key] for a, b in zip(during, calm)], "ms more",
                          f"without: {sorted(column(calm, key))[len(calm) // 2]:.2f} ms", against="no snapshot")
        report(f"{name}: lost", r.status()["events"]["lost"], "events", "target 0")


def bench_redis(rounds):
    name = "64 MiB: snapshot beside redis"
    with or_skipped(name), Redis() as redis, full(64) as r:
        during, calm = with_and_without(r, name, redis.measure, rounds)
        for key, target in (("throughput", ""), ("p50", ""), ("p99", "target: upper bound <= 105")):
            report_median(f"{name}: {key}", [a[key] / b[key] * 100 for a, b in zip(during, calm)], "%", target,
                          against="no snapshot")
        report(f"{name}: lost", r.status()["events"]["lost"], "events", "target 0")


def bench_windows():
    for mib in SIZES[quick_or(2, 0):]:
        bench_window(mib, quick_or(2, 10))
    bench_redis(quick_or(2, 12))
