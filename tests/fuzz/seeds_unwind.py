#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""seeds_unwind.py: writes tests/fuzz/corpus/fuzz_unwind/, where the fuzzer of the unwinder begins.

A seed is what fuzz_unwind.c reads: a kind; an ELF file, or damage to the vDSO; 32 registers of
16 bits each (odd: into the file, even: into the stack); the stack.
"""
import pathlib
import struct
import subprocess
import tempfile

BASE, STACK = 0x10000, 0x70000000
CODE, HEADER, FRAMES = 0x280, 0x100, 0x140
OUT = pathlib.Path(__file__).parent / "corpus" / "fuzz_unwind"

USUAL = bytes([0x0c, 7, 8, 0x90, 1])  # DW_CFA_def_cfa rsp+8; the return address at cfa-8


def entry(body, length=None):
    body += bytes(-len(body) % 4)
    return struct.pack("<I", len(body) if length is None else length) + body


def cie(program=USUAL, augmentation=b"zR\0", data=b"\x1b"):
    return entry(struct.pack("<IB", 0, 1) + augmentation + bytes([1, 0x78, 16, len(data)]) + data + program)


def eh_frame(c, program=b"", size=0x3d00, back=None, length=None):
    at = FRAMES + len(c)
    body = struct.pack("<IiIB", at + 4 - FRAMES if back is None else back, CODE - (at + 8), size, 0)
    return c + entry(body + program, length) + bytes(4)


def elf(frames, count=1, fde=None, header=b"\x01\x1b\x03\x3b", cie_len=0x1c):
    """One segment; the file's first byte is mapped at BASE."""
    fde = FRAMES + cie_len if fde is None else fde
    table = header + struct.pack("<iIii", FRAMES - HEADER - 4, count, CODE - HEADER, fde - HEADER)
    size = CODE + 0x40
    image = bytearray(size)
    image[:64] = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, 62, 1, CODE, 64, 0, 0,
                              64, 56, 2, 64, 0, 0)
    image[64:120] = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, size, 0x4000, 0x1000)
    image[120:176] = struct.pack("<IIQQQQQQ", 0x6474e550, 4, HEADER, HEADER, HEADER, len(table),
                                 len(table), 4)
    image[HEADER:HEADER + len(table)] = table
    image[FRAMES:FRAMES + len(frames)] = frames
    assert len(image) == size
    return bytes(image)


def stack_of(*words):
    return b"".join(struct.pack("<Q", w) for w in words)


def registers(pc=CODE + 8, **others):
    places = [0] * 32
    places[0] = pc
    for name, place in others.items():
        places[int(name[1:])] = place
    return struct.pack("<32H", *places)


def scratch(image, regs, stack):
    """The file is half of what follows the kind."""
    rest = (regs + stack)[:len(image)]
    return b"\x01" + image + rest + bytes(len(image) - len(rest))


PROGRAM = """
int table[4] = {1};
static inline __attribute__((always_inline)) int twice(int x) { return table[x & 3] += x * 2; }
__attribute__((noinline)) int work(int x) { return twice(x) ^ twice(x + 1); }
void _start(void) { work(work(table[1])); __builtin_trap(); }
"""


def compiled(*flags):
    """A program with lines, an inlined function and a variable, at BASE; registers that point into it."""
    with tempfile.TemporaryDirectory() as d:
        subprocess.run(["gcc", "-O1", "-g", "-nostdlib", "-static", "-Wl,-z,noseparate-code", "-Wl,--build-id",
                        "-Wl,-z,max-page-size=4096", f"-Wl,-Ttext-segment={BASE:#x}", f"-fdebug-prefix-map={d}=/src",
                        *flags, "-xc", "-", "-o", "a"], input=PROGRAM.encode(), cwd=d, check=True)
        image = (pathlib.Path(d) / "a").read_bytes()
        names = subprocess.run(["nm", "a"], cwd=d, check=True, capture_output=True, text=True).stdout
    at = {line.split()[2]: int(line.split()[0], 16) - BASE for line in names.splitlines()}
    places = {f"r{i}": (at["work"] | 1) + 2 * i for i in range(2, 32)}
    return scratch(image, registers(pc=at["work"] + 4, r1=at["table"] + 4, **places),
                   stack_of(BASE + at["_start"] + 12, 0))


def vdso(patches, regs, stack):
    return b"\x02" + bytes([len(patches)]) + b"".join(struct.pack("<HB", *p) for p in patches) + regs + stack


