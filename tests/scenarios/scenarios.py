# SPDX-License-Identifier: GPL-2.0
"""The scenarios: which program, which trigger, and what the verdict has to be."""
from dataclasses import dataclass, field


@dataclass
class Link:
    role: str
    wait: str
    what: str = ""       # regular expression; {addr:ROLE} is the lock that this role holds
    function: str = ""   # one of the stack's
    ran_instead: str = ""  # role whose process ran most


@dataclass
class Scenario:
    name: str
    command: list        # {ms}, {cpu}, {names}, {slow} (a slow disk) and such are filled in
    trigger: str         # kind
    chain: list          # of Link; the last one's wait is the cause
    cause: str = ""      # where it is not the last link's wait
    culprits: list = field(default_factory=list)  # roles, where it is not the last link's
    accept_unknown: str = ""  # a reason with which `unknown` is right, too
    extra: str = ""      # of the trigger
    threshold: str = "80ms"
    needs: list = field(default_factory=list)  # functions of machine.py
    fires: bool = True
    ends: bool = True    # the slow wait
    in_turns: bool = False  # the runtime waits several times for the one thing: the last turn fires


def held(name, links, *args, trigger="lock", **more):
    return Scenario(name, ["held", "--ms", "{ms}", "--names", "{names}", *args], trigger, links,
                    **more)


def flow(name, links, *args, extra="syscalls = read,wait4,recvfrom", **more):
    return Scenario(name, ["flow", "--ms", "{ms}", "--names", "{names}", *args], "syscall", links,
                    extra=extra, **more)


def odd(way, links, syscall, **more):
    return Scenario(way, ["odd", "--ms", "{ms}", "--names", "{names}", "--way", way, "--directory",
                          "{work}"], "syscall", links, extra=f"syscalls = {syscall}", **more)


def queue(others, name=None, threshold="50ms"):
    return Scenario(name or others, ["queue", "--ms", "{ms}", "--gap", threshold, "--cpu", "{cpu}",
                                     "--names", "{names}", "--others", others],
                    "runqueue", [Link("subject", "runqueue", ran_instead="others")],
                    needs=["second_cpu"], threshold=threshold)


def waits_for_lock(role="subject", holder="holder1"):
    return Link(role, "lock", r"^mutex\b.*0x{addr:%s}\b" % holder, "take_lock")


def slept(role, function="deed_sleep"):
    return Link(role, "sleep", r"^(clock_)?nanosleep\b", function)


MUTEX = waits_for_lock()
SLOW = ["--directory", "{slow}"]

