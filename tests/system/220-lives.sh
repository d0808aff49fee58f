#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Threads and processes that began, were renamed, exec'ed or ended inside the window are told apart
# and have their names, processes, command lines and cgroups; in inner pid namespaces too.
. "$(dirname "$0")/../lib.sh"

here=$(dirname "$0")/..
group=

group_end() {
	[ -z "$group" ] || within 5 rmdir "$group"
}
trap 'group_end; cleanup' EXIT

write_quiet_config "window = 20s" "memory = 64M" "evidence = 64M"
start_frecd
for mode in nap exec-from-thread threads-exit rename tid-reuse pid-reuse tid-reuse-pidns pid-reuse-pidns pidns; do
	"$workloads/life" $mode --ms 30 || fail "life $mode"
done >"$work/truth"

# command lines: of a process that lives, and of one that is gone
sleep 99.5 &
pids+=($!)
echo "{\"what\":\"argv\",\"pid\":$!,\"argv\":[\"sleep\",\"99.5\"]}" >>"$work/truth"
/bin/true one 'two words' &
wait $!
echo "{\"what\":\"argv\",\"pid\":$!,\"argv\":[\"/bin/true\",\"one\",\"two words\"]}" >>"$work/truth"

# cgroups: of a process that lives and of one that is gone
v2=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
if [ -n "$v2" ] && mkdir "$v2/frec-truth-$$" 2>/dev/null; then
	group=$v2/frec-truth-$$
	# shellcheck disable=SC2016
	bash -c 'echo $$ >"$1/cgroup.procs"; exec sleep 99.6' - "$group" &
	pids+=($!)
	echo "{\"what\":\"cgroup\",\"pid\":$!,\"path\":\"/frec-truth-$$/\"}" >>"$work/truth"
	within 5 grep -q "^$!\$" "$group/cgroup.procs" || fail "no process in the cgroup"
	# shellcheck disable=SC2016
	bash -c 'echo $$ >"$1/cgroup.procs"; exec "$2" nap' - "$group" "$workloads/life" >>"$work/truth" &
	wait $!
	echo "{\"what\":\"cgroup\",\"pid\":$!,\"path\":\"/frec-truth-$$/\"}" >>"$work/truth"
fi

take lives
"$here/truth_lives.py" "$work/lives.json" "$work/truth" || fail "lives"
"$here/truth_file.py" "$work/lives.json" || fail "the file"
[ -n "$group" ] || echo "no cgroup v2 here: cgroups were not tested"
