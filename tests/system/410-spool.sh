#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A spool that is missing, full, read-only or vanishes: said, and recording goes on; when it is
# mended snapshots are written again. Under a final name there are complete files only.
# May run beside others.
. "$(dirname "$0")/../lib.sh"

# cannot PATTERN: a snapshot fails with one line that matches; recording goes on, no rubbish stays.
cannot() {
	ctl snapshot >"$work/out" 2>&1
	[ $? = 1 ] || fail "a snapshot was written: $(cat "$work/out")"
	[ "$(wc -l <"$work/out")" = 1 ] || fail "more than a line: $(cat "$work/out")"
	grep -qE "$1" "$work/out" || fail "got '$(cat "$work/out")', want $1"
	is_recording || fail "does not record any more"
	[ -z "$(find "$work/parent" "$work/full" -name '.*.tmp' 2>/dev/null)" ] || fail "a temporary file stays"
}

works() {
	local path

	path=$(ctl snapshot) || fail "no snapshot although the spool is mended"
	ctl explain "$path" >/dev/null || fail "$path is no snapshot"
}

set_spool() { # DIRECTORY LINE
	sed "s|^directory.*|directory = $1|; s|^min_free.*|min_free = ${2:-0%}|" "$work/frec.conf" >"$work/new.conf"
	mv "$work/new.conf" "$work/frec.conf"
}

# new_directory PATH: as somebody who mends it would make it, for the user that frecd runs as.
new_directory() {
	mkdir "$1" && chown "$(sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' "/proc/$frecd_pid/status")" "$1"
}

# ---- missing at the start, then there

write_quiet_config
set_spool "$work/parent/spool"
start_frecd
grep -q "cannot use $work/parent/spool for snapshots: the directory that it should be in does not exist" "$work/frecd.log" || fail "not said"
cannot "cannot write a snapshot to $work/parent/spool: the directory that it should be in does not exist"
new_directory "$work/parent"
works

# ---- vanishes while running

rm -r "$work/parent"
cannot "cannot write a snapshot to $work/parent/spool: the directory that it should be in does not exist"
new_directory "$work/parent"
works
[ "$(stat -c %a "$work/parent/spool")" = 750 ] || fail "mode of the spool"
[ "$(stat -c %a "$work"/parent/spool/*.pftrace)" = 640 ] || fail "mode of a snapshot"

# ---- another one by reload: never the old one, even if the new one is not there

set_spool "$work/parent/none/spool"
reload
cannot "cannot write a snapshot to $work/parent/none/spool"
new_directory "$work/parent/none"
works
[ "$(find "$work/parent/none" -name '*.pftrace' | wc -l)" = 1 ] || fail "not in the new directory"

# ---- read-only

mkdir "$work/ro"
mount -t tmpfs -o size=8M,mode=777 none "$work/ro"
unmount() {
	[ -z "$frecd_pid" ] || stop_pid "$frecd_pid"
	frecd_pid=
	umount "$work/ro"
	[ ! -e "$work/full" ] || umount "$work/full"
	cleanup
}
trap unmount EXIT
mount -o remount,ro "$work/ro"
set_spool "$work/ro"
reload
cannot "cannot write a snapshot to $work/ro: Read-only"
mount -o remount,rw "$work/ro"
works

# ---- full: no room at all, then hardly any, then only where an old one goes; min_free out of reach

mkdir "$work/full"
mount -t tmpfs -o size=4M,mode=777 none "$work/full"
set_spool "$work/full"
reload
works
truncate -s 4K "$work"/full/*.pftrace # less than any snapshot
head -c 8M /dev/zero >"$work/full/filler" 2>/dev/null
cannot "cannot write a snapshot to $work/full: no space left"
[ "$(find "$work/full" -name '*.pftrace' | wc -l)" = 1 ] || fail "deleted what would not have helped"
rm "$work"/full/*.pftrace
head -c 2950K /dev/zero >"$work/full/filler"
"$workloads/switches" --pairs 4 --seconds 4 >/dev/null
cannot "no snapshot: no space left|cannot write a snapshot to $work/full: no space left"
rm "$work/full/filler"
works
set_spool "$work/full" 99%
reload
cannot "cannot write a snapshot to $work/full: no space left, or less than min_free"
set_spool "$work/full" 10%
reload
works

# ---- more than its limits: what goes is said, in a line

set_spool "$work/limited"
sed -i 's|^directory.*|&\nmax_files = 2|' "$work/frec.conf"
reload
removals() { grep "removed .* from $work/limited" "$work/frecd.log"; }
works
works
removals && fail "nothing was to be removed"
oldest=$(find "$work/limited" -name '*.pftrace' -printf '%T@ %f\n' | sort -n | sed -n 's/.* //;2p')
works
[ "$(removals | wc -l)" = 1 ] || fail "the log: $(removals)"
removals | grep -Eq "removed 1 snapshot \([0-9.]+ [KM]iB\) from $work/limited, the oldest $oldest: beyond max_files$" ||
	fail "the oldest is $oldest: $(removals)"

[ "$(status "d['events']['lost']")" = 0 ] || fail "events lost"
[ "$(status "d['spool']['failed'] >= 7")" = true ] || fail "failures not counted"
stop_frecd || fail "ended with $?"
exit 0
