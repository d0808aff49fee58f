#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A thread that is woken while its cgroup has no CPU quota left waits for that, and not for a CPU:
# before 6.18 its whole run queue is gone then, which the switch does not say.
. /tests/lib

group=/sys/fs/cgroup/quota
echo +cpu >/sys/fs/cgroup/cgroup.subtree_control && mkdir "$group" || skip "no cgroup v2 with a cpu controller"
echo "10000 100000" >"$group/cpu.max"

recorder_start
sh -c "echo \$\$ >$group/cgroup.procs; while :; do :; done" &
burner=$!
sh -c "echo \$\$ >$group/cgroup.procs; exec /tests/bin/waits sleep --ms 30 --count 50" >/dev/null &
sleeper=$!
sleep 4
frecctl snapshot --pid $sleeper --only -o "$dir/quota.pftrace" >"$dir/out" || fail "$(cat "$dir/out")"
frecctl explain "$dir/quota.pftrace" --pid $sleeper >"$dir/why" || fail "$(cat "$dir/why")"
kill $burner
wait $burner $sleeper

# count KIND: how many such waits are among the worst; 0 where none is worth a line
count()
{
	sed -n "s/^ .* $1  *\([0-9]*\) times, .*/\1/p" "$dir/why" | grep . || echo 0
}
[ "$(count throttled)" -ge 8 ] && [ "$(count runqueue)" -le 4 ] ||
	fail "throttled $(count throttled) times, runqueue $(count runqueue): $(cat "$dir/why")"
rmdir "$group"
recorder_stop || fail "frecd left with status $?"
