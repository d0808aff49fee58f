#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Storms of execs, of threads, and of tids that are used again and again: what was tried is accounted for, nothing is
# lost unsaid, and who comes again is told apart from who was there before.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../torture.sh"

command -v stress-ng >/dev/null || skip "no stress-ng here"
here=$(dirname "$0")/..
write_quiet_config "window = 5s" "memory = 64M"
start_frecd
before=$(fds)

# storm NAME COMMAND…: a snapshot in the midst of it, and one when it is over
storm() {
	local name=$1 load

	shift
	(cd "$work" && exec timeout 60 "$@" >"$work/storm" 2>&1) &
	load=$!
	ctl snapshot >/dev/null || fail "no snapshot in a storm"
	wait $load || fail "$*: $(cat "$work/storm")"
	take "$name"
	python3 - "$work/$name.json" "$name" <<'PYTHON' || fail "after $*"
import json, sys
ledger, ended, execs, tids = {}, 0, 0, {}
for line in open(sys.argv[1], errors='replace'):
    e = json.loads(line)
    if e['type'] == 'attribute' and e['key'].startswith('frec.ledger.unexplained.'):
        ledger[e['key'].split('.')[3]] = int(e['value'])
    elif e['type'] == 'switch':
        ended += bool(e['prev_state'] & 0x30)
    elif e['type'] == 'exec':
        execs += 1
    elif e['type'] == 'thread':
        tids[e['tid']] = tids.get(e['tid'], 0) + 1
again = sum(n > 1 for n in tids.values())
print(f'{sys.argv[2]}: {ended} threads ended, {execs} execs, {len(tids)} tids, {again} of them again; {ledger}')
assert ended > 500 or execs > 500, 'no storm'
assert sum(ledger[what] for what in ('window', 'slots', 'evidence', 'ring_bytes')) == 0, ledger
PYTHON
}
# one process, that is another program again and again, and many that are but one for a moment
echo '[ "$1" = 0 ] || exec sh "$0" $(($1 - 1))' >"$work/again"
storm exec sh "$work/again" "$(rounds 500 20000)"
storm programs sh -c 'for n in $(seq "$1"); do /bin/true; done' - "$(rounds 500 20000)"
storm threads stress-ng --timeout "$(rounds 2 30)" --pthread 2 --pthread-max 64

# ---- the same tids again and again, each with a name of its own; two are not of one tick

for ((n = $(rounds 8 300); n > 0; n--)); do
	"$workloads/life" tid-reuse --ms 12 && "$workloads/life" pid-reuse-pidns --ms 12 || fail "life"
done >"$work/truth"
take lives
"$here/truth_lives.py" "$work/lives.json" "$work/truth" || fail "lives"
within 10 few_fds "$before" || fail "$(fds) descriptors, $before before"
nothing_lost
end_clean
exit 0
