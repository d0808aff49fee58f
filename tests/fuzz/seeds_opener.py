#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""seeds_opener.py: writes tests/fuzz/corpus/fuzz_opener/, where the fuzzer of the opener begins."""
import pathlib
import struct

OUT = pathlib.Path(__file__).parent / "corpus" / "fuzz_opener"
CMDLINE, EXE, MAPS, MAPPED, PERF_MAP, REMEMBER, TOLD, STATUS, PROGRAM = range(1, 10)
OWN = 2  # pid: the fuzzer itself
CODE = b"10000-14000 r-xp 00000000 08:01 7                 /lib/x\n"
MORE = b"20000-24000 r-xp 00001000 08:01 9                 /lib/y (deleted)\n"


def step(letter, body):
    return letter + struct.pack("<H", len(body)) + body


def told(text, kind=b"\2"):
    return step(b"t", kind + text)


def asked(op, pid=0, path=b"", start=0, end=0, inode=0, since=0, until=0, number=0):
    return step(b"a", struct.pack("<IIIIQQQQQQQ", 1, op, pid, number, 0, 0, start, end, inode,
                                  since, until) + path)


def answered(error, text=b"", length=None):
    return step(b"r", struct.pack("<IiII", 1, error, len(text) if length is None else length, 0) + text)


SEEDS = {
    "own": b"".join(asked(op, OWN) for op in range(11)),
    "told": told(CODE + MORE) + asked(MAPS) + asked(MAPPED, 0, b"/lib/x", 0x10000, 0x14000, 7)
            + asked(MAPPED, 0, b"/lib/x", 0x10000, 0x14000, 8) + asked(MAPS, until=1) + asked(EXE),
    "told_more": told(CODE) + told(CODE + MORE) + told(MORE + CODE) + told(CODE, b"\1") + asked(MAPS),
    "told_of_data": told(CODE + b"14000-15000 rw-p 00000000 00:00 0 \n") + told(CODE + b"15000-16000 r-xp 00000000 08:01 7 /lib/x\n")
                    + asked(MAPS),
    "told_badly": told(b"-\nx\n10000-\n10000-14000") + told(b"ffffffffffffffffffff-0 \n\n\n") + asked(MAPS),
    "paths": asked(PROGRAM, 0, b"/proc/self/exe") + asked(PROGRAM, 0, b"/dev/null") + asked(PROGRAM, 0, b"../../etc")
             + asked(MAPPED, OWN, b"/bin/true", 1, 2, 3) + asked(PERF_MAP, OWN, number=1),
    "answers": answered(0, b"/bin/true") + answered(-3) + answered(5) + answered(0, b"x", 9) + step(b"r", b"short"),
}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for name, seed in SEEDS.items():
        (OUT / name).write_bytes(seed)


if __name__ == "__main__":
    main()
