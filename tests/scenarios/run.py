#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""run.py WORK [NAME ...]: runs scenarios with a recorder each, compares what frecctl explain says
with what was done, prints a table. Called by run.sh. RUNS: how often each; SEED: of the names and
times; KEEP: a directory for the snapshots of what was wrong."""
import glob
import json
import os
import random
import select
import shutil
import signal
import string
import subprocess
import sys
import time

from check import DETAIL, FALSE, RIGHT, UNKNOWN, check, check_parts
from machine import Machine, Skip, program
from scenarios import SCENARIOS

BUILD = os.environ["BUILD"]
KEEP = os.environ.get("KEEP")
ROLES = ["program", "subject", "holder1", "holder2", "holder3", "stage1", "stage2", "peer",
         "others", "late", "decoy1", "decoy2"]
MISSED = "missed"  # the trigger did not fire, or fired where it must not
IDLE_SECONDS = 2
PRIORITY = -15  # of the programs: what is injected is the cause, not what else this host does
QUEUES = ("runqueue", "throttled")
TRIES = 4       # of a run in which it was not


class Failure(Exception):
    """The run itself went wrong, whatever the verdict is."""


class Disturbed(Exception):
    """Something else on this host took the CPU: what was injected is not the cause."""


def within(seconds, condition, what):
    until = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > until:
            raise Failure(what)
        time.sleep(0.05)


def stop(process):
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def random_name(rng):
    return rng.choice(string.ascii_lowercase) + "".join(
        rng.choices(string.ascii_lowercase + string.digits + "-_", k=rng.randrange(5, 14)))


class Recorder:
    """A frecd of its own with one trigger."""

    def __init__(self, work, scenario, comm):
        self.directory, self.spool = f"{work}/run", f"{work}/spool"
        with open(f"{work}/frec.conf", "w") as f:
            f.write(f"""[daemon]
run_directory = {self.directory}
pin_directory = {self.directory}/bpf
[recorder]
evidence = 64M
[snapshots]
directory = {self.spool}
min_free = 0%
[trigger t]
kind = {scenario.trigger}
threshold = {scenario.threshold}
comm = {comm}
cooldown = 1h
{scenario.extra}
""")
        self.log = open(f"{work}/frecd.log", "w+")
        self.process = subprocess.Popen([f"{BUILD}/frecd", "--config", f"{work}/frec.conf"],
                                        stderr=self.log, stdout=self.log)
        try:
            within(20, self.is_recording, "frecd does not record")
        except BaseException:
            stop(self.process)
            raise

    def ctl(self, *args):
        return subprocess.run([f"{BUILD}/frecctl", "--run-directory", self.directory, *args],
                              capture_output=True, text=True)

    def is_recording(self):
        return '"state": "recording"' in self.ctl("status", "--json").stdout.replace('":"', '": "')

    def last_words(self):
        with open(self.log.name) as f:
            return f.read().strip().splitlines()[-2:]

    def snapshots(self):
        return sorted(glob.glob(f"{self.spool}/*.pftrace"))

    def explain(self, path):
        done = self.ctl("explain", path, "--json")
        if done.returncode:
            raise Failure(f"explain: {done.stderr.strip()}")
        return json.loads(done.stdout)


def prefer():
    """In the child: threads weigh more than others of this session, and that more than others."""
    os.nice(PRIORITY)
    try:
        os.setsid()
        with open("/proc/self/autogroup", "w") as f:
            f.write(str(PRIORITY))
    except OSError:
        pass  # this kernel groups by nothing


def queued_ns(role):
    """How long this thread has waited for a CPU, as the kernel counts it."""
    try:
        with open(f"/proc/{role['pid']}/task/{role['tid']}/schedstat") as f:
            return int(f.read().split()[1])
    except OSError:
        return 0


class Program:
    """Prints who has which role, then "ready"; begins; prints what was slow."""

    def __init__(self, command, at_start):
        def enter():
            prefer()
            for path in at_start:
                with open(path, "w") as f:
                    f.write(str(os.getpid()))
        self.roles, self.slow, self.rest = {}, None, b""
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        preexec_fn=enter)
        os.set_blocking(self.process.stdout.fileno(), False)

    def read_until(self, what, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            select.select([self.process.stdout], [], [], 0.1)
            self.rest += self.process.stdout.read() or b""
            *lines, self.rest = self.rest.split(b"\n")
            events = [json.loads(line) for line in lines]
            for e in events:
                if e["what"] == "role":
                    self.roles[e["role"]] = e
                elif e["what"] == "slow":
                    self.slow = e
            if any(e["what"] == what for e in events):
                return
            if self.process.poll() is not None:
                raise Failure(f"the program ended with {self.process.returncode}")
        raise Failure(f"the program did not say '{what}'")

    def begin(self):
        self.queued = {name: queued_ns(role) for name, role in self.roles.items()}
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def check_quiet(self, scenario, ms):
        """By the kernel's own counters, of all that have a part in it but those made to queue."""
        for name in {link.role for link in scenario.chain if link.wait not in QUEUES}:
            queued = queued_ns(self.roles[name]) - self.queued.get(name, 0)
            if queued > ms * 1e6 / 10:
                raise Disturbed(f"{name} waited {queued / 1e6:.0f} ms for a CPU")

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            pass
        stop(self.process)


def run_idle(recorder, command):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        time.sleep(IDLE_SECONDS)  # nothing has to happen
        if process.poll() is not None:
            raise Failure("the program ended")
        fired = recorder.snapshots()
    finally:
        stop(process)
    return (MISSED, f"it fired: {fired}", None) if fired else (RIGHT, None, None)