SCENARIOS = [
    held("lock-sleep", [MUTEX, slept("holder1")]),
    held("lock-compute", [MUTEX, Link("holder1", "running")], "--deed", "compute"),
    held("lock-socket", [MUTEX, Link("holder1", "socket", r"^recv\w* fd \d+ .*127\.0\.0\.1:\d+",
                                     "deed_ask"), slept("peer", "answer_late")], "--deed", "ask"),
    held("lock-fsync", [MUTEX, Link("holder1", "disk", r"^fsync fd \d+ .*/fsync-\d+$",
                                    "deed_fsync")],
         "--deed", "fsync", *SLOW, needs=["slow_disk", "slow_writes"]),
    held("lock-preempted", [MUTEX, Link("holder1", "runqueue", ran_instead="peer")],
         "--deed", "preempted", "--cpu", "{cpu}", needs=["second_cpu"]),
    held("lock-throttled", [MUTEX, Link("holder1", "throttled")], "--deed", "compute",
         needs=["quota"]),
    held("lock-stopped", [MUTEX, Link("holder1", "stopped")], "--deed", "stopped", "--processes"),
    held("lock-fault", [MUTEX, Link("holder1", "memory", "", "deed_fault")], "--deed", "fault",
         *SLOW, needs=["slow_disk", "slow_reads"]),
    held("lock-swap", [MUTEX, Link("holder1", "memory", "", "deed_fault")], "--deed", "swap",
         needs=["slow_swap", "slow_reads"]),
    held("two-locks", [MUTEX, waits_for_lock("holder1", "holder2"), slept("holder2")],
         "--depth", "2"),
    held("three-locks", [MUTEX, waits_for_lock("holder1", "holder2"),
                         waits_for_lock("holder2", "holder3"), slept("holder3")], "--depth", "3"),
    held("deadlock", [MUTEX, waits_for_lock("holder1", "holder2"),
                      waits_for_lock("holder2", "holder1")], "--depth", "2", "--deadlock",
         cause="deadlock", culprits=["holder1", "holder2"], ends=False),
    held("own-lock", [MUTEX, waits_for_lock("holder1", "holder1")], "--deadlock",
         cause="deadlock", culprits=["holder1"], ends=False),
    held("lock-ended", [MUTEX, Link("holder1", "unknown")], "--deed", "end", cause="lock",
         ends=False),
    held("rwlock", [Link("subject", "futex", r"^futex\b", "take_lock"), slept("holder1")],
         "--lock", "rwlock", trigger="futex"),
    held("semaphore", [Link("subject", "futex", r"^futex\b", "take_lock"), slept("holder1")],
         "--lock", "sem", trigger="futex"),
    held("flock", [Link("subject", "file-lock", r"^flock fd \d+ .*/lock-0", "take_lock"),
                   slept("holder1")], "--lock", "flock", "--processes", "--directory", "{work}",
         trigger="syscall", extra="syscalls = flock"),
    held("fcntl", [Link("subject", "file-lock", r"^fcntl fd \d+ .*/lock-0", "take_lock"),
                   slept("holder1")], "--lock", "fcntl", "--processes", "--directory", "{work}",
         trigger="syscall", extra="syscalls = fcntl"),
    flow("pipeline", [Link("subject", "pipe", r"^read fd \d+ .*pipe", "read_input"),
                      Link("stage1", "pipe", r"^read fd \d+ .*pipe", "read_input"),
                      slept("stage2")], "--depth", "2"),
    flow("unix-sockets", [Link("subject", "socket", r"^read fd \d+", "read_input"),
                          Link("stage1", "socket", r"^read fd \d+", "read_input"),
                          slept("stage2")], "--depth", "2", "--link", "unix"),
    flow("slow-server", [Link("subject", "socket", r"^read fd \d+ .*127\.0\.0\.1:\d+",
                              "read_input"), Link("stage1", "running")],
         "--link", "tcp", "--deed", "compute"),
    flow("remote", [Link("subject", "network", r"^read fd \d+ .*{address}:\d+", "read_input")],
         "--link", "tcp", "--netns", "{netns}", "--address", "{address}", needs=["namespace"]),
    flow("waitpid", [Link("subject", "child", r"^wait", "wait_for_child"), slept("stage1")],
         "--link", "child"),
    odd("fifo", [Link("subject", "pipe", r"^open", "fifo_wait"), slept("stage1")],
        "open,openat"),
    odd("queue", [Link("subject", "pipe", r"^mq_timedreceive", "queue_wait"), slept("stage1")],
        "mq_timedreceive"),
    odd("signal", [Link("subject", "sleep", r"^rt_sigtimedwait", "signal_wait"), slept("stage1")],
        "rt_sigtimedwait"),
    odd("datagram", [Link("subject", "socket", r"^recvfrom fd \d+ .*127\.0\.0\.1:\d+",
                          "datagram_wait"), slept("stage1")], "recvfrom"),
    odd("deaf", [Link("subject", "socket", r"^read fd \d+ .*127\.0\.0\.1:\d+", "deaf_wait"),
                 Link("stage1", "sleep", r"^pause")], "read", ends=False),
    queue("crowd"),
    queue("hog"),
    queue("busy", "busy-cpu"),
    Scenario("idle-pool", ["idle", "--seconds", "20"], "lock", [], fires=False),
    Scenario("python", ["held.py", "{ms}", "{names}"], "futex",
             [Link("subject", "futex", r"^futex\b"), slept("holder1", "")]),
    Scenario("go", ["held.go", "{ms}"], "futex", [Link("subject", "unknown")],
             accept_unknown="the runtime schedules its own tasks"),
    Scenario("java", ["Held.java", "{ms}", "{subject}"], "futex",
             [Link("subject", "futex", r"^futex\b"), Link("holder1", "sleep")], in_turns=True,
             accept_unknown="the runtime schedules its own tasks"),
]
