#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A fork bomb in a cgroup that holds it in: it is recorded, snapshots are written meanwhile, and nothing
# of it is lost unsaid.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../torture.sh"

# Both hierarchies of cgroup v1, or the one of v2 where it has both controllers.
groups=()
make_group() { # HIERARCHY
	mkdir "$1/frec-bomb-$$" 2>/dev/null || skip "cannot make a cgroup in $1"
	groups+=("$1/frec-bomb-$$")
}
defuse() {
	local pid group

	for group in "${groups[@]}"; do
		[ ! -e "$group/pids.max" ] || echo 1 >"$group/pids.max" # no more forks: so each is found
	done
	for group in "${groups[@]}"; do
		for pid in $(cat "$group/cgroup.procs"); do
			kill -KILL "$pid" 2>/dev/null
		done
	done
	for group in "${groups[@]}"; do
		within 10 rmdir "$group"
	done
	groups=()
	cleanup
}
v1() { # CONTROLLER
	awk -v c="$1" '$3 == "cgroup" && $4 ~ "(^|,)" c "(,|$)" { print $2; exit }' /proc/self/mounts
}
v2=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
trap defuse EXIT
if [ -n "$(v1 pids)" ] && [ -n "$(v1 cpu)" ]; then
	make_group "$(v1 pids)"
	make_group "$(v1 cpu)"
	echo 50000 >"${groups[1]}/cpu.cfs_quota_us" || skip "cannot limit the CPU of a cgroup"
elif [ -n "$v2" ] && grep -qw pids "$v2/cgroup.subtree_control" && grep -qw cpu "$v2/cgroup.subtree_control"; then
	make_group "$v2"
	echo "50000 100000" >"${groups[0]}/cpu.max" || skip "cannot limit the CPU of a cgroup"
else
	skip "no cgroup that limits both processes and CPU"
fi
echo 200 >"${groups[0]}/pids.max" || skip "cannot limit the processes of a cgroup"

write_quiet_config "window = 5s"
start_frecd
before=$(fds)
# sh, as bash waits for some time when it cannot fork
# shellcheck disable=SC2016
sh -c 'for group; do echo $$ >"$group/cgroup.procs" || exit; done
bomb() { while :; do bomb & done; }
bomb' bomb "${groups[@]}" 2>/dev/null &
is_full() {
	[ "$(cat "${groups[0]}/pids.current")" -ge 190 ]
}
within 20 is_full || fail "no bomb: $(cat "${groups[0]}/pids.current") processes"
for ((n = $(rounds 2 20); n > 0; n--)); do
	ctl snapshot >/dev/null || fail "no snapshot beside a fork bomb"
done
take bomb
nothing_lost
python3 - "$work/bomb.json" <<'PYTHON' || fail "the snapshot"
import json, sys
tids, nameless, ledger = set(), set(), {}
for line in open(sys.argv[1], errors='replace'):
    e = json.loads(line)
    if e['type'] == 'attribute' and e['key'].startswith('frec.ledger.unexplained.'):
        ledger[e['key'].split('.')[3]] = int(e['value'])
    elif e['type'] == 'switch':
        for side in 'prev', 'next':
            tids.add(e[side + '_tid'])
            if e[side + '_comm'] == '?':
                nameless.add(e[side + '_tid'])
print(len(tids), 'tids,', len(nameless), 'without a name;', ledger)
assert len(tids) > 190
assert len(nameless) < len(tids) / 100 + 1, nameless
assert sum(ledger[what] for what in ('window', 'slots', 'evidence', 'ring_bytes')) == 0, ledger
PYTHON
within 10 few_fds "$before" || fail "$(fds) descriptors, $before before"
end_clean
exit 0
