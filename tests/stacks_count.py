#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""stacks_count.py EXPORT NAME=PID…: how many waits have a stack that leads to its start.

EXPORT: what `frecctl export --format json` printed. Counted are the waits that have ended and
took 10 ms or more, of the processes PID and of all that descend from them. Prints a line for
each name: waits, of these with a stack that leads to the start, different stacks (a wait without
one counts as one), of these that lead to the start, those marked as cut, functions seen.
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


def main(path, roots):
    tracks, parents, waits = {}, {}, []
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            e = json.loads(line)
            if e["type"] == "track" and e.get("tid"):
                tracks[e["track"] if "track" in e else e["uuid"]] = e.get("tgid") or e["tid"]
            elif e["type"] == "process":
                parents[e["pid"]] = e.get("ppid")
            elif e["type"] == "slice" and e["phase"] == "begin" and e["name"].startswith("wait: "):
                args = {a["key"]: a.get("value") for a in e["args"]}
                if args.get("waited_ns", 0) >= STACKS_NS and not args.get("still_waiting"):
                    waits.append((e["track"], e["name"], e["stack"], args))
    # a fork that ended may be known to descend from one that ended before it
    for name, root in roots:
        count_of(name, root, parents, [(tracks.get(t), *rest) for t, *rest in waits])


def descends(pid, root, parents):
    for _ in range(32):
        if pid == root:
            return True
        pid = parents.get(pid)
        if not pid:
            return False
    return False


def count_of(name, root, parents, waits):
    mine = [w for w in waits if descends(w[0], root, parents)]
    kinds, bad = {}, collections.Counter()
    functions, complete, cut = set(), 0, 0
    for i, (pid, title, stack, args) in enumerate(mine):
        user = [f for f in stack if f.get("kind") != "kernel"]
        good = bool(user) and any(name_of(f) in STARTS for f in user[:3])
        complete += good
        cut += bool(args.get("stack_cut"))
        functions.update(name_of(f) for f in user)
        key = tuple((name_of(f), f.get("offset")) for f in user) or ("none", i)
        kinds[pid, key] = good
        if not good:
            bad[title.split(" held")[0][:40], "cut" if args.get("stack_cut") else "",
                " > ".join(name_of(f) for f in user[:4])] += 1
    print(name, len(mine), complete, len(kinds), sum(kinds.values()), cut,
          ",".join(sorted(functions)))
    for key, n in bad.most_common(12):
        print(f"{name}: {n} × {key}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1], [(a.split("=")[0], int(a.split("=")[1])) for a in sys.argv[2:]])
