#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What stands in the way of spans is said once, and looked for again: no such file, no such span, a
# return that cannot be probed. A reload adds and removes; another program in the place of the old one.
# May run beside others.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../spans.sh"

rm "$program" # for now
said() {
	grep -q "$1" "$work/frecd.log"
}

# configure LINE…: one trigger, slow-order, with these lines.
configure() {
	printf '%s\n' "[trigger slow-order]" "kind = span" "threshold = 200ms" "cooldown = 0" \
		"max_per_hour = 0" "exe = $program" "$@" | write_config
}

configure "span = order"
start_frecd
within 10 said "trigger slow-order cannot fire: $program: No such file or directory; it is looked for again" ||
	fail "a missing file is not said"
status "d['warnings']" | grep -q 'slow-order cannot fire' || fail "status does not say it"
echo "no program" >"$program"
within 10 said "$program: it is no ELF file" || fail "a text is not said to be none"
cp "$(command -v cat)" "$program"
within 10 said "$program has no probe of span order" || fail "a missing span is not said"
rm "$program" # not over it: that one may be running
cp "$workloads/spans" "$program"
within 10 watches slow-order || fail "not attached when it was there: $(cat "$work/frecd.log")"
[ "$(grep -c 'No such file' "$work/frecd.log")" -le 2 ] || fail "said again and again: $(cat "$work/frecd.log")"
status "[w for w in d['warnings'] if 'slow-order' in w]" | grep -q '\[\]' || fail "status still says it"

start_spans
tell sleeper 300
within 10 has_snapshots 1 slow-order || fail "no snapshot"
rm "$program" # replaced: the old one still runs
sed 's/never ends/NEVER ENDS/' "$workloads/spans" >"$program"
chmod 755 "$program"
within 10 bash -c "[ \$(grep -c 'watches 1 spans' '$work/frecd.log') = 2 ]" || fail "the new program is not watched"
tell sleeper 300
within 10 has_snapshots 2 slow-order || fail "no snapshot of the program that was replaced"
echo >&"${SPANS[1]}"
exec {SPANS[1]}>&-
wait "$spans_pid"
start_spans
tell sleeper 300
within 10 has_snapshots 3 slow-order || fail "no snapshot of the new program"

configure "begin = work_begin" "end = work_ends"
reload
within 10 said "$program has no function work_ends" || fail "a missing function is not said"
tell sleeper 300
configure "span = o*r"
reload
within 10 bash -c "[ \$(grep -c 'watches 2 spans' '$work/frecd.log') = 1 ]" || fail "not watched after a reload"
tell other 300
within 10 has_snapshots 4 slow-order || fail "no snapshot after the reload"
[ "$(trigger slow-order fired)" = 4 ] || fail "fired $(trigger slow-order fired) times"
configure "span = order" "span = order2"
kill -HUP "$frecd_pid"
within 10 said 'what was in force stays' || fail "a wrong configuration is taken"
tell other 300
within 10 has_snapshots 5 slow-order || fail "a wrong configuration changed something"

# where returns cannot be probed
cat >"$work/t.cc" <<-'END'
	#include <stdexcept>
	extern "C" __attribute__((noinline)) int work(int n) { if (n > 2) throw std::runtime_error("x"); return n; }
	int main(int argc, char **) { try { return work(argc); } catch (...) { return 9; } }
END
printf 'package main\n\n//go:noinline\nfunc work(n int) int { return n }\n\nfunc main() { println(work(1)) }\n' >"$work/t.go"
missing=
for compiler in g++ go; do
	program=$work/by-$compiler
	case $compiler in
	g++)
		g++ -O1 -o "$program" "$work/t.cc" 2>/dev/null || { missing+=" $compiler"; continue; }
		symbol=work why='unwinds its stacks for exceptions: no return can be probed; name an `end`'
		;;
	go)
		(cd "$work" && HOME=$work GO111MODULE=off timeout 60 go build -o "$program" t.go) 2>/dev/null ||
			{ missing+=" $compiler"; continue; }
		symbol=main.work why='is of Go, whose stacks move: no return can be probed; name an `end`'
		;;
	esac
	configure "begin = $symbol"
	reload
	within 10 said "$program $why" || fail "a return in $compiler's program: $(tail -n 3 "$work/frecd.log")"
	configure "begin = $symbol" "end = $([ $compiler = go ] && echo main.main || echo main)"
	reload
	within 10 said "watches 1 spans at 2 places in $program" || fail "functions in $compiler's program"
done
[ -z "$missing" ] || skip "all that could be tested is good; missing here:$missing"
