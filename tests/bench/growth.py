# SPDX-License-Identifier: GPL-2.0
"""What grows with threads, processes, triggers and the window; and what follows for larger hosts."""
import contextlib
import subprocess
import time

from .common import BUILD, CannotRun, end, quick_or, report, report_median, rows, spawn
from .cost import call_ns, report_added, switch_ns, twice
from .rivals import SWITCHES, frec, nothing, variants
from .rounds import BARE, column, interleave

THREADS = (100, 1000, 5000, 20000)
TRIGGERS = (1, 8, 64)
WINDOWS = (32, 128, 1024)  # MiB
HOSTS = (64, 256)  # CPUs
# What is assumed of a large host.
SWITCHES_A_CPU = 20_000
THREADS_A_CPU = 100
WINDOW_A_CPU, EVIDENCE_A_CPU = 16, 4  # MiB, as `auto` has it where that is less than 1 % of the memory
RECORD = 32


def grow(name, sizes, begin, measure, rounds):
    """Rounds over all sizes, in an order that rotates; by size, in a name, what was measured."""
    order = {name.format(n): n for n in sizes}
    taken = {what: [] for what in order}
    for _ in range(rounds):
        for what, n in list(order.items()):
            try:
                with begin(n) as r:
                    taken[what].append(measure(r))
            except CannotRun as e:
                report(what, None, note=str(e))
                del order[what], taken[what]
        for first in list(order)[:1]:
            order[first] = order.pop(first)
    return taken


@contextlib.contextmanager
def crowd(count):
    """The recorder, beside so many threads that sleep."""
    process = spawn(f"{BUILD}/tests/crowd", "--threads", str(count), stdout=subprocess.PIPE, text=True)
    try:
        if not process.stdout.readline():
            raise CannotRun(f"this host has no place for {count} threads")
        with frec() as r:
            yield r
    finally:
        end(process)


def resting(r):
    """What the daemon takes while little happens, and then a snapshot."""
    time.sleep(quick_or(0.5, 3))
    cpu, began = r.cpu(), time.monotonic()
    time.sleep(quick_or(1, 5))
    used = (r.cpu() - cpu) / (time.monotonic() - began)
    return {"daemon": used * 1000, "rss": r.status()["memory"]["daemon_rss"] / 2**20,
            "snapshot": r.snapshot()["duration_ns"] / 1e6}


def bench_threads():
    for what, samples in grow("{:,} threads", THREADS, crowd, resting, quick_or(2, 6)).items():
        report_median(f"{what}: daemon", column(samples, "daemon"), "ms a s", "CPU, scans for waits among it")
        report_median(f"{what}: daemon, resident", column(samples, "rss"), "MiB")
        report_median(f"{what}: a snapshot takes", column(samples, "snapshot"), "ms")


def bench_processes():
    taken = interleave(variants(SWITCHES), {"process created and reaped (one CPU)":
                                            twice(lambda: call_ns("fork"))}, quick_or(2, 10))
    for what, by_variant in taken.items():
        report_added(what, by_variant)
        report_median(f"{what}: daemon, of one CPU", column(by_variant["frec slow"], "daemon"), "%")


def bench_triggers():
    compared = {BARE: nothing} | {f"frec, triggers: {n}": lambda n=n: frec(count=n) for n in TRIGGERS}
    for what, by_variant in interleave(compared, {"switch and wake-up": twice(switch_ns)},
                                       quick_or(2, 10), beside=True).items():
        report_added(what, by_variant)


def starting(r):
    memory = r.status()["memory"]
    return {"start": r.start_seconds * 1000,
            "memory": (memory["hot"] + memory["evidence"] + memory["daemon_rss"]) / 2**20,
            "switch": min(switch_ns() for _ in range(2))}


def bench_sizes():
    taken = grow("window of {} MiB", WINDOWS, lambda mib: frec(more=f"memory = {mib}M"), starting, quick_or(2, 6))
    for what, samples in taken.items():
        report_median(f"{what}: start to recording", column(samples, "start"), "ms")
        report_median(f"{what}: with evidence and daemon", column(samples, "memory"), "MiB")
        smallest = taken.get(f"window of {WINDOWS[0]} MiB")
        if smallest and samples is not smallest:
            report_median(f"{what}: switch and wake-up",
                          [a - b for a, b in zip(column(samples, "switch"), column(smallest, "switch"))],
                          "ns added", against=f"window of {WINDOWS[0]} MiB")


# ---- what follows ----

def measured(what, unit=None):
    """The value of this run."""
    for row in rows:
        if row["what"] == what and row["value"] is not None and unit in (None, row["unit"]):
            return row["value"]
    raise CannotRun(f"computed from '{what}', which was not measured in this run")


def line(x1, y1, x2, y2):
    """Through two points."""
    return lambda x: y1 + (y2 - y1) * (x - x1) / (x2 - x1)


def computed(cpus):
    """Name, value, unit and assumption of each row."""
    window = WINDOW_A_CPU * cpus
    threads = THREADS_A_CPU * cpus
    switch = measured("switch and wake-up: frec, triggers: 8", "ns added")
    daemon = line(THREADS[0], measured(f"{THREADS[0]:,} threads: daemon"),
                  THREADS[-1], measured(f"{THREADS[-1]:,} threads: daemon"))
    yield ("of each CPU, recording", switch * SWITCHES_A_CPU / 1e7, "%",
           f"{SWITCHES_A_CPU:,} switches with wake-ups a second on each CPU, that cost what they do here: "
           "CPUs share nothing on these paths")
    yield ("window and evidence", (WINDOW_A_CPU + EVIDENCE_A_CPU) * cpus, "MiB",
           f"{WINDOW_A_CPU} and {EVIDENCE_A_CPU} MiB a CPU, where 1 % of the memory is no less")
    yield ("daemon, of one CPU", daemon(threads) / 10, "%",
           f"{threads:,} threads, and it grows with them as it does here; what it does for each CPU is not in it")
    yield ("window held", WINDOW_A_CPU * 2**20 / RECORD / 2 / SWITCHES_A_CPU, "s",
           "a switch and its wake-up are two records of 32 bytes")
    wall = line(64, measured("64 MiB: snapshot: wall time"), 256, measured("256 MiB: snapshot: wall time"))
    yield ("snapshot: wall time", wall(window), "s", f"{window:,} MiB, by one worker, as from 64 to 256 MiB here")
    size = measured("256 MiB: snapshot: a record in the file") * window * 2**20 / RECORD
    yield "snapshot: file", size / 2**20, "MiB", "bytes a record as in 256 MiB here"


def bench_computed():
    for cpus in HOSTS:
        try:
            for what, value, unit, assumed in computed(cpus):
                report(f"computed, {cpus} CPUs: {what}", value, unit, assumed)
        except CannotRun as e:
            report(f"computed, {cpus} CPUs", None, note=str(e))


def bench_growth():
    bench_threads()
    bench_processes()
    bench_triggers()
    bench_sizes()
    bench_computed()
