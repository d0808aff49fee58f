# SPDX-License-Identifier: GPL-2.0
"""What recording adds to a switch and to a syscall, beside what others add that record the same."""
import json
import re
import statistics

from .common import BUILD, on_cpu, quick_or, report_variant, run
from .rivals import CALLS, SWITCHES, frec, variants
from .rounds import BARE, column, interleave, note

TARGETS = {("switch", "frec slow"): 0.7, ("getppid", "frec slow"): 0.15, ("getppid", "frec all"): 0.6}


def switch_ns(loops=100000):
    """A round trip through two pipes on one CPU: two switches and two wake-ups."""
    out = on_cpu(1, "perf", "bench", "sched", "pipe", "-l", str(loops))
    return float(re.search(r"([\d.]+) usecs/op", out).group(1)) * 1000 / 2


def message_ns():
    """40 processes a group send to each other; 400 messages a loop and group."""
    loops = quick_or(100, 200)
    out = run("hackbench", "-g", "4", "-l", str(loops))
    return float(re.search(r"Time: ([\d.]+)", out)[1]) * 1e9 / (4 * 400 * loops)


def call_ns(name):
    out = on_cpu(1, f"{BUILD}/tests/micro", name, "--seconds", quick_or("200ms", "500ms"))
    return json.loads(out)["ns"]


def turn_ns():
    """Two threads on one CPU hand over a turn: futex wake, futex wait, switch."""
    out = json.loads(on_cpu(1, f"{BUILD}/tests/switches", "--via", "futex", "--pin", "--seconds",
                            quick_or("200ms", "500ms")))
    return (out["end_ns"] - out["begin_ns"]) / out["round_trips"] / 2


def twice(measure):
    """The better of two: what comes in between only ever adds."""
    return lambda: {"ns": min(measure() for _ in range(quick_or(1, 2)))}


def report_added(what, by_variant):
    """Added ns by variant, against bare in the same round; then shares of what ftrace added."""
    added = {}
    for variant, samples in by_variant.items():
        ns = column(samples, "ns")
        busy = statistics.median(column(samples, "busy"))
        if variant == BARE:
            report_variant(what, variant, "ns", ns, "ns", busy=busy)
            continue
        added[variant] = [s["ns"] - s["bare"]["ns"] for s in samples]
        report_variant(what, variant, "ns", added[variant], "ns added", note(samples), against=BARE,
                       busy=busy)
    for variant, values in added.items():
        if variant.startswith("frec") and "ftrace" in added:
            target = TARGETS.get((what.split()[0], variant))
            report_variant(what, variant, "ns", [a / b for a, b in zip(values, added["ftrace"])], "x ftrace",
                           f"target: upper bound <= {target}" if target else "", against="what ftrace adds")


def bench_cost():
    modes = ("off", "slow", "all")
    rounds = quick_or(2, 10)
    plans = (
        (variants(SWITCHES, modes) | {"frec, stacks off": lambda: frec(more="stacks = 1h")},
         {"switch and wake-up (pipe, one CPU)": twice(switch_ns),
          "message (hackbench, all CPUs)": twice(message_ns)}),
        (variants(CALLS, modes),
         {"getppid": twice(lambda: call_ns("getppid")),
          "futex, nobody waits": twice(lambda: call_ns("futex")),
          "read of a byte": twice(lambda: call_ns("read"))}),
        (variants(SWITCHES + CALLS, modes), {"futex, two threads in turns (one CPU)": twice(turn_ns)}),
    )
    for compared, measures in plans:
        for what, by_variant in interleave(compared, measures, rounds, beside=True).items():
            report_added(what, by_variant)
