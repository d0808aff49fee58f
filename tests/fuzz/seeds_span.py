#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""seeds_span.py: writes tests/fuzz/corpus/fuzz_span/: small programs with spans and functions."""
import pathlib
import struct

OUT = pathlib.Path(__file__).parent / "corpus" / "fuzz_span"
BASE, CODE = 0x400000, 0x78  # of the only segment; behind the headers
NOTE, SYMTAB, STRTAB, PROGBITS = 7, 2, 3, 1


def probe(provider, name, place, base=BASE, argument=b"8@%rdi", semaphore=0):
    desc = struct.pack("<QQQ", place, base, semaphore) + provider + b"\0" + name + b"\0" + argument + b"\0"
    return struct.pack("<III", 8, len(desc), 3) + b"stapsdt\0" + desc + bytes(-len(desc) % 4)


def symbols(strings, *names):
    """Functions, one after the other; their names begin in strings."""
    out = bytes(24)
    for i, name in enumerate(names):
        out += struct.pack("<IBBHQQ", strings.index(name), 0x12, 0, 1, BASE + CODE + i, 1)
    return out


def elf(sections, machine=62, kind=2, size=64):
    """sections: (name, type, bytes, link, entry size, address)."""
    names, at, body, heads = b"\0", CODE + size, bytes([0x90] * size), b"".ljust(64, b"\0")
    for name, what, data, link, entry, address in [*sections, (b".shstrtab", STRTAB, None, 0, 0, 0)]:
        offset = len(names)
        names += name + b"\0"
        data = names if data is None else data
        data += bytes(-len(data) % 8)
        heads += struct.pack("<IIQQQQIIQQ", offset, what, 0, address, at, len(data), link, 0, 4, entry)
        body += data
        at += len(data)
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", kind, machine, 1, BASE + CODE, 64, at, 0,
                       64, 56, 1, 64, len(sections) + 2, len(sections) + 1)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, CODE + size, CODE + size, 0x1000)
    return head + segment + body + heads


def noted(*probes, base=None, size=64):
    sections = [(b".note.stapsdt", NOTE, b"".join(probes), 0, 0, 0)]
    if base is not None:
        sections.append((b".stapsdt.base", PROGBITS, b"\0" * 8, 0, 0, base))
    return elf(sections, size=size)


def functions(*more):
    strings = b"\0work\0done@@V1\0other\0"
    return elf([(b".strtab", STRTAB, strings, 0, 0, 0),
                (b".symtab", SYMTAB, symbols(strings, b"work", b"done", b"other"), 1, 24, 0), *more])


SHADOW_STACK = struct.pack("<IIIIIII", 4, 16, 5, 0x554e47, 0xc0000002, 4, 2) + bytes(4)
PLACE = BASE + CODE
SEEDS = {
    "spans": noted(probe(b"frec_begin", b"order", PLACE), probe(b"frec_end", b"order", PLACE + 1)),
    "moved": noted(probe(b"frec_begin", b"order", PLACE - 0x1000, BASE - 0x1000), base=BASE),
    "no_nop": noted(probe(b"frec_begin", b"order", BASE + 1), probe(b"frec_end", b"order", 1 << 63)),
    "others": noted(probe(b"libc", b"setjmp", PLACE), probe(b"frec_begin", b"x" * 64, PLACE),
                    probe(b"frec_begin", b"order", PLACE, argument=b"4@%eax"),
                    probe(b"frec_begin", b"order", PLACE, semaphore=PLACE)),
    "no_end": noted(probe(b"frec_begin", b"order", PLACE)[:-12]),
    "many": noted(*(probe(b"frec_begin", b"o%d" % i, PLACE + i) for i in range(140)), size=140),
    "functions": functions(),
    "exceptions": functions((b".gcc_except_table", PROGBITS, b"x", 0, 0, 0)),
    "go": functions((b".gopclntab", PROGBITS, b"x", 0, 0, 0)),
    "shadow_stack": functions((b".note.gnu.property", NOTE, SHADOW_STACK, 0, 0, 0)),
    "property_without_end": functions((b".note.gnu.property", NOTE,
                                       SHADOW_STACK[:20] + b"\xf9\xff\xff\xff\1\0\0\0\0\0\0\0", 0, 0, 0)),
    "arm": elf([], machine=183),
    "no_program": elf([], kind=1),
}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for name, seed in SEEDS.items():
        (OUT / name).write_bytes(seed)


if __name__ == "__main__":
    main()
