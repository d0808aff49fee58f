# SPDX-License-Identifier: GPL-2.0
"""What a scenario needs of the machine, and takes back: slow disks, quotas, namespaces."""
import os
import shutil
import subprocess
import time

CGROUPS = "/sys/fs/cgroup"
PAGE = 4096
FSYNC_BYTES = 100000  # --bytes of held
MEMORY_LIMIT = 16 << 20  # less than DEED_ANONYMOUS of deeds.h


class Skip(Exception):
    """This machine cannot; the text says why."""


def call(*command):
    if not shutil.which(command[0]):
        raise Skip(f"{command[0]} is not installed")
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Skip(f"{' '.join(command[:3])}: {done.stdout.strip().splitlines()[-1:]}")
    return done.stdout.strip()


def put(path, text):
    try:
        with open(path, "w") as f:
            f.write(str(text))
    except OSError as e:
        raise Skip(f"{path}: {e.strerror}") from None


class Machine:
    """One for a run: `values` fill in the command, place() is called before the scene begins."""

    def __init__(self, work, ms, rng):
        self.work, self.ms, self.rng = work, ms, rng
        self.values, self.undo, self.at_ready = {}, [], []
        self.at_start = []  # cgroup.procs files that the program begins in

    def need(self, names):
        for name in names:
            getattr(self, name)()

    def restore(self):
        for step in reversed(self.undo):
            try:
                step()
            except (OSError, Skip) as e:
                print(f"    not restored: {e}")
        self.undo = []

    def ready(self, roles):
        for step in self.at_ready:
            step(roles)

    def cgroup(self, controller):
        path = f"{CGROUPS}/{controller}"
        if not os.path.exists(f"{path}/cgroup.procs"):
            raise Skip(f"no cgroup v1 controller {controller}")
        path += f"/frec-scenario-{os.getpid()}"
        os.mkdir(path)
        self.undo.append(lambda: remove_cgroup(path))
        return path

    def second_cpu(self):
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2:
            raise Skip("needs a second CPU")
        self.values["cpu"] = cpus[-1]

    def quota(self):
        group = self.cgroup("cpu")
        # what is computed takes two and a half quotas: one whole pause, and a part of another
        period = self.ms * 1000 * 2 // 3
        put(f"{group}/cpu.cfs_period_us", period)
        put(f"{group}/cpu.cfs_quota_us", period // 8)
        self.values["ms"] = period // 8 * 5 // 2 // 1000
        self.at_ready.append(lambda roles: put(f"{group}/tasks", roles["holder1"]["tid"]))

    def loop_device(self, name, size):
        image = f"{self.work}/{name}.img"
        with open(image, "wb") as f:
            os.posix_fallocate(f.fileno(), 0, size)
        device = call("losetup", "-f", "--show", image)
        self.undo.append(lambda: call("losetup", "-d", device))
        number = os.stat(device).st_rdev
        self.throttled = f"{os.major(number)}:{os.minor(number)}"
        return device

    def slow_disk(self):
        mount = f"{self.work}/slow"
        device = self.loop_device("slow", 32 << 20)
        call("mkfs.ext4", "-q", device)
        os.mkdir(mount)
        call("mount", device, mount)
        self.undo.append(lambda: call("umount", mount))
        self.values["slow"] = mount

    def throttle(self, what, bytes_a_second):
        group = self.cgroup("blkio")
        path = f"{group}/blkio.throttle.{what}_bps_device"

        def begin(roles):
            put(path, f"{self.throttled} {bytes_a_second}")
            put(f"{group}/tasks", roles["holder1"]["tid"])
        self.at_ready.append(begin)

    def slow_writes(self):
        self.throttle("write", FSYNC_BYTES * 1000 // self.ms)

    def slow_reads(self):
        self.throttle("read", PAGE * 1000 // self.ms)

    def slow_swap(self):
        group = self.cgroup("memory")
        put(f"{group}/memory.limit_in_bytes", MEMORY_LIMIT)
        device = self.loop_device("swap", 64 << 20)
        call("mkswap", device)
        call("swapon", device)
        self.undo.append(lambda: call("swapoff", device))
        self.at_start.append(f"{group}/cgroup.procs")

    def namespace(self):
        name, net = f"frec-{os.getpid()}", f"10.213.{self.rng.randrange(256)}"
        call("ip", "netns", "add", name)
        self.undo.append(lambda: call("ip", "netns", "del", name))
        link = f"fs{os.getpid()}"
        call("ip", "link", "add", link, "type", "veth", "peer", "name", "far", "netns", name)
        # often gone with the namespace
        self.undo.append(lambda: subprocess.run(["ip", "link", "del", link], capture_output=True))
        call("ip", "addr", "add", f"{net}.1/30", "dev", link)
        call("ip", "link", "set", link, "up")
        call("ip", "-n", name, "addr", "add", f"{net}.2/30", "dev", "far")
        call("ip", "-n", name, "link", "set", "far", "up")
        self.values.update(netns=f"/run/netns/{name}", address=f"{net}.2")


def remove_cgroup(path):
    until = time.monotonic() + 5
    while True:
        try:
            return os.rmdir(path)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def program(build, work, name, source):
    """The program under a name of its own; that of a runtime, if there is one."""
    own = f"{work}/{name}"
    here = os.path.dirname(os.path.abspath(__file__))
    if source == "held.py":
        return ["/usr/bin/python3", f"{here}/{source}"]
    if source == "held.go":
        if not shutil.which("go"):
            raise Skip("Go is not installed (golang-go)")
        built = f"{build}/scenarios/held-go"
        if not os.path.exists(built):
            os.environ.setdefault("GOCACHE", f"{build}/scenarios/go-cache")
            call("go", "build", "-o", built, f"{here}/{source}")
        shutil.copy(built, own)
        return [own]
    if source == "Held.java":
        if not shutil.which("javac"):
            raise Skip("Java is not installed (default-jdk-headless)")
        classes = f"{build}/scenarios/java"
        if not os.path.exists(f"{classes}/Held.class"):
            call("javac", "-d", classes, f"{here}/{source}")
        return ["java", "-Xshare:auto", "-cp", classes, "Held"]
    shutil.copy(f"{build}/tests/idle" if source == "idle" else f"{build}/scenarios/{source}", own)
    return [own]
