#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In a storm of forks, more than the evidence has room for, threads that came and went have their
# names: fewer than one in a hundred of the window has none.
. "$(dirname "$0")/../lib.sh"

command -v stress-ng >/dev/null || skip "no stress-ng here"
write_quiet_config "window = 10s"
start_frecd

# storm NAME ARGUMENTS…: returns when it is over
storm() {
	local name=$1

	shift
	(cd "$work" && timeout 30 stress-ng --timeout 6 "$@" >"$work/stress" 2>&1) || fail "stress-ng $*"
	take "$name"
	python3 - "$work/$name.json" "$name" <<'PYTHON' || fail "names with stress-ng $*"
import json, sys
tids, nameless, ended, exits = set(), set(), 0, 0
for line in open(sys.argv[1], errors='replace'):
    e = json.loads(line)
    exits += e['type'] == 'exit'
    if e['type'] == 'switch':
        ended += bool(e['prev_state'] & 0x30)
        for side in 'prev', 'next':
            tids.add(e[side + '_tid'])
            if e[side + '_comm'] == '?':
                nameless.add(e[side + '_tid'])
print(f'{sys.argv[2]}: {ended} threads ended, {len(tids)} tids, {len(nameless)} without a name')
assert ended > 1000, 'no storm'
assert len(nameless) < len(tids) / 100, sorted(nameless)[:20]
# a tid is used again: that each of its lives has a name of its own, its ends tell
assert exits > 0.99 * ended, (exits, ended)
PYTHON
}
storm fork --fork 4
storm vfork --vfork 4
[ "$(status "d['events']['refused']")" -gt 0 ] || echo "the evidence had room for all"
[ "$(status "d['events']['lost']")" = 0 ] || fail "lost: $(status "d['events']['lost_by']")"
stop_frecd || fail "frecd ended with $?"
exit 0
