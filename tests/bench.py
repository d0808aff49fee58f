#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Measures one recorder on this machine; prints a table and writes bench.json below BUILD.

usage: bench.py [--seconds N] [name …]     names: start load snapshot cost stacks requests spans
"""
import atexit
import json
import math
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
TICKS = os.sysconf("SC_CLK_TCK")
rows = []


def report(what, value, unit, note=""):
    rows.append({"what": what, "value": value, "unit": unit, "note": note})
    shown = f"{value:,.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else f"{value:,}"
    print(f"{what:52} {shown:>14} {unit:10} {note}", flush=True)


class Recorder:
    """frecd with a configuration of its own, in a temporary directory."""

    def __init__(self, config):
        self.work = tempfile.mkdtemp(prefix="frec-bench.")
        os.chmod(self.work, 0o755)
        with open(f"{self.work}/frec.conf", "w") as f:
            f.write(f"[daemon]\nrun_directory = {self.work}/run\npin_directory = {self.work}/run/bpf\n"
                    f"[snapshots]\ndirectory = {self.work}/spool\n{config}\n")
        self.log = open(f"{self.work}/log", "w")
        atexit.register(self.stop)  # also if a measurement gives up
        began = time.monotonic()
        self.process = subprocess.Popen([f"{BUILD}/frecd", "--config", f"{self.work}/frec.conf"],
                                        stderr=self.log)
        while self.status(quiet=True) is None:
            if time.monotonic() - began > 20 or self.process.poll() is not None:
                sys.exit("bench: frecd does not record: " + open(f"{self.work}/log").read())
            time.sleep(0.005)
        self.start_seconds = time.monotonic() - began

    def ctl(self, *args, **kw):
        return subprocess.run([f"{BUILD}/frecctl", "--run-directory", f"{self.work}/run", *args],
                              capture_output=True, text=True, **kw)

    def status(self, quiet=False):
        r = self.ctl("status", "--json")
        if r.returncode:
            if quiet:
                return None
            sys.exit("bench: " + r.stderr)
        return json.loads(r.stdout)

    def wait_log(self, what, at=0):
        """Until what is in the log, behind the first `at` bytes."""
        until = time.monotonic() + 5
        with open(f"{self.work}/log") as log:
            log.seek(at)
            said = log.read()
            while what not in said:
                if time.monotonic() > until:
                    sys.exit(f"bench: frecd does not say: {what}")
                time.sleep(0.005)
                said += log.read()

    def cpu(self):
        """Seconds of CPU of the daemon itself, its children apart."""
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def children(self):
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        return [int(p) for p in open(path).read().split()]

    def files(self):
        d = f"{self.work}/spool"
        return sorted(f"{d}/{n}" for n in os.listdir(d) if n.endswith(".pftrace"))

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
        shutil.rmtree(self.work, ignore_errors=True)


def load(seconds):
    """Pairs of threads that pass a byte as fast as they can, on all CPUs."""
    return subprocess.Popen([f"{BUILD}/tests/switches", "--pairs", str(2 * os.cpu_count()),
                             "--seconds", str(seconds)], stdout=subprocess.DEVNULL)


def end(busy):
    """With its children, if it leads a group. No session: that would be a CPU group of its own."""
    if busy.poll() is not None:
        return
    if os.getpgid(busy.pid) == busy.pid:
        os.killpg(busy.pid, signal.SIGKILL)
    else:
        busy.terminate()
    busy.wait()


def explain(path):
    r = subprocess.run([f"{BUILD}/frecctl", "explain", path, "--json"], capture_output=True, text=True)
    return json.loads(r.stdout)


def bench_start(_seconds):
    times = []
    for _ in range(5):
        r = Recorder("")
        times.append(r.start_seconds)
        r.stop()
    report("start to recording, median of 5", sorted(times)[2] * 1000, "ms", "target < 1000")


def bench_load(seconds):
    r = Recorder("")
    before, cpu, began = r.status(), r.cpu(), time.monotonic()
    busy = load(seconds)
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
        s = r.ctl("snapshot", "--json")
        if s.returncode:
            sys.exit("bench: " + s.stderr)
        report("load goes on: a snapshot takes", json.loads(s.stdout)["duration_ns"] / 1e9, "s")
    report("load goes on: lost with three snapshots", r.status()["events"]["lost"], "events", "target 0")
    busy.terminate()
    busy.wait()
    r.stop()


def memory_of(pid, *kinds):
    """KiB of these kinds; what is mapped of programs, to name their frames, is the page cache's."""
    text = open(f"/proc/{pid}/status").read()
    return sum(int(re.search(rf"{kind}:\s+(\d+)", text)[1]) for kind in kinds)


