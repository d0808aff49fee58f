#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# This kernel offers all that the recorder cannot do without.
. /tests/lib

frecctl doctor || fail "doctor: status $?"
frecctl doctor --json >"$dir/doctor" || fail "doctor --json: status $?"
[ -s "$dir/doctor" ] || fail "doctor --json printed nothing"
