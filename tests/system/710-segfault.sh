#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A process that crashes leaves one snapshot: its last second, the signal on its thread's track with
# the stack, and the functions in the verdict, also if it crashed as soon as it had begun. What it
# handles itself, and what others of the host do, fires nothing.
# May run beside others.
. "$(dirname "$0")/../lib.sh"

write_config <<-END
	[trigger died]
	kind = exit
	comm = dies
	cooldown = 0s
	[trigger other]
	kind = exit
	comm = dies-not
END
start_frecd

# died NAME PID: its snapshot as $work/NAME.json, the explanation as $work/NAME.why
died() {
	local file

	within 20 has_snapshot "*-died-dies-$2" || fail "$1: no snapshot of $2"
	[ "$(snapshots "*-$2*" | wc -l)" = 1 ] || fail "$1: $(snapshots "*-$2*")"
	file=$(snapshots "*-died-dies-$2")
	ctl export "$file" --format json >"$work/$1.json" || fail "export"
	ctl explain "$file" --json >"$work/$1.why" || fail "explain"
	within 5 grep -q "why died: dies (pid $2) was killed by" "$work/frecd.log" || fail "$1: the log"
}

# says NAME REGEX: the cause
says() {
	json "$work/$1.why" 'd["cause"]["text"]' | grep -Eq "$2" ||
		fail "$1: want '$2': $(json "$work/$1.why" 'd["cause"]')"
}

run() {
	"$workloads/dies" "$@" &
	pid=$!
	wait "$pid" 2>/dev/null
}

run segv
died short "$pid"
says short "^dies \(pid $pid\) was killed by SIGSEGV at address 0x1234 \(nothing is mapped there\), in touch_it, called by handle_report, die, main$"

run segv 2000
died long "$pid"
says long ", in touch_it, called by handle_report, die, main$"
# the last second of the thread: it ran, and slept, and ends with the signal
python3 - "$work/long.json" "$pid" <<-'END' || fail "long: $(tail -n 3 "$work/long.json")"
	import json, sys

	pid, ran, died, tracks, frames = int(sys.argv[2]), [], [], {}, []
	for line in open(sys.argv[1]):
	    e = json.loads(line)
	    if e["type"] == "track":
	        tracks[e["uuid"]] = e.get("tid")
	    if e["type"] == "switch" and pid in (e["prev_tid"], e["next_tid"]):
	        ran.append(e["ts"])
	    if e["type"] == "slice" and e["name"].startswith("was killed by") and tracks.get(e["track"]) == pid:
	        died.append(e)
	assert len(died) == 1, died
	e = died[0]
	assert e["name"] == "was killed by SIGSEGV at 0x1234", e
	args = {a["key"]: a["value"] for a in e["args"]}
	assert args["signal"] == "SIGSEGV" and args["address"] == 0x1234 and args["rss"] > 4096, args
	names = [f.get("function") for f in e["stack"]]
	assert names[-4:] == ["main", "die", "handle_report", "touch_it"], names
	last = [t for t in sorted(ran) if e["ts"] - 1000000000 <= t <= e["ts"]]
	assert len(last) > 200, len(last)
	assert last[0] < e["ts"] - 900000000, e["ts"] - last[0]
END
[ "$(json "$work/long.why" 'd["trigger"]["signal"] + " " + d["trigger"]["address"]')" = "SIGSEGV 0x1234" ] ||
	fail "long: $(json "$work/long.why" 'd["trigger"]')"
[ "$(json "$work/long.why" '900e6 < d["subject"]["wall_ns"] <= 1000e6 and d["subject"]["tid"] == '"$pid")" = true ] ||
	fail "long: $(json "$work/long.why" 'd["subject"]')"
[ "$(json "$work/long.why" 'd["cause"]["wait"]')" = exit ] || fail "long: $(json "$work/long.why" 'd["cause"]')"

# in another thread than the first, whose name is not the process's
run thread 20
died thread "$pid"
says thread "^dies \(pid $pid\) was killed by SIGSEGV at address 0x1234 .*, in thread reporter \(tid [0-9]+\), in touch_it, called by handle_report, report"

# through a pointer to no function: who called is on the stack
run jump
died jump "$pid"
says jump "SIGSEGV at address 0x1234 .*, in die, called by main$"

# through a pointer that is no address: the kernel does not say which, and it is not 0
run wild
died wild "$pid"
says wild "^dies \(pid $pid\) was killed by SIGSEGV \(address not known, .*a garbage pointer, not canonical\), in touch_it, called by die, main$"
[ "$(json "$work/wild.why" '"address" in d["trigger"]')" = false ] ||
	fail "wild: $(json "$work/wild.why" 'd["trigger"]')"

# in a mount namespace of its own, where only those that live on in it see the program
fired=5
if can_mount; then
	mkdir "$work/elsewhere"
	unshare --mount sh -c 'mount -t tmpfs none "$2" && cp "$1" "$2/dies" || exit 1
		"$2/dies" segv &
		echo $! >"$3"
		exec sleep 60' - "$workloads/dies" "$work/elsewhere" "$work/elsewhere.pid" 2>/dev/null &
	pids+=($!)
	within 10 test -s "$work/elsewhere.pid" || fail "elsewhere: it did not start"
	pid=$(cat "$work/elsewhere.pid")
	died elsewhere "$pid"
	says elsewhere ", in touch_it, called by handle_report, die, main$"
	fired=6
fi

[ "$(trigger other fired)" = 0 ] || fail "other fired"
[ "$(trigger died fired)" = "$fired" ] || fail "died: $(ctl triggers)"
# who handles the signal lives
python3 -c 'import os, signal
signal.signal(signal.SIGSEGV, lambda *_: os._exit(0))
open("/proc/self/comm", "w").write("dies")
os.kill(os.getpid(), signal.SIGSEGV)
signal.pause()' || fail "it did not handle the signal"
run exit 0
run segv
died last "$pid"
[ "$(trigger died fired)" = $((fired + 1)) ] || fail "died at the end: $(ctl triggers)"
exit 0
