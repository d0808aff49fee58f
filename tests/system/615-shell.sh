#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A shell makes a process for each step: who writes to the pipe at last was born late, and what was
# waited for is what the shell waited for before. Processes bear the names they had then.
. "$(dirname "$0")/../lib.sh"

write_config <<-END
	[recorder]
	window = 10s
	[trigger late]
	kind = offcpu
	threshold = 300ms
	comm = reader-at-end
END
start_frecd
cat >"$work/reader" <<'END'
import ctypes, sys
name = ctypes.CDLL(None).prctl
name(15, b'reader-at-end', 0, 0, 0)
sys.stdin.read()
name(15, b'was-reader', 0, 0, 0)
END
cp /bin/sleep "$work/late-sleep"
sh -c "$work/late-sleep 0.8; /bin/echo x; :" | python3 "$work/reader" || fail "python3"
within 10 has_snapshot '*-late-*' || fail "no snapshot"
ctl explain "$(snapshots '*-late-*' | head -n 1)" --json >"$work/why.json" || fail "explain"
python3 - "$work/why.json" <<-'END' || fail "the verdict: $(cat "$work/why.json")"
	import json, sys
	why = json.load(open(sys.argv[1]))
	chain = [(link["comm"], link["wait"]) for link in why["chain"]]
	assert chain == [("reader-at-end", "pipe"), ("sh", "child"), ("late-sleep", "sleep")], chain
	assert why["cause"]["wait"] == "sleep" and why["cause"]["comm"] == "late-sleep"
END
