# SPDX-License-Identifier: GPL-2.0
"""What a span costs."""
import subprocess

from .common import BUILD, Recorder, quick_or, report_median


def bench_spans():
    """One program, whose spans a trigger names or not, in turn."""
    program = f"{BUILD}/tests/spans"
    trigger = f"[trigger t]\nkind = span\nexe = {program}\nthreshold = 10s\nspan = "
    taken = {"order": [], "another": []}
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
        p.stdout.readline()
        for _ in range(quick_or(3, 10)):
            for name, values in taken.items():
                r = Recorder(trigger + name)
                if name == "order":
                    r.wait_log("trigger t watches")
                p.stdin.write(f"loop {200000 if name == 'order' else 20000000}\n")
                p.stdin.flush()
                values.append(float(p.stdout.readline().split()[0]))
                p.stdout.readline()
                r.stop()
        p.stdin.close()
    for name, values in taken.items():
        report_median("a span that " + ("a trigger names" if name == "order" else "no trigger names"), values,
                      "ns")