def seeds():
    usual = cie()
    callers = stack_of(*(BASE + CODE + 0x10 + 4 * i for i in range(12)), 0)
    good = elf(eh_frame(usual), cie_len=len(usual))
    loop = bytes([0x0f, 3, 0x2f, 0xfd, 0xff])  # a cfa that is an expression that jumps to itself
    deep = bytes([0x0f, 8, 0x77, 0, 0x12, 0x12, 0x12, 0x06, 0x06, 0x22])
    yield "good", scratch(good, registers(), callers)
    yield "truncated_stack", vdso([], registers(pc=0x0a00), callers[:12])
    yield "wild_registers", scratch(good, registers(pc=0x3fff, r6=0xffff, r7=0xfffe, r12=1, r16=0xfff1), b"\xff" * 64)
    still = elf(eh_frame(usual, bytes([0x0c, 7, 0])), cie_len=len(usual))
    yield "frames_that_stand_still", scratch(still, registers(), stack_of(BASE + CODE + 9) * 8)
    cyclic = elf(eh_frame(usual, bytes([0x0c, 6, 16, 0x86, 2])), cie_len=len(usual))
    yield "cyclic_frames", scratch(cyclic, registers(r6=0x10), stack_of(
        STACK, BASE + CODE + 9, STACK + 0x20, BASE + CODE + 9, STACK + 0x10, BASE + CODE + 9))
    yield "expression_without_end", scratch(elf(eh_frame(usual, loop), cie_len=len(usual)), registers(), callers)
    yield "expression_of_memory", scratch(elf(eh_frame(usual, deep), cie_len=len(usual)), registers(), callers)
    yield "no_way_back_to_cie", scratch(elf(eh_frame(usual, back=0xfffffff0), cie_len=len(usual)), registers(), callers)
    yield "cie_is_itself", scratch(elf(eh_frame(usual, back=4), cie_len=len(usual)), registers(), callers)
    yield "fde_too_long", scratch(elf(eh_frame(usual, length=0x7ffffff0), cie_len=len(usual)), registers(), callers)
    yield "table_of_a_billion", scratch(elf(eh_frame(usual), count=1 << 30, cie_len=len(usual)), registers(), callers)
    yield "table_that_points_away", scratch(elf(eh_frame(usual), fde=0x7ffffff0), registers(), callers)
    odd = cie(augmentation=b"zPLRS\0", data=b"\x9b\xff\xff\xff\x7f\x1b\x1b")
    yield "augmentation", scratch(elf(eh_frame(odd), cie_len=len(odd)), registers(), callers)
    remember = cie(program=USUAL + b"\x0a" * 8)
    yield "states_remembered", scratch(elf(eh_frame(remember, b"\x0b" * 24), cie_len=len(remember)), registers(), callers)
    yield "vdso", vdso([], registers(pc=0x0a00), callers)
    yield "vdso_headers", vdso([(0x20, 0xf8), (0x38, 0xff), (0x40, 6)], registers(pc=0x0a00), callers)
    yield "vdso_frames", vdso([(0x500 + 37 * i, 0x80 + i) for i in range(40)], registers(pc=0x0a00), callers)
    yield "lines", compiled()
    yield "lines_packed", compiled("-gz")
    yield "lines_dwarf4", compiled("-gdwarf-4", "-fdebug-types-section")
    yield "maps", b"\x00" + (b"10000-14000 r-xp 00000000 08:01 7 /lib/x (deleted)\n"
                             b"12000-11000 r-xp 00000000 08:01 7 /lib/y\n11000-15000 rwxp fffffffffffff000 00:00 0 \n")
    yield "perf_map", b"\x00" + b"1000 20 method\n0x1010 ffffffffffffffff wide\n1000 0 empty\n1004 8 \n"
    yield "kallsyms", b"\x00" + b"ffffffff81000000 T _text\nffffffffc0000000 t f\t[m]\n0 t hidden\n"
    yield "rust", b"\x00" + b"_RNvMs0_NtCs4fqI2P2rA04_4core3fmtNtB5_9Formatter3newB1_B1_"
    yield "cxx", b"\x00" + b"_ZNSt6vectorIS_IS_IS_IiSaIiEESaIS1_EESaIS3_EESaIS5_EE9push_backEOS5_"


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for name, seed in seeds():
        (OUT / name).write_bytes(seed)


if __name__ == "__main__":
    main()
