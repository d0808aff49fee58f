#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Stacks of programs below a chroot, from before or after it, of one that brings all its code, and of
# 32-bit system calls; one that is deeper than what is copied says so.
. "$(dirname "$0")/../lib.sh"

command -v cc >/dev/null || skip "needs a C compiler (make deps)"
cat >"$work/naps.c" <<-'END'
	#include <stdlib.h>
	#include <string.h>
	#include <unistd.h>
	static void __attribute__((noipa)) nap(void) { usleep(30000); __asm__(""); }
	static void __attribute__((noipa)) deep(int n)
	{
	        volatile char room[400];

	        memset((char *)room, n, sizeof(room));
	        n ? deep(n - 1) : nap();
	        room[0]++;
	}
	/* naps DEPTH [ROOT] */
	int main(int argc, char **argv)
	{
	        int depth = argc > 1 ? atoi(argv[1]) : 0;

	        if (argc > 2 && chroot(argv[2]))
	                return 1;
	        for (;;)
	                deep(depth);
	}
END
flags=(-O2 -fomit-frame-pointer -w)
cc "${flags[@]}" -o "$work/naps" "$work/naps.c" && cc "${flags[@]}" -static-pie -o "$work/naps-static" "$work/naps.c" ||
	fail "cc"
mkdir -p "$work/jail/tmp" "$work/empty"
cp "$work/naps" "$work/jail/naps"
for library in $(ldd "$work/naps" | grep -o '/[^ ]*'); do
	mkdir -p "$work/jail$(dirname "$library")"
	cp "$library" "$work/jail$library"
done

write_quiet_config "window = 5s" "evidence = 64M"
start_frecd
chroot "$work/jail" /naps 2 &
inside=$!
"$work/naps" 2 "$work/empty" &
after=$!
"$work/naps-static" 2 &
static=$!
"$work/naps" 200 &
deep=$!
pids+=("$inside" "$after" "$static" "$deep")
"$workloads/compat" --count 40 --ms 30 >"$work/compat" &
compat=$!
pids+=("$compat")

# what is wanted of each, and the other waits are none of it
seen() {
	take programs || return
	python3 - "$work/programs.json" "$inside" "$after" "$static" "$deep" "$compat" 2>"$work/why" <<-'END'
		import json, sys
		inside, after, static, deep, compat = map(int, sys.argv[2:])
		events = [json.loads(line) for line in open(sys.argv[1], errors='replace')]
		tgids = {e['uuid']: e.get('tgid') for e in events if e['type'] == 'track'}
		waits = {}
		for e in events:
		    if e['type'] == 'slice' and e['phase'] == 'begin' and e['name'].startswith('wait: '):
		        args = {a['key']: a.get('value') for a in e.get('args', [])}
		        stack = [f.get('function') for f in e.get('stack', []) if f['kind'] != 'kernel']
		        if stack: # the budget may have refused others
		            waits.setdefault(tgids.get(e['track']), []).append((stack, args.get('stack_cut')))
		for pid in inside, after, static:
		    assert any({'nap', 'deep', 'main'} <= set(s) and not cut for s, cut in waits.get(pid, [])), \
		        (pid, waits.get(pid, [])[:3])
		naps = [(s, cut) for s, cut in waits.get(deep, []) if 'nap' in s]
		assert naps and all(cut and s.count('deep') > 10 and 'main' not in s for s, cut in naps), naps[:3]
		assert waits.get(compat), 'no stack of a 32-bit system call'
	END
}
within 25 seen || fail "stacks: $(cat "$work/why")"

# with no evidence to spare, stacks are refused, and the status tells how many of what was refused
stop_frecd || fail "frecd ended with $?"
write_quiet_config "window = 60s" "evidence = 1M"
start_frecd
for _ in 1 2 3 4 5 6; do
	"$work/naps" 50 &
	pids+=($!)
done
refused() {
	[ "$(status "0 < d['events']['refused_stacks'] <= d['events']['refused']")" = true ]
}
within 20 refused || fail "refused: $(status "d['events']")"
