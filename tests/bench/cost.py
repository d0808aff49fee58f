# SPDX-License-Identifier: GPL-2.0
"""What recording adds to a switch and to a syscall."""
import os
import re
import subprocess
import tempfile

from .common import Recorder, on_cpu, quick_or, report


def ftrace(events):
    """The kernel's own ring buffer, overwritten, in an instance of ours; returns the way to stop it."""
    base = tempfile.mkdtemp(prefix="frec-bench.")
    subprocess.run(["mount", "-t", "tracefs", "bench", base], check=True)
    instance = f"{base}/instances/frec-bench"
    os.mkdir(instance)
    for event in events:
        with open(f"{instance}/events/{event}/enable", "w") as f:
            f.write("1")

    def stop():
        os.rmdir(instance)
        subprocess.run(["umount", base], check=True)
        os.rmdir(base)
    return stop


def recorder(mode):
    triggers = "".join(f"[trigger t{i}]\nkind = {k}\nthreshold = 10s\n" for i, k in enumerate(
        ["lock", "futex", "offcpu", "runqueue", "iowait", "lock", "runqueue", "iowait"]))
    return Recorder(f"[recorder]\nsyscalls = {mode}\n{triggers}").stop


def switch_ns(loops=100000):
    """A round trip through two pipes on one CPU: two switches and two wake-ups."""
    out = on_cpu(1, "perf", "bench", "sched", "pipe", "-l", str(loops))
    return float(re.search(r"([\d.]+) usecs/op", out).group(1)) * 1000 / 2


def syscall_ns():
    out = on_cpu(1, "perf", "bench", "syscall", "basic", "-l", "2000000")
    return float(re.search(r"([\d.]+) usecs/op", out).group(1)) * 1000


def interleaved(measure, variants, rounds):
    """Rounds of A B C, A B C …; added ns against the first of the same round."""
    added = {name: [] for name in variants}
    for _ in range(rounds):
        base = None
        for name, begin in variants.items():
            end = begin()
            value = min(measure() for _ in range(2))
            end()
            base = value if base is None else base
            added[name].append(value - base if name != "bare" else value)
    return added


def bench_cost():
    bare = {"bare": lambda: lambda: None}
    plans = [
        ("a switch and its wake-up", switch_ns,
         bare | {"ftrace": lambda: ftrace(["sched/sched_switch", "sched/sched_waking"]),
                 "frec": lambda: recorder("slow")}),
        ("a syscall that does not sleep", syscall_ns,
         bare | {"ftrace": lambda: ftrace(["raw_syscalls"]), "frec off": lambda: recorder("off"),
                 "frec slow": lambda: recorder("slow"), "frec all": lambda: recorder("all")}),
    ]
    for what, measure, variants in plans:
        for name, values in interleaved(measure, variants, quick_or(4, 10)).items():
            values.sort()
            report(f"{what}: {name}", values[len(values) // 2], "ns",
                   f"{'' if name == 'bare' else 'added, '}middle half {values[len(values) // 4]:.0f} to {values[-1 - len(values) // 4]:.0f}")
