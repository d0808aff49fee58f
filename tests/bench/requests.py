# SPDX-License-Identifier: GPL-2.0
"""What a trigger on requests adds to fast servers."""
import os
import re
import socket
import statistics
import sys
import tempfile
import time

from .common import Recorder, end, need, on_cpu, or_skipped, quick_or, report, report_median, spawn


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


def server(*args):
    need(args[0])
    return spawn("taskset", "-c", "0", *args)


class Redis:
    name = "redis, 32 clients"

    def __init__(self, work):
        self.port = free_port()
        self.process = server(
            "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", work)
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
        self.process = server("nginx", "-e", f"{work}/error.log", "-p", work, "-c", f"{work}/nginx.conf")
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


def bench_requests():
    for begin in (Redis, Nginx, NginxFile):
        with or_skipped(begin.name), tempfile.TemporaryDirectory(prefix="frec-bench.") as work:
            os.chmod(work, 0o755)
            load = begin(work)
            try:
                load.measure()
                rate, ratios = requests_rounds(load, quick_or(2, 30))
            finally:
                end(load.process)
        report(f"{load.name}: without frec", int(rate), "requests/s")
        for name, values in ratios.items():
            for what, column, target in (("throughput", 0, "target >= 97"), ("p99", 1, "")):
                report_median(f"{load.name}: {name}: {what}", [v[column] * 100 for v in values], "%", target,
                              against="without frec")
