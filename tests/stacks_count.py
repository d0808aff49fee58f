#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""stacks_count.py NAME=PID=EXPORT…: how many waits have a stack that leads to its start.

EXPORT: what `frecctl export --format json` printed of a snapshot that is focused on process PID.
Counted are the waits of PID that have ended and took 10 ms or more. Prints a line for each name:
waits, of these with a stack that leads to the start, different stacks (a wait whose stack was refused
is a wait, but nobody knows which stack it had), of these that lead to the start, waits whose stack is marked as cut, functions seen.
The outer ends of stacks that fail go to stderr.
"""
import collections
import json
import sys

STACKS_NS = 10_000_000
STARTS = {"start_thread", "clone", "__clone", "clone3", "__clone3", "main", "_start",
          "__libc_start_main", "__libc_start_main_impl", "__libc_start_call_main"}


def name_of(frame):
    return frame.get("function", "?" + frame.get("module", "").rsplit("/", 1)[-1])


def waits_of(pid, path):
    tracks = set()
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            e = json.loads(line)
            if e["type"] == "track" and e.get("tgid") == pid:
                tracks.add(e["uuid"])
            elif e["type"] == "slice" and e["phase"] == "begin" and e["track"] in tracks and \
                    e["name"].startswith("wait: "):
                args = {a["key"]: a.get("value") for a in e["args"]}
                if args.get("waited_ns", 0) >= STACKS_NS and not args.get("still_waiting"):
                    yield pid, e["name"], e["stack"], args


def count(name, waits):
    kinds, bad = {}, collections.Counter()
    functions, complete, cut = set(), 0, 0
    for pid, title, stack, args in waits:
        user = [f for f in stack if f.get("kind") != "kernel"]
        good = any(name_of(f) in STARTS for f in user[:3])
        complete += good
        cut += bool(args.get("stack_cut"))
        functions.update(name_of(f) for f in user)
        if user:
            kinds[pid, tuple((name_of(f), f.get("offset")) for f in user)] = good
        if not good:
            bad[title.split(" held")[0][:40], "cut" if args.get("stack_cut") else "",
                " > ".join(name_of(f) for f in user[:4])] += 1
    print(name, len(waits), complete, len(kinds), sum(kinds.values()), cut,
          ",".join(sorted(functions)))
    for key, n in bad.most_common(12):
        print(f"{name}: {n} × {key}", file=sys.stderr)


def main(arguments):
    names = {}
    for name, pid, path in (a.split("=", 2) for a in arguments):
        names.setdefault(name, []).extend(waits_of(int(pid), path))
    for name, waits in names.items():
        count(name, waits)


if __name__ == "__main__":
    main(sys.argv[1:])