def watch_worker(r, seen):
    """Peak of the worker's own memory, and of its own and the copy, in MiB; the new file."""
    peak, both, until = 0, 0, time.monotonic() + 60
    while True:
        if time.monotonic() > until:
            sys.exit("bench: the trigger has written no snapshot: " + open(f"{r.work}/log").read())
        for pid in r.children():
            try:
                if open(f"/proc/{pid}/comm").read().strip() != "frecd-worker":
                    continue
                peak = max(peak, memory_of(pid, "RssAnon"))
                both = max(both, memory_of(pid, "RssAnon", "RssShmem"))
            except (OSError, TypeError):
                pass  # it has just ended
        new = [f for f in r.files() if f not in seen]
        if new:
            return peak / 1024, both / 1024, new[0]
        time.sleep(0.002)


def snapshot_of_full_window(r, name, busy):
    seen = r.files()
    # among hundreds that are ready to run, it is the recorder that is measured
    w = subprocess.Popen(["nice", "-n", "-19", f"{BUILD}/tests/waits", "lock", "--count", "1", "--ms", "150"],
                         stdout=subprocess.PIPE, text=True)
    peak, both, path = watch_worker(r, seen)
    done = time.clock_gettime(time.CLOCK_MONOTONIC)
    fired = json.loads(w.communicate()[0].splitlines()[0])["end_ns"] / 1e9
    end(busy)
    facts = explain(path)
    switches = int(facts["attributes"]["frec.events.switches"])
    size = os.path.getsize(path)
    report(f"{name}: trigger to finished file", done - fired, "s", "target < 2")
    report(f"{name}: file", size / 2**20, "MiB")
    report(f"{name}: bytes a switch", size / switches, "bytes", f"{switches:,} switches, target <= 6")
    report(f"{name}: the worker's own memory", peak, "MiB", "beside the copy of the window")
    memory = r.status()["memory"]
    window = memory["hot"] / 2**20
    report(f"{name}: window, copy, worker and daemon",
           window + memory["evidence"] / 2**20 + both + memory_of(r.process.pid, "RssAnon") / 1024,
           "MiB", f"target <= {2.5 * window + 32:.0f}")


