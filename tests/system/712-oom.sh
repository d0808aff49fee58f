#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Whom the OOM killer chooses in a memory cgroup leaves one snapshot, with its last second, what it
# and the cgroup had, and where it took the memory.
. "$(dirname "$0")/../lib.sh"

v1=$(awk '$3 == "cgroup" && $4 ~ /(^|,)memory(,|$)/ { print $2; exit }' /proc/self/mounts)
v2=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
if [ -n "$v1" ]; then
	group=$v1/frec-test-$$ limit=memory.limit_in_bytes swap=memory.swappiness
elif [ -n "$v2" ] && grep -qw memory "$v2/cgroup.subtree_control"; then
	group=$v2/frec-test-$$ limit=memory.max swap=memory.swap.max
else
	skip "no cgroup that limits memory"
fi
own_cgroup "$group"
echo 32M >"$group/$limit" || skip "cannot limit the memory of a cgroup"
echo 0 >"$group/$swap" 2>/dev/null

write_config <<-END
	[trigger starved]
	kind = exit
	comm = dies
	cooldown = 0s
END
start_frecd
# by another way it makes no sound
"$workloads/dies" wait &
pid=$!
within 10 grep -q "^State:.S" "/proc/$pid/status"
kill -KILL "$pid"
wait "$pid" 2>/dev/null
sh -c 'echo $$ >"$1/cgroup.procs"; exec "$2" memory 1500' - "$group" "$workloads/dies" &
pid=$!
wait "$pid" 2>/dev/null
[ $? = 137 ] || skip "nobody killed it"
within 20 has_snapshot "*-starved-dies-$pid" || fail "no snapshot: $(ctl triggers)"
[ "$(trigger starved fired)" = 1 ] || fail "fired $(trigger starved fired) times"
file=$(snapshots)
ctl explain "$file" --json >"$work/why" || fail "explain"
json "$work/why" 'd["cause"]["text"]' |
	grep -Eq "^dies \(pid $pid\) was killed by the OOM killer: it had [0-9.]+ MiB, its memory cgroup 3[12][0-9.]* MiB of at most 32.0 MiB, in .*take_memory,.* die, main$" ||
	fail "cause: $(json "$work/why" 'd["cause"]')"
python3 - "$work/why" <<-'END' || fail "$(json "$work/why" 'd["trigger"]')"
	import json, sys

	d = json.load(open(sys.argv[1]))
	t = d["trigger"]
	assert t["signal"] == "SIGKILL" and t["oom"] == 1, t
	assert 24 << 20 < t["rss"] < 40 << 20 and t["cgroup_limit"] == 32 << 20, t
	assert 31 << 20 < t["cgroup_usage"] <= 32 << 20, t
	assert d["subject"]["wall_ns"] > 900e6, d["subject"]
END
ctl export "$file" --format json | grep -q '"name":"was killed by the OOM killer"' || fail "no instant"
exit 0
