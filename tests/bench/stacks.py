# SPDX-License-Identifier: GPL-2.0
"""What stacks add."""
import os
import re
import resource
import signal
import subprocess

from .common import BUILD, Recorder, quick_or, report_median
from .cost import switch_ns


STACKS_OFF = "1h"


class Stacks(Recorder):
    """One recorder whose threshold for stacks changes: the same programs, maps and addresses."""

    def __init__(self):
        super().__init__(self.config(STACKS_OFF))

    @staticmethod
    def config(threshold):
        return f"[recorder]\nstacks = {threshold}\n[trigger none]\nkind = lock\nthreshold = 10s\n"

    def set(self, threshold):
        path = f"{self.work}/frec.conf"
        with open(path) as f:
            old = f.read()
        with open(path, "w") as f:
            f.write(re.sub("stacks = .*", f"stacks = {threshold}", old))
        at = os.path.getsize(f"{self.work}/log")
        self.process.send_signal(signal.SIGHUP)
        self.wait_log("configuration reloaded", at)


def slow_wait_ns():
    """CPU time of one of 1,000 slow waits a second, user stack and all: 100 programs sleep 100 ms."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    running = [subprocess.Popen([f"{BUILD}/tests/waits", "sleep", "--ms", "100", "--count", "40"],
                                stdout=subprocess.DEVNULL) for _ in range(100)]
    for p in running:
        p.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e9 / 4000


def bench_stacks():
    r = Stacks()
    for what, measure, rounds, target in (
            ("stacks, a switch without slow waits", lambda: switch_ns(30000), quick_or(20, 150), "target: upper bound <= 10"),
            ("stacks, each of 1,000 slow waits/s", slow_wait_ns, quick_or(2, 6), "")):
        added = []
        for number in range(rounds):
            value = {}
            for threshold in (STACKS_OFF, "10ms")[::-1 if number % 2 else 1]:
                r.set(threshold)
                value[threshold] = measure()
            added.append(value["10ms"] - value[STACKS_OFF])
        report_median(f"{what}: added", added, "ns", target)
    r.stop()
