# SPDX-License-Identifier: GPL-2.0
"""What is compared: each is a context manager, within which it records."""
import contextlib
import itertools
import os
import subprocess

from .common import CannotRun, Recorder, end, need, spawn

TRACING = "/sys/kernel/tracing"
SWITCHES = ("sched:sched_switch", "sched:sched_waking")
CALLS = ("raw_syscalls:sys_enter", "raw_syscalls:sys_exit")
MIB = 16  # of each CPU, as the recorder has it by default
# What it keeps by thread is what runqlat and syscount keep; a window of the last events it has not.
BPFTRACE = {
    "sched:sched_switch": "{ $t = @woken[args->next_pid]; if ($t) { @us = hist((nsecs - $t) / 1000);"
                          " delete(@woken[args->next_pid]); } }",
    "sched:sched_waking": "{ @woken[args->pid] = nsecs; }",
    "raw_syscalls:sys_enter": "{ @entered[tid] = nsecs; }",
    "raw_syscalls:sys_exit": "{ $t = @entered[tid]; if ($t) { @calls[args->id] = sum(nsecs - $t); } }",
}


def mount_tracefs():
    """In our mount namespace; the tools below look there."""
    if not os.path.exists(f"{TRACING}/events"):
        subprocess.run(["mount", "-t", "tracefs", "frec-bench", TRACING], check=True)


@contextlib.contextmanager
def nothing():
    yield None


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


@contextlib.contextmanager
def ftrace(events):
    """The kernel's own ring buffer, overwritten, in an instance of ours: trace-cmd start."""
    instance = f"{TRACING}/instances/frec-bench-{os.getpid()}"
    try:
        os.mkdir(instance)
    except OSError as e:
        raise CannotRun(f"no instance of ftrace: {e.strerror}") from e
    try:
        write(f"{instance}/buffer_size_kb", str(MIB << 10))
        for event in events:
            write(f"{instance}/events/{event.replace(':', '/')}/enable", "1")
        yield None
    finally:
        os.rmdir(instance)


@contextlib.contextmanager
def perf(events):
    """perf record --overwrite, which is told to begin, and says that it has."""
    need("perf")
    control, begin = os.pipe()
    begun, ack = os.pipe()
    args = itertools.chain.from_iterable(("-e", e) for e in events)
    process = spawn("perf", "record", "-q", "-a", "--overwrite", "-m", f"{MIB}M", "-o", "/dev/null",
                    "-D", "-1", "--control", f"fd:{control},{ack}", *args, pass_fds=(control, ack))
    os.close(control)
    os.close(ack)
    try:
        with open(begin, "w") as f, open(begun) as answer:
            f.write("enable\n")
            f.flush()
            if not answer.readline():
                raise CannotRun("perf record --overwrite does not run here")
            yield None
    finally:
        end(process)


@contextlib.contextmanager
def bpftrace(events):
    program = " ".join(f"tracepoint:{e} {BPFTRACE[e]}" for e in events)
    program += ' interval:ms:50 /!@on/ { @on = 1; printf("on\\n"); }'  # the last to be attached
    process = spawn("bpftrace", "-B", "line", "-e", program, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            if line == "on\n":
                break
        else:
            raise CannotRun("bpftrace: " + process.stderr.read().strip().splitlines()[-1])
        yield None
    finally:
        end(process)


def triggers(count=8):
    kinds = itertools.cycle(["lock", "futex", "offcpu", "runqueue", "iowait"])
    return "".join(f"[trigger t{i}]\nkind = {kind}\nthreshold = 1h\n" for i, kind in zip(range(count), kinds))


def frec(syscalls="slow", budget="100%", more="", count=8, after=""):
    """The default configuration with 8 triggers; budget: 100%, so that all is recorded at any rate."""
    return Recorder(f"[recorder]\nsyscalls = {syscalls}\noverhead_budget = {budget}\n{more}\n{triggers(count)}{after}")


def variants(events, modes=("slow",), **options):
    """All others, and the recorder in these modes."""
    found = {"bare": nothing}
    for tool in (ftrace, perf, bpftrace):
        found[tool.__name__] = lambda tool=tool: tool(events)
    for mode in modes:
        found[f"frec {mode}"] = lambda mode=mode: frec(mode, **options)
    return found
