#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The verdict names the injected cause; each of these scenarios, once of two times at least, and never falsely. See tests/scenarios/README.md.
export RUNS=2 NEED=1
exec "$(dirname "$0")/../scenarios/run.sh" \
	lock-fsync lock-preempted lock-throttled crowd hog busy-cpu go
