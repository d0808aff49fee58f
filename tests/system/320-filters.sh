#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Filters: comm, exe, pid, unit and uid, alone and together; each with one beside it that must not match.
# May run beside others.
. "$(dirname "$0")/../lib.sh"

cgroups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
[ -n "$cgroups" ] || skip "no cgroup v2 is mounted"
cgroup=$cgroups/frec-test-$$.slice/deep/frec-unit.service
mkdir -p "$cgroup" || skip "cannot make a cgroup in $cgroups"

clean_cgroup() {
	local d=$cgroup

	while [ "$d" != "$cgroups" ]; do
		rmdir "$d"
		d=${d%/*}
	done
	umount "$work/bound" 2>/dev/null
	cleanup
}
trap clean_cgroup EXIT

# the same program in several places
deep=$work/deep
for i in $(seq 1 36); do
	deep=$deep/d$i
done
mkdir -p "$deep" "$work/plain" "$work/bound"
cp "$workloads/waits" "$work/plain/slow-one"
cp "$workloads/waits" "$work/plain/other"
cp "$workloads/waits" "$deep/deep-one"
mount --bind "$work/plain" "$work/bound" || skip "cannot mount"

# the program whose pid is a filter: until it is told to sleep it does not
# shellcheck disable=SC2016
nice bash -c 'until [ -e "$1" ]; do :; done; exec "$2" sleep --ms 80 >/dev/null' - "$work/go" "$work/plain/other" &
by_pid=$!
pids+=($by_pid)

trigger_section() { # NAME FILTERS…
	printf '[trigger %s]\nkind = offcpu\nthreshold = 60ms\ncooldown = 0\nmax_per_hour = 0\n' "$1"
	shift
	printf '%s\n' "$@"
}
{
	trigger_section comm "comm = slow-?ne"
	trigger_section comm-no "comm = slow-one?"
	trigger_section exe-base "exe = slow-one"
	trigger_section exe-base-no "exe = low-one"
	trigger_section exe-path "exe = $work/plain/slow-*"
	trigger_section exe-path-no "exe = $work/plain/slow"
	trigger_section exe-bound "exe = $work/bound/slow-one"
	trigger_section exe-deep "exe = deep-one"
	trigger_section exe-deep-path "exe = $work/deep/d1/*/deep-one"
	trigger_section exe-deep-no "exe = $work/deep/d2/*"
	trigger_section pid "pid = $by_pid"
	trigger_section unit "unit = frec-unit.service"
	trigger_section unit-path "unit = /frec-test-$$.slice/deep"
	trigger_section unit-no "unit = frec-unit"
	trigger_section uid "uid = 12345"
	trigger_section all "uid = 12345" "comm = slow*" "exe = */slow-one" "unit = deep"
	trigger_section all-no-uid "uid = 12346" "comm = slow*" "exe = */slow-one" "unit = deep"
	trigger_section all-no-comm "uid = 12345" "comm = fast*" "exe = */slow-one" "unit = deep"
	trigger_section all-no-exe "uid = 12345" "comm = slow*" "exe = */other" "unit = deep"
	trigger_section all-no-unit "uid = 12345" "comm = slow*" "exe = */slow-one" "unit = shallow"
} | write_config
start_frecd

# runs PROGRAM…: it sleeps once; then "NAME NAME" are the triggers that saw that, of those here
saw() {
	ctl triggers --json | json - "' '.join(sorted(t['name'] for t in d if t['fired'] + t['merged'] + t['suppressed']))"
}
all=
expect() { # WHAT TRIGGERS…: these fired now for the first time, and no other
	local what=$1 want

	shift
	all="$all $*"
	want=$(printf '%s\n' $all | sort -u | xargs)
	is_seen() { [ "$(saw)" = "$want" ]; }
	within 5 is_seen || fail "$what: saw '$(saw)', want '$want'"
}
ours() { # only our own processes run these programs: others sleep, too, but match no filter
	"$@" sleep --ms 80 >/dev/null || fail "$*"
}

ours "$work/plain/other"
expect "no filter's"
ours "$work/plain/slow-one"
expect "slow-one" comm exe-base exe-path
ours "$work/bound/slow-one"
expect "bind mount" exe-bound
ours "$deep/deep-one"
expect "deep path" exe-deep exe-deep-path
touch "$work/go"
wait "$by_pid"
expect "pid" pid
bash -c 'echo $$ >"$1/cgroup.procs" && exec "$2" sleep --ms 80' - "$cgroup" "$work/plain/other" >/dev/null
expect "unit" unit unit-path
chmod 755 "$work" "$work/plain"
ours setpriv --reuid 12345 --clear-groups "$work/plain/other"
expect "uid" uid
bash -c 'echo $$ >"$1/cgroup.procs" && exec setpriv --reuid 12345 --clear-groups "$2" sleep --ms 80' - "$cgroup" \
	"$work/plain/slow-one" >/dev/null
expect "all" all
stop_frecd || fail "frecd ended with $?"
