#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tests/scenarios/run.sh [NAME…]: all scenarios, or these; RUNS (10) of each. See README.md.
. "$(dirname "$0")/../lib.sh"

[ -x "$BUILD/scenarios/held" ] || fail "no programs: run make programs first"
export BUILD
python3 -B "$(dirname "$0")/run.py" "$work" "$@" &
runner=$!
pids+=("$runner")
wait "$runner"
