#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A program that unmaps its stack, has names of control characters and 4 KiB of command line, in user,
# mount and pid namespaces of its own, where a pipe that nobody writes to lies in the place of its file:
# its waits fire, snapshots are written and read, and nothing of it acts on a terminal.
# May run beside others.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../torture.sh"

write_config <<-EOF2
	[recorder]
	window = 5s
	stacks = 1ms
	[trigger ours]
	kind = offcpu
	threshold = 100ms
	comm = evil*
	cooldown = 0
	max_per_hour = 0
	post = 300ms
EOF2
mkdir "$work/in"
cp "$workloads/hostile" "$work/in/hostile"
chmod 755 "$work/in/hostile"
start_frecd
before=$(fds)
long=$(printf '\e[31m%04096d' 7)
"$work/in/hostile" --ms 200 $'\e[31m\n\x9b' "$long" >/dev/null &
plain=$!
wait $plain || fail "hostile ended with $?"
within 20 has_snapshot '*-ours-*' || fail "nothing fired: $(ctl triggers)"

cat >"$work/inner.sh" <<'EOF2'
exec 7<"$1/in/hostile"
mount -t tmpfs none "$1/in" && mkfifo "$1/in/hostile" || exit
exec /proc/self/fd/7 --ms 250 "$2"
EOF2
inner=(setpriv --reuid 12345 --regid 12345 --clear-groups
	unshare --user --map-root-user --pid --fork --mount --mount-proc)
wanted=4
if "${inner[@]}" mount -t tmpfs none "$work/in" 2>"$work/inner"; then
	"${inner[@]}" bash "$work/inner.sh" "$work" "$long" >"$work/inner" 2>&1 || fail "in namespaces: $(cat "$work/inner")"
	wanted=8
else
	echo "no namespaces for users here, not tested: $(cat "$work/inner")"
fi
fired() {
	[ "$(status "[t['fired'] + t['merged'] + t['suppressed'] for t in d['triggers'] if t['name'] == 'ours'][0]")" -ge $wanted ]
}
within 10 fired || fail "not all of them fired: $(ctl triggers)"
take all
take one --pid $plain
{
	for path in $(snapshots) "$work"/*.pftrace; do
		ctl explain "$path" && ctl export "$path" --format folded || fail "of $path"
	done
	ctl list && ctl status && ctl triggers || fail "frecctl"
	cat "$work/frecd.log"
} >"$work/text"
python3 - "$work" $wanted <<'PYTHON' || fail "what is told of it"
import json, os, sys
work, wanted = sys.argv[1], int(sys.argv[2])
for line in open(work + '/text', 'rb').read().decode(errors='surrogateescape').split('\n'):
    acts = [c for c in line if ord(c) < 32 and c != '\t' or 0x7f <= ord(c) < 0xa0 or c == '\u202e' or 0xdc00 <= ord(c) < 0xe000]
    assert not acts, repr(line)
for name in os.listdir(work + '/spool'):
    assert name.isascii() and name.isprintable() and ' ' not in name, name
names, argv, tids = set(), {}, {}
for line in open(work + '/all.json', errors='replace'):
    e = json.loads(line)
    if e['type'] == 'thread':
        names.add(e['name'])
        tids[e['tid']] = e
    if e['type'] == 'process' and e.get('argv'):
        argv[e['pid']] = e['argv']
assert any(n.startswith('evil-stackless') for n in names), names
print([n for n in names if n.startswith('evil')], [len(' '.join(v)) for v in argv.values() if '--ms' in v])
mine = [e for e in tids.values() if e['name'].startswith('evil') and e.get('nstid') not in (None, 0, e['tid'])]
assert mine or wanted == 4, 'none of the inner pid namespace'
PYTHON
within 10 few_fds "$before" || fail "$(fds) descriptors, $before before"
nothing_lost
end_clean
exit 0