def bench_snapshot(_seconds):
    r = Recorder("[recorder]\nmemory = 64M\nwindow = 1m\nstacks = 2ms\n"
                 "[trigger lock]\nkind = lock\nthreshold = 100ms\npost = 0\ncooldown = 0\n"
                 "max_per_hour = 0\ncomm = waits\n")
    size = r.status()["memory"]["hot"]
    loads = (("host idle again", load, False), ("load goes on", load, True)) + tuple(
        (command.split()[0] + " goes on", command, True) for command in (
            "hackbench -g 6 -l 10000000", "sysbench threads --threads=16 --time=600 run",
            "stress-ng --switch 4", "stress-ng --futex 4"))
    for name, begin, keep in loads:
        before = r.status()["events"]["recorded"]
        busy = load(60) if begin is load else subprocess.Popen(
            begin.split(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0)
        try:
            while (r.status()["events"]["recorded"] - before) * 32 < 1.2 * size:
                time.sleep(0.2)
            if not keep:
                end(busy)
            snapshot_of_full_window(r, f"64 MiB, {name}", busy)
        finally:
            end(busy)
    report("64 MiB: lost", r.status()["events"]["lost"], "events", "target 0")
    r.stop()


# ---- what recording adds to a switch and to a syscall ----

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
    out = subprocess.run(["taskset", "-c", "1", "perf", "bench", "sched", "pipe", "-l", str(loops)],
                         capture_output=True, text=True, check=True).stdout
    return float(re.search(r"([\d.]+) usecs/op", out).group(1)) * 1000 / 2


def syscall_ns():
    out = subprocess.run(["taskset", "-c", "1", "perf", "bench", "syscall", "basic", "-l", "2000000"],
                         capture_output=True, text=True, check=True).stdout
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


def bench_cost(_seconds):
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
        for name, values in interleaved(measure, variants, 10).items():
            values.sort()
            report(f"{what}: {name}", values[len(values) // 2], "ns",
                   f"{'' if name == 'bare' else 'added, '}middle half {values[2]:.0f} to {values[7]:.0f}")


# ---- what stacks add ----

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


def median_interval(values):
    """Median of a sample and the bounds of it that hold with 95 %, by order statistics."""
    values, n = sorted(values), len(values)
    k = max(0, math.floor(n / 2 - 0.98 * math.sqrt(n)))
    return statistics.median(values), values[k], values[n - 1 - k]


def slow_wait_ns():
    """CPU time of one of 1,000 slow waits a second, user stack and all: 100 programs sleep 100 ms."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    running = [subprocess.Popen([f"{BUILD}/tests/waits", "sleep", "--ms", "100", "--count", "40"],
                                stdout=subprocess.DEVNULL) for _ in range(100)]
    for p in running:
        p.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e9 / 4000


def bench_stacks(_seconds):
    r = Stacks()
    for what, measure, rounds, target in (
            ("stacks, a switch without slow waits", lambda: switch_ns(30000), 300, "target: bound <= 10"),
            ("stacks, each of 1,000 slow waits/s", slow_wait_ns, 5, "")):
        added = []
        for number in range(rounds):
            value = {}
            for threshold in (STACKS_OFF, "10ms")[::-1 if number % 2 else 1]:
                r.set(threshold)
                value[threshold] = measure()
            added.append(value["10ms"] - value[STACKS_OFF])
        middle, low, high = median_interval(added)
        report(f"{what}: added", middle, "ns", f"median of {rounds} rounds")
        report(f"{what}: 95 % bounds", high, "ns", f"upper; lower {low:.1f}; {target}")
    r.stop()


# ---- what a span costs ----

def bench_spans(_seconds):
    """One program, whose spans a trigger names or not, in turn."""
    program = f"{BUILD}/tests/spans"
    trigger = f"[trigger t]\nkind = span\nexe = {program}\nthreshold = 10s\nspan = "
    taken = {"order": [], "another": []}
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
        p.stdout.readline()
        for _ in range(10):
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
        middle, low, high = median_interval(values)
        report("a span that " + ("a trigger names" if name == "order" else "no trigger names"), middle,
               "ns", f"median of {len(values)} rounds, 95 % bounds {low:.1f} to {high:.1f}")


# ---- what a trigger on requests adds to fast servers ----

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until_connects(port):
    until = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > until:
                sys.exit("bench: the server does not listen")
            time.sleep(0.01)


def on_cpu(cpu, *args, **kw):
    """The server has a CPU, and its clients have another."""
    return subprocess.run(["taskset", "-c", str(cpu), *args], capture_output=True, text=True, check=True,
                          **kw).stdout


class Redis:
    name = "redis, 32 clients"

    def __init__(self, work):
        self.port = free_port()
        self.process = subprocess.Popen(
            ["taskset", "-c", "0", "redis-server", "--port", str(self.port), "--bind", "127.0.0.1",
             "--save", "", "--dir", work, "--loglevel", "warning"], stdout=subprocess.DEVNULL)
        until_connects(self.port)

    def measure(self):
        """Requests a second, and the 99th percentile in ms."""
        out = on_cpu(1, "redis-benchmark", "-p", str(self.port), "-c", "32", "-n", "100000", "-t", "get",
                     "--csv")
        names, values = ([f.strip('"') for f in line.split(",")] for line in out.splitlines()[:2])
        row = dict(zip(names, values))
        return float(row["rps"]), float(row["p99_latency_ms"])


class Nginx:
    name = "nginx, 32 clients"
    serves = "location / { return 200 ok; }"

    def __init__(self, work):
        self.port = free_port()
        with open(f"{work}/nginx.conf", "w") as f:
            f.write(f"daemon off; user nobody nogroup; pid {work}/pid; worker_processes 1;\n"
                    "events { worker_connections 256; }\n"
                    "http { access_log off; keepalive_requests 1000000000;\n" + "".join(
                        f"{d}_temp_path {work}/{d};\n"
                        for d in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")) +
                    f"server {{ listen 127.0.0.1:{self.port}; root {work}; {self.serves} }} }}\n")
        with open(f"{work}/file", "w") as f:
            f.write("x" * 16384)
        self.process = subprocess.Popen(["taskset", "-c", "0", "nginx", "-e", f"{work}/error.log", "-p", work,
                                         "-c", f"{work}/nginx.conf"])
        until_connects(self.port)

    def measure(self):
        out = on_cpu(1, "wrk", "-t", "1", "-c", "32", "-d", "2s", "--latency",
                     f"http://127.0.0.1:{self.port}/")
        number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
        return (float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]),
                float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit])


class NginxFile(Nginx):
    """As slow as 50,000 requests a second are here: it reads a file for each, and logs it."""
    name = "nginx that reads 16 KiB from a file and logs it, 32 clients"
    serves = "rewrite .* /file; access_log access.log;"


def requests_rounds(load, rounds):
    """By variant, of each round: throughput and p99, beside those without frec in the same round."""
    never = "[trigger never]\nkind = lock\nthreshold = 10s\ncomm = nobody-has-this\n"
    variants = {
        "frec": lambda: Recorder(never),
        "frec, trigger on its requests": lambda: Recorder(
            f"{never}[trigger slow]\nkind = request\nport = {load.port}\nthreshold = 1s\n"),
    }
    ratios = {name: [] for name in variants}
    rates = []
    order = [None, *variants]
    for _ in range(rounds):
        values = {}
        for name in order:
            r = variants[name]() if name else None
            try:
                values[name] = load.measure()
            finally:
                if r:
                    r.stop()
        order.append(order.pop(0))
        rates.append(values[None][0])
        for name in variants:
            ratios[name].append([a / b for a, b in zip(values[name], values[None])])
    return statistics.median(rates), ratios


def bench_requests(_seconds):
    for server in (Redis, Nginx, NginxFile):
        with tempfile.TemporaryDirectory(prefix="frec-bench.") as work:
            os.chmod(work, 0o755)
            load = server(work)
            try:
                load.measure()
                rate, ratios = requests_rounds(load, 30)
            finally:
                load.process.terminate()
                load.process.wait()
        report(f"{load.name}: without frec", int(rate), "requests/s", "median of 30 rounds")
        for name, values in ratios.items():
            for what, column, target in (("throughput", 0, "target >= 97"), ("p99", 1, "")):
                middle, low, high = median_interval([v[column] for v in values])
                report(f"{load.name}: {name}: {what}", middle * 100, "%",
                       f"of without; 95 %: {low * 100:.1f} to {high * 100:.1f}; {target}")


def main():
    args = sys.argv[1:]
    seconds = 60
    if "--seconds" in args:
        at = args.index("--seconds")
        seconds = int(args[at + 1])
        del args[at:at + 2]
    if os.geteuid():
        sys.exit("bench: needs root")
    known = {"start": bench_start, "load": bench_load, "snapshot": bench_snapshot,
             "cost": bench_cost, "stacks": bench_stacks, "requests": bench_requests,
             "spans": bench_spans}
    for name in args or known:
        if name not in known:
            sys.exit(__doc__)
        known[name](seconds)
    with open(f"{BUILD}/bench.json", "w") as f:
        json.dump({"kernel": os.uname().release, "cpus": os.cpu_count(), "rows": rows}, f, indent=1)


if __name__ == "__main__":
    main()
