#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Deaths by a signal and exit codes fire on this kernel, with the function that it died in though the
# process lived for a moment only, and once each.
. /tests/lib

snapshot_there()
{
	ls "$spool"/*-"$1"-*.pftrace
}

fired()
{
	frecctl status --json | tr -d ' \n' | grep -o "\"name\":\"$1\"[^}]*" |
		grep -o '"fired":[0-9]*' | cut -d: -f2
}

# says NAME PATTERN: the verdict in the snapshot of that trigger
says()
{
	verdict=$(frecctl export "$(ls "$spool"/*-"$1"-*.pftrace)" --format json |
		grep '"frec.verdict.text"')
	echo "$verdict" | grep -q "$2" || fail "no '$2' in '$verdict'"
}

recorder_start '[trigger died]' 'kind = exit' 'comm = dies' 'cooldown = 0s' \
	'[trigger exited]' 'kind = exit' 'signals = none' 'exit_codes = any' 'exe = /tests/bin/dies'
/tests/bin/dies segv && fail "it lives"
until_true 30 snapshot_there died || fail "no snapshot: $(frecctl triggers)"
says died '"dies (pid [0-9]*) was killed by SIGSEGV at address 0x1234 .*in touch_it, called by handle_report'
rm -f "$spool"/*
/tests/bin/dies abort 1000
until_true 30 snapshot_there died || fail "no snapshot: $(frecctl triggers)"
says died 'SIGABRT, which it sent itself, in abort, called by check_it'
[ "$(fired died)" = 2 ] || fail "died fired '$(fired died)' times, want 2: $(frecctl triggers)"
/tests/bin/dies exit 0
/tests/bin/dies exit 7
until_true 30 snapshot_there exited || fail "no snapshot: $(frecctl triggers)"
says exited '"dies (pid [0-9]*) exited with 7'
[ "$(fired exited)" = 1 ] || fail "exited fired '$(fired exited)' times, want 1: $(frecctl triggers)"

# the OOM killer's victim has its memory and the cgroup's limit
group=/sys/fs/cgroup/small
rm -f "$spool"/*
echo +memory >/sys/fs/cgroup/cgroup.subtree_control && mkdir "$group" || fail "no memory controller"
echo 16M >"$group/memory.max" || fail "no limit"
sh -c "echo \$\$ >$group/cgroup.procs; exec /tests/bin/dies memory"
[ $? = 137 ] || fail "it was not killed"
until_true 30 snapshot_there died || fail "no snapshot: $(frecctl triggers)"
says died 'killed by the OOM killer: it had 1[5-9][0-9.]* MiB, its memory cgroup 1[56][0-9.]* MiB of at most 16.0 MiB, in .*take_memory'
[ "$(fired died)" = 3 ] || fail "died fired '$(fired died)' times, want 3: $(frecctl triggers)"
recorder_stop || fail "frecd left with status $?"
