#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""held.py MS ROLE=NAME,... - as held.c, with a threading.Lock whose holder sleeps."""
import os
import sys
import threading
import time

MS = int(sys.argv[1])
NAMES = dict(pair.split("=") for pair in sys.argv[2].split(","))
lock, other = threading.Lock(), threading.Lock()
ready = threading.Semaphore(0)
go, late_ask, late = threading.Event(), threading.Event(), threading.Event()
released = 0


def say(text, *args):
    os.write(1, (text % args + "\n").encode())  # one write: lines of threads do not mix


def begin(role):
    tid = threading.get_native_id()
    with open(f"/proc/self/task/{tid}/comm", "w") as f:
        f.write(NAMES[role])
    say('{"what":"role","pid":%d,"tid":%d,"role":"%s"}', os.getpid(), tid, role)


def hold(role, which, ms):
    global released
    begin(role)
    with which:
        ready.release()
        go.wait()
        time.sleep(ms / 1000)
        if which is lock:
            released = time.monotonic_ns()
    threading.Event().wait()


def wake_late():
    begin("late")
    ready.release()
    late_ask.wait()
    time.sleep(0.005)
    late.set()


def subject():
    begin("subject")
    go.set()
    start = time.monotonic_ns()
    with lock:
        end = time.monotonic_ns()
    late_ask.set()
    late.wait()
    say('{"what":"slow","begin_ns":%d,"end_ns":%d,"released_ns":%d}', start, end, released)
    threading.Event().wait()


def start(target, *args):
    threading.Thread(target=target, args=args, daemon=True).start()


start(hold, "holder1", lock, MS)
start(hold, "decoy1", other, 2 * MS)
start(wake_late)
for _ in range(3):
    ready.acquire()
say('{"what":"ready"}')
sys.stdin.readline()
start(subject)
sys.stdin.read()
