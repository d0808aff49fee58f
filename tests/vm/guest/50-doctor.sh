#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# This kernel offers all that the recorder cannot do without.
. /tests/lib

frecctl doctor || fail "doctor: status $?"
frecctl doctor --json >"$dir/doctor" || fail "doctor --json: status $?"
[ -s "$dir/doctor" ] || fail "doctor --json printed nothing"

# of kernels before 6.16 and 6.18, with fentry
found() { # CHECK: what was found, without spaces
	tr -d ' \n"' <"$dir/doctor" | grep -o "{name:$1,[^}]*" | sed 's/.*,found:\([^,]*\),.*/\1/'
}
found callends | grep -q '^bytracepoint:' || fail "call ends: $(found callends)"
found dyingprocesses | grep -q '^byfentry:' || fail "dying processes: $(found dyingprocesses)"
