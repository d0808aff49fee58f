#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A file that is written to is another program at once: no probe stays where one was in the old one,
# whether the new one has spans or not. What ends while the file is read is not said to last.
# May run beside others.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../spans.sh"

rm "$program" # for now
links() {
	find "/proc/$frecd_pid/fd" -lname 'anon_inode:bpf*link' | wc -l
}

has_links() {
	[ "$(links)" = "$1" ]
}

write_config <<-END
	[trigger order]
	kind = span
	exe = $program
	span = order
	threshold = 300ms
	cooldown = 0
	max_per_hour = 0
END
start_frecd
within 10 grep -q "$program: No such file" "$work/frecd.log" || fail "a missing file is not said"
before=$(links)
cp "$workloads/spans" "$program"
within 10 watches order || fail "not attached"
[ "$(links)" -gt "$before" ] || fail "no probes: $(links)"
inode=$(stat -c %i "$program")
cp "$(command -v cat)" "$program" # into it
[ "$(stat -c %i "$program")" = "$inode" ] || fail "this is another file"
within 10 grep -q "$program has no probe of span order" "$work/frecd.log" || fail "not looked at again"
within 2 has_links "$before" || fail "$(links) links are left, of $before: probes in a program that has none"
cp "$workloads/spans" "$program"
within 10 bash -c "[ \$(grep -c 'trigger order watches' '$work/frecd.log') = 2 ]" || fail "not attached again"
start_spans
tell sleeper 400
within 10 has_snapshots 1 order || fail "no snapshot"

# one after the other while the file changes, if in its mode only
for i in {1..40}; do
	[ "$i" != 5 ] || chmod g-w,o-x "$program"
	tell sleeper 70
done
within 10 bash -c "[ \$(grep -c 'trigger order watches' '$work/frecd.log') = 3 ]" || fail "not attached again"
tell other 1000
grep 'been in a span' "$work/frecd.log" && fail "a span that has ended is said to last"
tell sleeper 400
within 10 has_snapshots 2 order || fail "no snapshot after that"
