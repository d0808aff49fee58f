# SPDX-License-Identifier: GPL-2.0
"""Is the verdict what it has to be?"""
import re

RIGHT, UNKNOWN, FALSE, DETAIL = "right", "unknown", "false", "detail"


def pattern(text, roles, values):
    """The regular expression with addresses and values filled in."""
    text = re.sub(r"\{addr:(\w+)\}", lambda m: "%x" % roles[m.group(1)]["addr"], text)
    return re.sub(r"\{(\w+)\}", lambda m: re.escape(str(values[m.group(1)])) if m.group(1) in values
                  else m.group(0), text)


def check_link(want, got, roles, values):
    role = roles[want.role]
    who = f"link of {want.role}"
    if got.get("tid") != role["tid"]:
        return f"{who}: tid {got.get('tid')} ({got.get('comm')}), want {role['tid']}"
    if got.get("wait") != want.wait:
        return f"{who}: {got.get('wait')}, want {want.wait}"
    if want.what and not re.search(pattern(want.what, roles, values), got.get("what", "")):
        return f"{who}: what '{got.get('what')}', want /{pattern(want.what, roles, values)}/"
    if want.function and want.function not in got.get("stack", []):
        return f"{who}: stack {got.get('stack')}, want {want.function}"
    if want.ran_instead:
        ran = got.get("ran_instead") or [{}]
        if ran[0].get("pid") != roles[want.ran_instead]["pid"]:
            return f"{who}: {ran[:2]} ran instead, want pid {roles[want.ran_instead]['pid']}"
    return None


def check_chain(scenario, verdict, roles, values):
    chain = verdict.get("chain", [])
    if len(chain) != len(scenario.chain):
        return "chain: " + " > ".join(f"{c['comm']}/{c['tid']} {c['wait']}" for c in chain)
    for want, got in zip(scenario.chain, chain):
        wrong = check_link(want, got, roles, values)
        if wrong:
            return wrong
    return None


def check_cause(scenario, verdict, roles):
    cause = verdict["cause"]
    wait = scenario.cause or scenario.chain[-1].wait
    culprits = [roles[r]["tid"] for r in scenario.culprits or [scenario.chain[-1].role]]
    if cause["wait"] == "unknown" or not cause.get("tid"):
        reason = scenario.accept_unknown
        return (RIGHT if reason and reason in cause["text"] else UNKNOWN), cause["text"]
    if cause["wait"] != wait or cause["tid"] not in culprits:
        got = f"{cause['wait']} of {cause.get('comm')}/{cause['tid']}"
        return FALSE, f"{got}, want {wait} of {culprits}: {cause['text']}"
    names = {c["comm"] for c in verdict["chain"] if c["tid"] == cause["tid"]}
    if not any(n in cause["text"] for n in names):
        return DETAIL, f"text: {cause['text']}"
    return RIGHT, None


def check(scenario, verdict, roles, values):
    """One of RIGHT, UNKNOWN, FALSE, DETAIL, and what is wrong."""
    kind, wrong = check_cause(scenario, verdict, roles)
    if kind != RIGHT:
        return kind, wrong
    if verdict["cause"]["wait"] == "unknown":
        return RIGHT, None
    wrong = check_chain(scenario, verdict, roles, values)
    return (DETAIL, wrong) if wrong else (RIGHT, None)


def check_parts(scenario, verdict, slow):
    """The subject's first wait takes what was injected, within a tenth."""
    parts = {p["wait"]: p["ns"] for p in verdict["subject"]["parts"]}
    total = sum(parts.values())
    got = parts.get(scenario.chain[0].wait, 0)
    if abs(total - verdict["subject"]["wall_ns"]) > 1000:
        return f"parts add up to {total}, wall time is {verdict['subject']['wall_ns']}"
    if slow is None or scenario.in_turns:  # it has no end, or no one end
        return None if got > 0.9 * total else f"{parts} of {total}"
    least, most = slow["released_ns"] - slow["begin_ns"], slow["end_ns"] - slow["begin_ns"]
    if not 0.9 * least <= got <= 1.1 * most:
        return f"{scenario.chain[0].wait} {got / 1e6:.1f} ms, injected {least / 1e6:.1f}: {parts}"
    return None
