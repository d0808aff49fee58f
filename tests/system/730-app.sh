#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Programs that say themselves that something took too long: by frec.h in C and C++, and by a few lines
# of Python; nothing happens without a recorder, or when somebody else's trigger is meant.
. "$(dirname "$0")/../lib.sh"

root=$(cd "$(dirname "$0")/../.." && pwd)
CC=${CC:-gcc}
CXX=${CXX:-g++}

cat >"$work/slow.c" <<-'EOF'
	#include <frec/frec.h>

	/* slow NAME MS since|worst [TEXT]; its status: does a recorder run? */
	int main(int argc, char **argv)
	{
		uint64_t begin = frec_now();
		struct timespec nap = { 0, 1000000L * strtol(argv[2], NULL, 10) };

		nanosleep(&nap, NULL);
		errno = 4711;
		if (argv[3][0] == 's')
			frec_trigger_since(argv[1], begin, "%s", argc > 4 ? argv[4] : "");
		else
			frec_trigger(argv[1], "%s", argc > 4 ? argv[4] : "");
		return frec_enabled() + (errno == 4711 ? 0 : 70);
	}
EOF
for standard in c99 c11; do
	"$CC" -std=$standard -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror \
		-I"$root/include" -o "$work/slow" "$work/slow.c" || fail "frec.h as $standard"
done
echo '#include <frec/frec.h>' >"$work/alone.c"
"$CC" -std=c99 -Wall -Wextra -Wpedantic -Werror -I"$root/include" -c -o "$work/alone.o" "$work/alone.c" ||
	fail "frec.h in strict C99"
cp "$work/slow.c" "$work/slow.cc"
"$CXX" -std=c++11 -Wall -Wextra -Wpedantic -Werror -I"$root/include" -o "$work/slow++" "$work/slow.cc" ||
	fail "frec.h in C++"

# ---- without a recorder: nothing

export FREC_RUN_DIRECTORY=$work/run
says() { # STATUS PROGRAM …
	local wanted=$1

	shift
	"$@"
	[ $? = "$wanted" ] || fail "$*: want status $wanted"
}
says 0 "$work/slow" mine 1 since
mkdir "$work/run"
python3 - "$work/run/trigger.sock" <<-'EOF' # of one that died
	import socket, sys
	socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind(sys.argv[1])
EOF
says 0 "$work/slow" mine 1 since

write_config <<-EOF
	[trigger mine]
	kind = app
	comm = slow*
	cooldown = 0
	post = 0

	[trigger python]
	kind = app
	uid = 12345
	cooldown = 0
	post = 0

	[trigger wrong-unit]
	kind = app
	unit = no-such.service
EOF
start_frecd
[ "$(stat -c %a "$work/run/trigger.sock")" = 666 ] || fail "mode of the socket"

# ---- it fires, for what it says

explain() { # NAME EXPRESSION: of the only snapshot of this trigger, which goes
	within 10 has_snapshot "*-$1-*" || fail "no snapshot of $1: $(ctl status)"
	ctl explain "$(snapshots "*-$1-*")" --json >"$work/explain.json" || fail "explain"
	[ "$(json "$work/explain.json" "$2")" = true ] || fail "$2: $(cat "$work/explain.json")"
	ctl explain "$(snapshots "*-$1-*")" >"$work/explain.txt"
	rm "$work"/spool/*
}
app="d['trigger']['kind'] == 'app' and d['subject']['tid'] == d['trigger']['tid']"
slept="$app and any(p['wait'] == 'sleep' and p['ns'] > 100e6 for p in d['subject']['parts'])"
for program in slow slow++; do
	"$work/$program" mine 120 since $'late\e[1m \xff order' &
	pid=$!
	says 1 wait $pid
	explain mine "$slept and d['trigger']['pid'] == $pid and d['trigger']['comm'] == '$program'"
	[ "$(json "$work/explain.json" "d['trigger']['text']")" = 'late?[1m ? order' ] || fail "text"
	grep -q 'says: late?' "$work/explain.txt" || fail "explain: $(cat "$work/explain.txt")"
	grep -q "trigger mine: .*says 'late?.1m ? order'" "$work/frecd.log" || fail "log"
done
says 1 "$work/slow" mine 150 worst
explain mine "$app and any(g['wait'] == 'sleep' and g['longest_ns'] > 100e6 for g in d['groups'])"

# ---- without any library, by a user whom the trigger is for

cp "$root/tests/workloads/trigger.py" "$work"
python=$(PATH=/usr/bin:/bin command -v python3) || python=$(command -v python3)
setpriv --reuid 12345 --regid 12345 --clear-groups "$python" "$work/trigger.py" python "from python" || fail "python"
explain python "d['trigger']['text'] == 'from python' and d['trigger']['comm'].startswith('python')"

# ---- and by nobody else

"$python" "$work/trigger.py" python
"$python" "$work/trigger.py" mine
says 1 "$work/slow" wrong-unit 1 worst
says 1 "$work/slow" no-such 1 worst
python3 - "$work/run/trigger.sock" <<-'EOF' || fail "rubbish"
	import os, socket, struct, sys, time
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	def send(magic=0x63657266, version=1, kind=1, begin=0, tid=os.getpid(), name=b'mine', text=b'', more=b''):
	    time.sleep(0.1)  # slower than what counts as a flood
	    s.sendto(struct.pack('=IHHQIHH', magic, version, kind, begin, tid, len(name), len(text)) + name + text + more,
	             sys.argv[1])
	s.sendto(b'x', sys.argv[1])
	send(magic=1), send(version=2), send(kind=9), send(name=b''), send(name=b'a b'), send(name=b'x' * 64)
	send(more=b'x'), send(text=b'\0'), send(begin=1 << 63), send(tid=0), send(tid=1 << 31)
	send(tid=1)  # of another process
EOF
counted() {
	[ "$(status "[d['app'][c] for c in ('malformed', 'unknown', 'filtered', 'strangers', 'flood')]")" = '[12, 1, 3, 1, 0]' ]
}
within 5 counted || fail "counts: $(status "d['app']")"
ctl status | grep -q 'programs .* malformed' || fail "frecctl status"
[ "$(snapshots | wc -l)" = 0 ] || fail "fired for others"

# ---- tidied away, it comes back; after the end it is gone

rm "$work/run/trigger.sock"
within 5 test -S "$work/run/trigger.sock" || fail "no new socket"
says 1 "$work/slow" mine 110 since
explain mine "$slept"
ctl fire mine 'a test' >/dev/null || fail "fire"
[ "$(ctl explain --json | json - "d['attributes']['frec.fire.text']")" = 'a test' ] || fail "text of fire"
stop_frecd || fail "frecd ended with $?"
[ ! -e "$work/run/trigger.sock" ] || fail "the socket was left behind"
exit 0
