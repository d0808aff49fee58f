#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Of a process that is not dumpable, and of units and names that `exclude` has, no user stack is taken,
# neither of a wait that has ended nor of one that goes on; kernel stacks and all else are there.
. "$(dirname "$0")/../lib.sh"

cgroups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
[ -n "$cgroups" ] || skip "no cgroup v2 is mounted"
own_cgroup "$cgroups/frec-vault-$$.service"

cat >"$work/sleeper.py" <<-'END'
	import ctypes, sys, time
	libc = ctypes.CDLL(None)
	libc.prctl(15, sys.argv[1].encode())  # PR_SET_NAME
	libc.prctl(4, int(sys.argv[2]))  # PR_SET_DUMPABLE
	for i in range(3):
	    time.sleep(0.3)
	time.sleep(30)
END
write_config <<-END
	[recorder]
	evidence = 64M
	exclude = frec-vault-$$.service, comm:xclhid?en
	[trigger open]
	kind = offcpu
	threshold = 500ms
	comm = xcl*
	hold = 0s
	post = 0s
	cooldown = 0s
	max_per_hour = 0
END
start_frecd

sleeper() { # NAME DUMPABLE
	python3 "$work/sleeper.py" "$@" &
	pids+=($!)
}
# one after the other, as triggers that fire together share a snapshot
shown() { # NAME
	within 20 has_snapshot "*-open-$1-*" || fail "no snapshot of $1"
}
sleeper xclopen 1
shown xclopen
sleeper xclsilent 0
shown xclsilent
sleeper xclhidden 1
shown xclhidden
sleeper xclvault 1
echo "${pids[-1]}" >"$group/cgroup.procs" || fail "cannot join the cgroup"
shown xclvault

# stacks NAME: waits of it that have ended, those of them with a kernel stack, with a user stack; the same of its open wait
stacks() {
	local file

	file=$(snapshots "*-open-$1-*" | tail -n 1)
	ctl export "$file" --format json >"$work/events" || fail "export"
	python3 - "$work/events" "$(basename "${file##*-}" .pftrace)" <<-'END'
		import json, sys
		tracks, counts = set(), [0] * 6
		for line in open(sys.argv[1]):
		    d = json.loads(line)
		    if d["type"] == "track" and d.get("tid") == int(sys.argv[2]):
		        tracks.add(d["uuid"])
		    if d["type"] != "slice" or d["phase"] != "begin" or d["track"] not in tracks or "nanosleep" not in d["name"]:
		        continue
		    kinds = [f["kind"] for f in d["stack"]]
		    at = 3 * any(a["key"] == "still_waiting" for a in d["args"])
		    counts[at] += 1
		    counts[at + 1] += "kernel" in kinds
		    counts[at + 2] += any(k != "kernel" for k in kinds)
		print(*counts)
	END
}
# check NAME USER: user stacks of waits that ended, and of the one that did not
check() {
	local waits kernel user open open_kernel open_user

	read -r waits kernel user open open_kernel open_user <<<"$(stacks "$1")"
	[ "$waits" -ge 3 ] && [ "$kernel" -ge 1 ] && [ "$open $open_kernel" = "1 1" ] ||
		fail "$1: $waits waits, $kernel kernel stacks; $open, $open_kernel of the open one"
	if [ "$2" = yes ]; then
		[ "$user" -ge 1 ] && [ "$open_user" = 1 ] || fail "$1: $user user stacks of $waits, $open_user of the open wait"
	else
		[ "$user $open_user" = "0 0" ] || fail "$1: has $user user stacks, $open_user of the open wait"
	fi
}
check xclopen yes
check xclsilent no
check xclhidden no
check xclvault no
[ "$(status "d['events']['excluded_stacks'] >= 9")" = true ] || fail "not counted: $(status "d['events']")"
ctl export "$(snapshots "*-open-xclvault-*" | tail -n 1)" --format json |
	grep -q '"key":"frec.stacks.excluded","value":[1-9]' || fail "not in the trace"

# ---- a reload changes it

sed -i '/^exclude/d' "$work/frec.conf"
reload
sleeper xclhidden 1
more() { [ "$(snapshots "*-open-xclhidden-${pids[-1]}" | wc -l)" = 1 ]; }
within 20 more || fail "no snapshot after the reload"
check xclhidden yes
