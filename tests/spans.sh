# SPDX-License-Identifier: GPL-2.0
# spans.sh - sourced by tests of spans, behind lib.sh: the program spans, as $program, told what to do.
# shellcheck shell=bash
# shellcheck disable=SC2154

program=$work/spans
cp "$workloads/spans" "$program"
spans_pid=

start_spans() {
	coproc SPANS { exec "$program"; }
	read -r -t 10 _ spans_pid <&"${SPANS[0]}" || fail "spans does not start"
	pids+=("$spans_pid")
}

# ask_spans COMMAND…: without waiting for its end.
ask_spans() {
	echo "$*" >&"${SPANS[1]}"
}

tell() {
	local answer

	ask_spans "$@"
	read -r -t 20 answer <&"${SPANS[0]}" || fail "spans does not answer to $*"
	[[ $answer == done || $answer == ready* ]] || fail "spans said '$answer'"
}

# watches TRIGGER: its file was found, and its spans in it.
watches() {
	grep -q "trigger $1 watches" "$work/frecd.log"
}

# probes: the bytes at the first place where "order" begins, and at the first where "other" does, in
# the memory of the program that runs.
probes() {
	python3 - "$program" "$spans_pid" <<-'END'
		import re, struct, sys
		data = open(sys.argv[1], 'rb').read()
		base = None
		for line in open(f'/proc/{sys.argv[2]}/maps'):
		    fields = line.split()
		    if len(fields) > 5 and fields[5] == sys.argv[1]:
		        base = base or int(fields[0].split('-')[0], 16)
		# PIE: the first segment has the address 0
		with open(f'/proc/{sys.argv[2]}/mem', 'rb') as mem:
		    for name in (b'order', b'other'):
		        at = data.index(b'frec_begin\0' + name + b'\0')
		        mem.seek(base + struct.unpack('<Q', data[at - 24:at - 16])[0])
		        print(mem.read(1).hex(), end=' ' if name == b'order' else '\n')
	END
}

has_snapshots() {
	[ "$(snapshots "*-$2-*" | wc -l)" -ge "$1" ]
}

# explain TRIGGER: of its newest snapshot, into $work/why.json; why EXPRESSION: of that.
explain() {
	ctl explain "$(snapshots "*-$1-*" | tail -n 1)" --json >"$work/why.json" || fail "explain"
}

why() {
	json "$work/why.json" "$1"
}

# find_slices NAME: of the spans of $work/NAME.json, into $work/slices: name, id, ms, tids of begin and end.
find_slices() {
	python3 - "$work/$1.json" >"$work/slices" <<-'END'
		import json, sys
		for line in open(sys.argv[1]):
		    event = json.loads(line)
		    if event.get('phase') == 'begin' and event.get('name', '').startswith('span '):
		        args = {a['key']: a['value'] for a in event['args']}
		        print(args['span'], args.get('span_id', '-'), args['duration_ns'] // 1000000,
		              args['begin_tid'], args['tid'], 'open' if 'still_waiting' in args else '')
	END
}

# has_slice PATTERN: the name, then what else stands in the line.
has_slice() {
	grep -q "^$1 " "$work/slices"
}
