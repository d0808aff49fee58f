# SPDX-License-Identifier: GPL-2.0
"""The daemon: how fast it starts, and what it takes at which rate of events."""
import statistics
import time

from .common import BUILD, CPUS, Recorder, end, load, quick_or, report, report_median, run
from .rivals import frec, nothing
from .rounds import BARE, column, interleave, note

RATES = (10_000, 100_000, 500_000)


def bench_start():
    times = []
    for _ in range(5):
        r = Recorder("")
        times.append(r.start_seconds)
        r.stop()
    report("start to recording, median of 5", statistics.median(times) * 1000, "ms", "target < 1000")


def events(rate):
    """Two pairs a CPU, each trip of which is two switches and two wake-ups; 0: as many as they can."""
    def measure():
        run(f"{BUILD}/tests/switches", "--pairs", str(2 * CPUS), "--pin", "--rate", str(rate // (8 * CPUS)),
            "--seconds", quick_or("1", "4"))
        return {}
    return measure


def bench_rates():
    def idle():
        time.sleep(quick_or(1, 4))
        return {}
    measures = {"idle": idle} | {f"{rate // 1000}k events/s": events(rate) for rate in RATES}
    measures["at most"] = events(0)
    taken = interleave({BARE: nothing, "frec": frec}, measures, quick_or(2, 6), settle=quick_or(1, 3))
    for name, by_variant in taken.items():
        samples = by_variant["frec"]
        busy = [a - b for a, b in zip(column(samples, "busy"), column(by_variant[BARE], "busy"))]
        report_median(f"{name}: recorded", column(samples, "rate"), "events/s", note(samples))
        report_median(f"{name}: daemon, of one CPU", column(samples, "daemon"), "%",
                      "target: upper bound <= 0.2")
        report_median(f"{name}: daemon, resident beside the window", column(samples, "rss"), "MiB",
                      "target: upper bound <= 16")
        report_median(f"{name}: all CPUs, busier by", busy, "%", against=BARE,
                      busy=statistics.median(column(samples, "busy")))


def bench_load():
    """Snapshots at the highest rate."""
    with Recorder("") as r:
        busy = load(30)
        time.sleep(quick_or(3, 10))
        status = r.status()
        report("load: window held", status["window"]["held_ns"] / 1e9, "s",
               f"in {status['memory']['hot'] >> 20} MiB")
        for _ in range(3):
            report("load goes on: a snapshot takes", r.snapshot()["duration_ns"] / 1e9, "s")
        report("load goes on: lost with three snapshots", r.status()["events"]["lost"], "events", "target 0")
        end(busy)
