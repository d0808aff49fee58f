#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# frecctl's ways to name a snapshot, the causes in its list, its help, and names that are no UTF-8.
# May run beside others.
. "$(dirname "$0")/../lib.sh"

write_config <<-EOF
	[recorder]
	syscalls = slow
	[trigger stuck]
	kind = lock
	threshold = 300ms
	comm = deadlock
	hold = 100ms
	cooldown = 1h
EOF
start_frecd
"$workloads/deadlock" 60 >"$work/pid" &
dead=$!
pids+=("$dead")
odd=$work/$'odd-\xff\xc3-name'
cp "$(command -v sleep)" "$odd"
"$odd" 60 &
pids+=($!)
within 20 has_snapshot '*-stuck-*' || fail "the trigger does not fire"
file=$(snapshots '*-stuck-*')
name=${file##*/}

# ---- list

ctl list --json >"$work/list" || fail "list --json"
[ "$(json "$work/list" "[s['cause']['wait'] for s in d['snapshots']]")" = '["deadlock"]' ] || fail "causes: $(cat "$work/list")"
[ "$(json "$work/list" "d['snapshots'][0]['cause']['text']")" = "$(ctl explain "$file" --json | json - "d['cause']['text']")" ] ||
	fail "not the cause that explain tells: $(cat "$work/list")"
ctl list | grep -Eq "$name +deadlock deadlock/$dead$" || fail "$(ctl list)"
path=$(ctl snapshot) || fail "snapshot"
echo rubbish >"$work/spool/2026-11-22T00-00-00Z-manual.pftrace"
[ "$(ctl list --json | json - "[bool(s['cause']) for s in d['snapshots']]")" = '[false, true, false]' ] ||
	fail "causes of others: $(ctl list --json)"

# ---- by name, by stdin, by path

want=$(ctl explain "$file") || fail "by path"
[ "$(cd / && ctl explain "$name")" = "$want" ] || fail "by name"
mkdir "$work/empty"
for how in "<$file" "< <(cat '$file')"; do
	eval "ctl explain - $how" >"$work/out" || fail "explain - $how"
	[ "$(head -n -1 "$work/out")" = "$(head -n -1 <<<"$want")" ] || fail "explain - $how: $(cat "$work/out")"
	grep -q '^snapshot  *standard input$' "$work/out" || fail "$(tail -1 "$work/out")"
	eval "ctl export - --format folded $how" | cmp - <(ctl export "$file" --format folded) || fail "export - $how"
done
cd "$work/empty" || fail "cd"
ctl explain none.pftrace 2>"$work/out" && fail "explains nothing"
[ "$(cat "$work/out")" = "frecctl: none.pftrace: no such file, neither here nor as $work/spool/none.pftrace" ] || fail "$(cat "$work/out")"
ctl explain none 2>"$work/out" && fail "explains nothing"
[ "$(cat "$work/out")" = "frecctl: none: No such file or directory" ] || fail "$(cat "$work/out")"
ctl explain - </dev/null 2>"$work/out" && fail "explains an empty input"
grep -q '^frecctl: standard input: ' "$work/out" || fail "$(cat "$work/out")"

# ---- whatever names are made of, JSON is UTF-8

for format in "export $path --format json" "explain $path --json" "list --json"; do
	# shellcheck disable=SC2086
	ctl $format >"$work/out" || fail "$format"
	iconv -f UTF-8 -t UTF-8 "$work/out" >/dev/null || fail "$format: not UTF-8"
done
ctl export "$path" --format json | python3 -c 'import json, sys
names = [a for e in map(json.loads, sys.stdin) if e["type"] == "process" for a in e["argv"] if "odd-" in a]
assert names and all(a.endswith("odd-\ufffd\ufffd-name") for a in names), names' || fail "the odd name"

# ---- help, status

[ "$(ctl help list)" = "$(ctl list --help)" ] && [ "$(ctl help)" = "$(ctl --help)" ] || fail "help"
ctl help nothing 2>"$work/out"
[ $? = 2 ] && grep -q "unknown verb 'nothing'" "$work/out" || fail "help of nothing: $(cat "$work/out")"
recent() {
	[ "$(status "0 < d['overhead']['recent']['ns'] < 70e9 and d['overhead']['recent']['daemon_share'] > 0")" = true ]
}
within 5 recent || fail "overhead: $(status "d['overhead']")"
# text is of all CPUs, so that it adds up; JSON has frecd's share of one
shown=$(ctl status | sed -n 's/^ .* % + \([0-9.]*\) % since the start$/\1/p')
[ "$(status "abs(100 * d['overhead']['daemon_share'] / len(d['window']['per_cpu']) - ${shown:-0}) < 0.1 * ${shown:-0}")" = true ] ||
	fail "overhead: $shown: $(status "d['overhead']")"
ctl status | grep -Eq '^overhead +[0-9.]+ % in the kernel \+ [0-9.]+ % frecd of all CPUs over the last [0-9.]+ m?s' || fail "$(ctl status)"

# ---- without a recorder: files are read by their path

stop_frecd || fail "frecd ended with $?"
for verb in list explain "explain $name" status; do
	# shellcheck disable=SC2086
	ctl $verb >/dev/null 2>"$work/out" && fail "$verb without a recorder"
	grep -q '^frecctl: no recorder at ' "$work/out" || fail "$verb: $(cat "$work/out")"
	[ "$verb" = status ] || grep -q 'read without it by its path: frecctl explain FILE$' "$work/out" ||
		fail "$verb: $(cat "$work/out")"
done
grep -q 'explain FILE' "$work/out" && fail "status: $(cat "$work/out")"
ctl explain "$file" | grep -q '^deadlock' || fail "by its path: $(ctl explain "$file")"
exit 0
