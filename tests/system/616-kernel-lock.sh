#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Two threads write to one file: the second waits for a lock of the kernel that the first has, and
# for no disk. The kernel's own functions for that are in no stack of a sleeper.
. "$(dirname "$0")/../lib.sh"

write_config <<-END
	[recorder]
	window = 10s
	[trigger lock]
	kind = offcpu
	threshold = 60ms
	comm = second-writer
END
start_frecd
cat >"$work/writers" <<'END'
import ctypes, os, threading

def name(comm):
    ctypes.CDLL(None).prctl(15, comm, 0, 0, 0)

fd = os.memfd_create('two')
data = b'x' * (300 << 20)
begun = threading.Event()
def first():
    name(b'first-writer')
    begun.set()
    os.pwrite(fd, data, 0)
writer = threading.Thread(target=first)
writer.start()
begun.wait()
while os.fstat(fd).st_size == 0: # it grows under the lock
    pass
name(b'second-writer')
os.pwrite(fd, b'y', 0)
name(b'was-second')
writer.join()
END
for _ in 1 2 3; do # the lock may go to the second in between
	python3 "$work/writers" || fail "python3"
	within 3 has_snapshot '*-lock-*' && break
done
has_snapshot '*-lock-*' || fail "no snapshot"
ctl explain "$(snapshots '*-lock-*' | head -n 1)" --json >"$work/why.json" || fail "explain"
python3 - "$work/why.json" <<-'END' || fail "the verdict: $(cat "$work/why.json")"
	import json, sys
	chain = json.load(open(sys.argv[1]))["chain"]
	assert (chain[0]["comm"], chain[0]["wait"]) == ("second-writer", "kernel-lock"), chain
	assert chain[1]["comm"] == "first-writer" and chain[1]["wait"] in ("running", "runqueue"), chain
END
