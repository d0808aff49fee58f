# SPDX-License-Identifier: GPL-2.0
"""Servers and their clients: each is a context manager, and measures its throughput and latency."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from .common import CannotRun, end, need, on_cpu, quick_or, run, spawn

POSTGRES = "/usr/lib/postgresql/15/bin"
NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")


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
                raise CannotRun("the server does not listen") from None
            time.sleep(0.01)


class Server:
    """Below a temporary directory; the server has a CPU, and its clients have another."""

    def __init__(self):
        need(*self.needs)
        self.work = tempfile.mkdtemp(prefix="frec-bench.")
        os.chmod(self.work, 0o755)
        self.port = free_port()
        self.process = None

    def __enter__(self):
        try:
            self.start()
            until_connects(self.port)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.send_signal(signal.SIGINT)  # PostgreSQL has shared memory to remove
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
            end(self.process)
        shutil.rmtree(self.work, ignore_errors=True)

    def serve(self, *args, **kw):
        self.process = spawn("taskset", "-c", "0", *args, **kw)


class Redis(Server):
    name = "redis, 32 clients"
    needs = ("redis-server", "redis-benchmark")

    def start(self):
        self.serve("redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                   "--dir", self.work)

    def measure(self, requests=None):
        """Throughput a second, latencies in ms."""
        out = on_cpu(1, "redis-benchmark", "-p", str(self.port), "-c", "32", "-t", "get", "--csv",
                     "-n", str(requests or quick_or(30000, 150000)))
        names, values = ([f.strip('"') for f in line.split(",")] for line in out.splitlines()[:2])
        row = dict(zip(names, values))
        return {"throughput": float(row["rps"]), "p50": float(row["p50_latency_ms"]),
                "p99": float(row["p99_latency_ms"])}


class Nginx(Server):
    name = "nginx with wrk, 32 clients"
    needs = ("nginx", "wrk")
    serves = "location / { return 200 ok; }"

    def start(self):
        work = self.work
        with open(f"{work}/nginx.conf", "w") as f:
            f.write(f"daemon off; user nobody nogroup; pid {work}/pid; worker_processes 1;\n"
                    "events { worker_connections 256; }\n"
                    "http { access_log off; keepalive_requests 1000000000;\n" + "".join(
                        f"{d}_temp_path {work}/{d};\n"
                        for d in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")) +
                    f"server {{ listen 127.0.0.1:{self.port}; root {work}; {self.serves} }} }}\n")
        with open(f"{work}/file", "w") as f:
            f.write("x" * 16384)
        self.serve("nginx", "-e", f"{work}/error.log", "-p", work, "-c", f"{work}/nginx.conf")

    def measure(self):
        out = on_cpu(1, "wrk", "-t", "1", "-c", "32", "-d", quick_or("1s", "2s"), "--latency",
                     f"http://127.0.0.1:{self.port}/")
        found = {"throughput": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])}
        for share in "50", "99":
            number, unit = re.search(rf"{share}%\s+([\d.]+)(us|ms|s)", out).groups()
            found[f"p{share}"] = float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
        return found


class NginxFile(Nginx):
    """As slow as 50,000 requests a second are here: it reads a file for each, and logs it."""
    name = "nginx, 16 KiB of a file and a log, 32 clients"
    serves = "rewrite .* /file; access_log access.log;"


def sysbench(*args):
    """Events a second and their 99th percentile in ms, of what sysbench prints."""
    out = run("sysbench", "--time=" + quick_or("1", "2"), "--percentile=99", *args)
    took = float(re.search(r"total time:\s+([\d.]+)s", out)[1])
    return {"throughput": int(re.search(r"total number of events:\s+(\d+)", out)[1]) / took,
            "p99": float(re.search(r"99th percentile:\s+([\d.]+)", out)[1])}


class Postgres(Server):
    """Without fsync: it is the CPU that is measured, not the disk."""
    name = "sysbench OLTP on PostgreSQL, no fsync, 4 clients"
    needs = ("sysbench",)

    def start(self):
        if not os.path.exists(f"{POSTGRES}/postgres"):
            raise CannotRun("needs postgres (Debian: postgresql-15)")
        shutil.chown(self.work, "nobody", "nogroup")
        run(*NOBODY, f"{POSTGRES}/initdb", "-D", f"{self.work}/data", "-A", "trust", "-N", cwd=self.work)
        self.serve(*NOBODY, f"{POSTGRES}/postgres", "-D", f"{self.work}/data", "-k", self.work,
                   "-c", "listen_addresses=127.0.0.1", "-p", str(self.port), "-c", "fsync=off", cwd=self.work)
        until_connects(self.port)
        until = time.monotonic() + 10
        while self.oltp("prepare", CannotRun if time.monotonic() < until else ()) is None:
            time.sleep(0.1)

    def oltp(self, verb, starting=()):
        """None: it does not take clients yet."""
        args = ("oltp_read_write", "--db-driver=pgsql", f"--pgsql-host={self.work}",
                f"--pgsql-port={self.port}", "--pgsql-user=nobody", "--pgsql-db=postgres", "--tables=2",
                "--table-size=10000", "--threads=4")
        try:
            return run("sysbench", *args, verb) if verb == "prepare" else sysbench(*args, verb)
        except starting:
            return None

    def measure(self):
        return self.oltp("run")
