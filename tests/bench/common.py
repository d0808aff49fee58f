# SPDX-License-Identifier: GPL-2.0
"""What all groups share: rows, programs that are run and ended, a recorder of our own, medians.

bench.json, below BUILD: {"kernel", "cpus", "quick", "rows": […]}. A row:
    group    the name that bench.sh takes
    what     was measured, with the variant
    subject, variant, key  its parts, where variants are compared; key: ns, throughput, p50 or p99
    value    the median, in `unit`; null if it was skipped, and `note` says why
    low high bounds of the median that hold with 95 %, by order statistics; of less than 6 rounds
             the least and the greatest value, which says less; null: a single value
    rounds   so many values are behind it; of the same round are those that were compared
    against  what the value is relative to, if it is
    busy     share of all CPUs that were busy, in %, everybody's: the median, or null
    note     target, and what else is to be known
"""
import atexit
import contextlib
import ctypes
import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TICKS = os.sysconf("SC_CLK_TCK")
CPUS = os.cpu_count()
PACKAGES = {"perf": "linux-perf", "hackbench": "rt-tests", "nginx": "nginx-light",
            "redis-benchmark": "redis-tools"}
rows = []


class Setting:
    group = ""
    quick = False


def quick_or(quick, full):
    return quick if Setting.quick else full


class CannotRun(Exception):
    """The reason is the message."""


def report(what, value, unit="", note="", **more):
    row = {"group": Setting.group, "what": what, "subject": None, "variant": None,
           "key": None, "value": value, "unit": unit, "low": None, "high": None, "rounds": None,
           "against": None, "busy": None, "note": note, **more}
    rows.append(row)
    if value is None:
        print(f"{what:56} {'skipped':>14} {'':10} {note}", flush=True)
        return

    def number(v):
        return f"{v:,.3f}".rstrip("0").rstrip(".") if isinstance(v, float) and abs(v) < 1000 else f"{v:,.0f}"
    kind = "95 %" if (row["rounds"] or 0) >= 6 else "all in"
    told = [f"{kind}: {number(row['low'])} to {number(row['high'])}, {row['rounds']} rounds"
            if row["rounds"] else "",
            f"against {row['against']}" if row["against"] else "",
            f"CPUs {row['busy']:.0f} % busy" if row["busy"] is not None else "", note]
    print(f"{what:56} {number(value):>14} {unit:10} {'; '.join(filter(None, told))}", flush=True)


def report_median(what, values, unit, note="", **more):
    middle, low, high = median_interval(values)
    report(what, middle, unit, note, low=low, high=high, rounds=len(values), **more)


def report_variant(subject, variant, key, values, unit, note="", **more):
    """Of what variants are compared in."""
    what = f"{subject}: {variant}" + ("" if key == "ns" else f": {key}")
    report_median(what, values, unit, note, subject=subject, variant=variant, key=key, **more)


@contextlib.contextmanager
def or_skipped(what):
    try:
        yield
    except CannotRun as e:
        report(what, None, note=str(e))


def median_interval(values):
    """Median of a sample and the bounds of it that hold with 95 %, by order statistics."""
    values, n = sorted(values), len(values)
    k = max(0, math.floor(n / 2 - 0.98 * math.sqrt(n)))
    return statistics.median(values), values[k], values[n - 1 - k]


# ---- programs ----

def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise CannotRun(f"needs {program} (Debian: {PACKAGES.get(program, program)})")


def spawn(*args, **kw):
    """In a group of its own. No session: that would be a CPU group of its own."""
    need(args[0])
    return subprocess.Popen(args, **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL,
                                     "process_group": 0} | kw)


def end(process, sig=signal.SIGKILL):
    """With its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, sig)
    process.communicate()


def run(*args, **kw):
    """What it prints."""
    process = spawn(*args, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | kw)
    try:
        out, err = process.communicate()
    finally:
        end(process)
    if process.returncode:
        raise CannotRun(f"{args[0]} failed: {((err or out or '').strip().splitlines() or [''])[-1]}")
    return out


def on_cpu(cpu, *args, **kw):
    need(args[0])
    return run("taskset", "-c", str(cpu), *args, **kw)


def load(seconds):
    """Pairs of threads that pass a byte as fast as they can, on all CPUs."""
    return spawn(f"{BUILD}/tests/switches", "--pairs", str(2 * CPUS), "--seconds", str(seconds))


def children():
    found = []
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children") as f:
            found += [int(p) for p in f.read().split()]
    return found


def leave_nobody():
    """Ends what an interrupt has left: grandchildren become our children when their parents end."""
    while left := children():
        for pid in left:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def stop_on_signals():
    def stop(number, _frame):
        for s in (signal.SIGINT, signal.SIGTERM):
            signal.signal(s, signal.SIG_IGN)
        print("bench: interrupted", file=sys.stderr)
        sys.exit(128 + number)
    for s in (signal.SIGINT, signal.SIGTERM):
        signal.signal(s, stop)
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    atexit.register(leave_nobody)


class Machine:
    """Share of all CPUs that is busy from its making on, in %."""

    def __init__(self):
        self.began = self.now()

    @staticmethod
    def now():
        with open("/proc/stat") as f:
            fields = [int(v) for v in f.readline().split()[1:9]]
        return time.monotonic(), (sum(fields) - fields[3] - fields[4]) / TICKS

    def busy(self):
        took, used = (b - a for a, b in zip(self.began, self.now()))
        return used / took / CPUS * 100


# ---- the recorder ----

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
                                        stderr=self.log, process_group=0)
        while self.status(quiet=True) is None:
            if time.monotonic() - began > 60 or self.process.poll() is not None:
                sys.exit("bench: frecd does not record: " + self.said())
            time.sleep(0.005)
        self.start_seconds = time.monotonic() - began

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def said(self):
        with open(f"{self.work}/log") as f:
            return f.read()

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

    def snapshot(self):
        """What frecctl says of a new one."""
        r = self.ctl("snapshot", "--json")
        if r.returncode:
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
        CPUCLOCK_SCHED = 2
        return time.clock_gettime(~self.process.pid << 3 | CPUCLOCK_SCHED)

    def workers(self):
        """Processes that write a snapshot."""
        found = []
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as f:
            pids = f.read().split()
        for pid in pids:
            with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as f:
                if f.read() == "frecd-worker\n":
                    found.append(int(pid))
        return found

    def files(self):
        d = f"{self.work}/spool"
        return sorted(f"{d}/{n}" for n in os.listdir(d) if n.endswith(".pftrace"))

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
        self.log.close()
        shutil.rmtree(self.work, ignore_errors=True)
        atexit.unregister(self.stop)


def explain(path):
    r = subprocess.run([f"{BUILD}/frecctl", "explain", path, "--json"], capture_output=True, text=True)
    return json.loads(r.stdout)
