# SPDX-License-Identifier: GPL-2.0
"""Rounds of A B C, then B C A, …: what is compared is compared within a round."""
import time

from .common import CannotRun, Machine, or_skipped, report

BARE = "bare"


def able(measures):
    """Those that can run, each of which has run once."""
    found = {}
    for name, measure in measures.items():
        with or_skipped(name):
            measure()
            found[name] = measure
    return found


def sample(measure, recorder):
    """What it measures; how busy the machine was; what the recorder took and did meanwhile."""
    before = recorder.status() if recorder else None
    machine, cpu, began = Machine(), recorder.cpu() if recorder else 0, time.monotonic()
    values = measure()
    values["busy"] = machine.busy()
    if recorder:
        took, used, status = time.monotonic() - began, recorder.cpu() - cpu, recorder.status()
        values |= {"daemon": used / took * 100, "rss": status["memory"]["daemon_rss"] / 2**20,
                   "rate": (status["events"]["recorded"] - before["events"]["recorded"]) / took,
                   "level": status["overhead"]["level"], "lost": status["events"]["lost"]}
    return values


def interleave(variants, measures, rounds, settle=0, beside=False):
    """
    variants: context managers by name; measures: functions by name that return values by name.
    settle: seconds between the start of a variant and the first measure. beside: bare is measured
    right before each of the others, where a round takes so long that the machine itself changes.
    Returns by measure and variant a list of samples, one a round, of which `bare` is what it is
    to be compared with.
    """
    measures = able(measures)
    taken = {m: {v: [] for v in variants} for m in measures}
    order = [v for v in variants if not (beside and v == BARE)]
    for _ in range(rounds if measures else 0):
        for variant in list(order):
            try:
                bare = {name: sample(measure, None) for name, measure in measures.items()} if beside else {}
                with variants[variant]() as recorder:
                    time.sleep(settle)
                    for name, measure in measures.items():
                        taken[name][variant].append(sample(measure, recorder) | {"bare": bare.get(name)})
                for name in bare:
                    taken[name][BARE].append(bare[name])
            except CannotRun as e:
                report(f"{', '.join(measures)}: {variant}", None, note=str(e))
                order.remove(variant)
                for by_variant in taken.values():
                    del by_variant[variant]
        order.append(order.pop(0))
    for by_variant in taken.values():
        for samples in by_variant.values() if not beside else ():
            for one, bare in zip(samples, by_variant.get(BARE, ())):
                one["bare"] = bare
    return taken


def column(samples, key):
    return [s[key] for s in samples]


def note(samples, *more):
    """What has to be said of them."""
    level = max(s.get("level", 0) for s in samples)
    lost = sum(s.get("lost", 0) for s in samples)
    return "; ".join(filter(None, [*more, f"the governor stepped in, up to level {level}" if level else "",
                                   f"{lost} events lost" if lost else ""]))
