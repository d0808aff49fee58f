#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A program that fires a trigger and at once asks for a snapshot of itself gets both; so does one
# whose snapshot is being written when a trigger fires.
. "$(dirname "$0")/../lib.sh"

root=$(cd "$(dirname "$0")/../.." && pwd)
export FREC_RUN_DIRECTORY=$work/run
cat >"$work/both.c" <<-'EOF'
	#include <frec/frec.h>

	/* both NAME: fires it, and writes a snapshot of itself to its output, unless that is closed */
	int main(int argc, char **argv)
	{
		char why[256];
		int error;

		frec_trigger(argv[argc - 1], "too late");
		error = lseek(1, 0, SEEK_CUR) < 0 ? 0 : frec_snapshot(0, 1, why, sizeof(why));
		if (error)
			fprintf(stderr, "%s: %s\n", strerror(-error), why);
		return error != 0;
	}
EOF
gcc -Wall -I"$root/include" -o "$work/both" "$work/both.c" || fail "both.c"
write_config <<-EOF
	[trigger soon]
	kind = app
	comm = both
	cooldown = 0

	[trigger now]
	kind = app
	comm = both
	cooldown = 0
	post = 0
EOF
start_frecd
is_own() { # FILE
	[ "$(ctl explain "$1" --json | json - "d['attributes'].get('frec.snapshot.anonymous', 'none')")" != none ]
}
"$work/both" soon >"$work/own" 2>"$work/said" || fail "no snapshot of its own: $(cat "$work/said")"
within 10 has_snapshot "*-soon-*" || fail "no snapshot of the trigger"
is_own "$work/own" || fail "that is no snapshot of its own"

# one that is under way makes way, and comes after it; its worker waits for the opener meanwhile
opener=$(pgrep -P "$frecd_pid" -x frecd-opener) || fail "no opener"
kill -STOP "$opener"
python3 "$root/tests/workloads/ask.py" >"$work/asked" 2>"$work/said" &
client=$!
pids+=($client)
until worker=$(pgrep -P "$frecd_pid" -x frecd-worker); do
	kill -0 $client || fail "no worker"
done
kill -STOP "$worker"
kill -CONT "$opener"
"$work/both" now >&-
within 10 has_snapshot "*-now-*" || fail "no snapshot of the second trigger"
wait $client || fail "no snapshot of its own behind that of a trigger: $(cat "$work/said")"
is_own "$work/asked" || fail "what was asked for is no snapshot of its own"
[ "$(status "d['app']['snapshots']")" = '{"asked": 2, "written": 2, "refused": 0}' ] || fail "$(status "d['app']")"
stop_frecd || fail "frecd ended with $?"
