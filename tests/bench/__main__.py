# SPDX-License-Identifier: GPL-2.0
"""Measures recorders on this machine, beside nothing and beside other tools.

usage: bench.sh [--quick] [name …]

--quick    few and short rounds, about 5 minutes, to see that all works; else an hour
name       one of those below; else all of them

Prints a table; writes bench.json and bench.svg below BUILD. Ctrl-C ends it cleanly, with the rows so far.
"""
import json
import os
import sys
import time

from . import cost, daemon, growth, plot, programs, rivals, snapshot, spans, stacks, windows
from .common import BUILD, CPUS, Setting, or_skipped, rows, stop_on_signals

GROUPS = {"start": daemon.bench_start, "rates": daemon.bench_rates, "load": daemon.bench_load,
          "snapshot": snapshot.bench_snapshot, "windows": windows.bench_windows,
          "growth": growth.bench_growth,
          "cost": cost.bench_cost, "stacks": stacks.bench_stacks,
          "programs": programs.bench_programs, "requests": programs.bench_requests,
          "spans": spans.bench_spans}


def usage(status):
    print(__doc__ + "\nnames:", *GROUPS, file=sys.stderr if status else sys.stdout)
    sys.exit(status)


def main():
    names = [a for a in sys.argv[1:] if a != "--quick"]
    if "--help" in names:
        usage(0)
    if not GROUPS.keys() >= set(names):
        usage(2)
    if os.geteuid():
        sys.exit("bench: needs root")
    Setting.quick = "--quick" in sys.argv
    stop_on_signals()
    rivals.mount_tracefs()
    try:
        for name in names or GROUPS:
            Setting.group = name
            began = time.monotonic()
            with or_skipped(name):
                GROUPS[name]()
            print(f"{name}: took {time.monotonic() - began:.0f} s", flush=True)
    finally:
        with open(f"{BUILD}/bench.json", "w") as f:
            json.dump({"kernel": os.uname().release, "cpus": CPUS, "quick": Setting.quick, "rows": rows},
                      f, indent=1)
        with open(f"{BUILD}/bench.svg", "w") as f:
            f.write(plot.svg(rows))


if __name__ == "__main__":
    main()
