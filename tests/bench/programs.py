# SPDX-License-Identifier: GPL-2.0
"""Whole programs, in % of what they do while nothing records."""
import contextlib
import os
import statistics
import tempfile
import time

from .common import SOURCE, or_skipped, quick_or, report_variant, run
from .rivals import SWITCHES, frec, nothing, variants
from .rounds import BARE, column, interleave, note
from .servers import Nginx, NginxFile, Postgres, Redis, sysbench

TARGETS = {"throughput": "target: lower bound >= 99", "p99": "target: no worse"}
UNITS = {"throughput": "/s", "p50": "ms", "p99": "ms"}


class Command:
    """A program that needs no server."""

    def __init__(self, name, measure):
        self.name, self.measure = name, measure

    def __call__(self):
        return contextlib.nullcontext(self)


def mutex():
    return {"throughput": sysbench("mutex", "--threads=8", "--mutex-num=4",
                                   "--mutex-locks=" + quick_or("500000", "1500000"), "--mutex-loops=100",
                                   "run")["throughput"]}


def build():
    """The part of this project that is C alone, from nothing."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    with tempfile.TemporaryDirectory(prefix="frec-bench.") as work:
        began = time.monotonic()
        run("make", "-s", "-j2", "-C", SOURCE, f"BUILD={work}", f"{work}/" + quick_or("cli/frecctl.o", "frecctl"),
            env=env)
        return {"throughput": 1 / (time.monotonic() - began)}


def report_shares(name, by_variant, targets):
    for variant, samples in by_variant.items():
        busy = statistics.median(column(samples, "busy"))
        for key in filter(samples[0].get, UNITS):
            if variant == BARE:
                report_variant(name, variant, key, column(samples, key), UNITS[key], busy=busy)
                continue
            shares = [s[key] / s["bare"][key] * 100 for s in samples]
            target = targets.get(key, "") if variant.startswith("frec") else ""
            report_variant(name, variant, key, shares, "% of bare", note(samples, target), against=BARE,
                           busy=busy)


def compare(program, make_variants, rounds, targets):
    with or_skipped(program.name), program() as running:
        taken = interleave(make_variants(running), {program.name: running.measure}, rounds)
        for name, by_variant in taken.items():
            report_shares(name, by_variant, targets)


def bench_programs():
    for program in (
            Redis, Nginx, Command("sysbench threads", lambda: sysbench("threads", "--threads=16", "run")),
            Command("sysbench mutex", mutex), Postgres, Command("make -j2 of frecctl", build)):
        compare(program, lambda _: variants(SWITCHES, budget="1%"), quick_or(2, 10), TARGETS)


def bench_requests():
    """What a trigger on their requests adds."""
    def beside(server):
        request = f"[trigger slow]\nkind = request\nport = {server.port}\nthreshold = 1s\n"
        return {BARE: nothing, "frec": lambda: frec(budget="1%"),
                "frec, trigger on its requests": lambda: frec(budget="1%", after=request)}
    for server in (Redis, Nginx, NginxFile):
        compare(server, beside, quick_or(2, 8), {"throughput": "target >= 97"})