def judge(scenario, machine, recorder, command):
    p = Program(command, machine.at_start)
    try:
        p.read_until("ready", 20)
        machine.ready(p.roles)
        p.begin()
        p.read_until("slow" if scenario.ends else "role", 20)
        p.check_quiet(scenario, machine.ms)
        try:
            path = within(10, recorder.snapshots, "no snapshot")[0]
        except Failure as e:
            recorder.ctl("snapshot")  # to see why not
            return MISSED, f"{e}: {p.slow}, {recorder.last_words()}", None
        verdict = recorder.explain(path)
        if scenario.accept_unknown and verdict["subject"]["pid"] == p.roles["subject"]["pid"]:
            p.roles["subject"]["tid"] = verdict["subject"]["tid"]  # any thread of the runtime's
        # what does not run in this program's own process
        p.roles["others"] = p.roles.get("others") or p.roles.get("peer")
        kind, wrong = check(scenario, verdict, p.roles, machine.values)
        parts = None if verdict["cause"]["wait"] == "unknown" else \
            check_parts(scenario, verdict, p.slow)
        return kind, wrong, parts
    finally:
        p.end()


def run_once(scenario, work, rng):
    os.mkdir(work, 0o755)
    machine = Machine(work, rng.randrange(150, 300), rng)
    names = {role: random_name(rng) for role in ROLES}
    recorder = None
    try:
        machine.need(scenario.needs)
        values = {"ms": machine.ms, "work": work, "subject": names["subject"],
                  "names": ",".join(f"{r}={n}" for r, n in names.items()), **machine.values}
        # the trigger looks for the subject's name alone, which may be all there is
        own = names["program" if "{names}" in scenario.command else "subject"]
        start = program(BUILD, work, own, scenario.command[0])
        command = start + [part.format(**values) for part in scenario.command[1:]]
        recorder = Recorder(work, scenario, names["subject"])
        if not scenario.fires:
            return run_idle(recorder, command)
        return judge(scenario, machine, recorder, command)
    except Failure as e:
        return MISSED, str(e), None
    finally:
        if recorder:
            stop(recorder.process)
        machine.restore()


def keep(scenario, number, work):
    if KEEP:
        os.makedirs(KEEP, exist_ok=True)
        for path in glob.glob(f"{work}/spool/*.pftrace"):
            shutil.copy(path, f"{KEEP}/{scenario.name}-{number}.pftrace")


def run_undisturbed(scenario, work, rng):
    for left in reversed(range(TRIES)):
        try:
            return run_once(scenario, work, rng)
        except Disturbed as e:
            print(f"  {scenario.name}: {e}{'; once more' if left else ''}", flush=True)
            shutil.rmtree(work, ignore_errors=True)
    raise Skip("something else on this host keeps taking the CPU")


def run_scenario(scenario, work, runs, rng):
    """Counts of each result; None and the reason if this machine cannot."""
    counts = dict.fromkeys([RIGHT, UNKNOWN, FALSE, DETAIL, MISSED, "parts"], 0)
    for number in range(runs):
        own = f"{work}/{scenario.name}-{number}"
        try:
            kind, wrong, parts = run_undisturbed(scenario, own, rng)
        except Skip as e:
            return None, str(e)
        counts[kind] += 1
        counts["parts"] += parts is not None
        for text in [f"{kind}: {wrong}" if kind != RIGHT else None, parts and f"parts: {parts}"]:
            if text:
                print(f"  {scenario.name} run {number + 1}: {text}", flush=True)
        if kind != RIGHT or parts:
            keep(scenario, number, own)
        shutil.rmtree(own, ignore_errors=True)
    return counts, None


def print_table(rows):
    print(f"\n{'scenario':16}{'runs':>6}{'right':>7}{'unknown':>9}{'FALSELY ACCUSED':>17}"
          f"{'wrong link':>12}{'wrong parts':>13}{'not fired':>11}")
    for name, runs, counts, reason in rows:
        if counts is None:
            print(f"{name:16}{'skip':>6}  {reason}")
            continue
        print(f"{name:16}{runs:6}{counts[RIGHT]:7}{counts[UNKNOWN]:9}{counts[FALSE]:17}"
              f"{counts[DETAIL]:12}{counts['parts']:13}{counts[MISSED]:11}")


def main():
    work, wanted = sys.argv[1], sys.argv[2:]
    runs, seed = int(os.environ.get("RUNS", 10)), int(os.environ.get("SEED", time.time()))
    unknown = set(wanted) - {s.name for s in SCENARIOS}
    if unknown:
        sys.exit(f"no such scenario: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    rng = random.Random(seed)
    print(f"SEED={seed}", flush=True)
    noise = [subprocess.Popen([f"{BUILD}/scenarios/noise", *args])
             for args in ([], ["--directory", work])]
    rows = []
    try:
        for scenario in SCENARIOS:
            if not wanted or scenario.name in wanted:
                counts, reason = run_scenario(scenario, work, runs, rng)
                rows.append((scenario.name, runs, counts, reason))
    finally:
        for process in noise:
            stop(process)
        print_table(rows)
    done = [counts for _, _, counts, _ in rows if counts]
    if not done:
        print("; ".join(reason for _, _, _, reason in rows))
        sys.exit(77)
    need = int(os.environ.get("NEED", runs))  # of the runs; a false accusation is never right
    sys.exit(any(c[RIGHT] < need or c[FALSE] or c["parts"] > runs - need for c in done))


main()
