#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What frecctl why says of processes that are stopped, traced, dead, or none; of a window that is
# shorter than asked for; and of a spool that takes no file.
. "$(dirname "$0")/../lib.sh"

write_quiet_config
sleep 60 &
stopped_before=$!
pids+=("$stopped_before")
kill -STOP "$stopped_before"
start_frecd
in_state() { # PID LETTER
	grep -q "^State:[[:space:]]*$2" "/proc/$1/status"
}
cause() { # PID [OPTION…]: what why says of this process, in one line
	local pid=$1

	shift
	ctl why --pid "$pid" --json "$@" >"$work/why" || fail "why --pid $pid $*"
	json "$work/why" "d.get('cause', {}).get('text')"
}
says() { # WHAT PATTERN
	grep -Eq -- "$2" <<<"$1" || fail "'$1' is not '$2'"
}

# ---- stopped: since when, by whom, and what helps

sleep 60 &
sleeper=$!
pids+=("$sleeper")
within 5 in_state "$sleeper" S || fail "does not sleep"
sleep 0.1 # so long that its sleep counts
sh -c "kill -STOP $sleeper; exec sleep 60" &
killer=$!
pids+=("$killer")
within 5 in_state "$sleeper" T || fail "is not stopped"
sleep 1.2
says "$(cause "$sleeper" --last 500ms)" "^sleep \(tid $sleeper\) was stopped for [1-9][0-9.]* s, and still is, by a signal"
text=$(cause "$sleeper")
says "$text" "by a signal that [^ ]+ \(tid $killer\) sent; .kill -CONT $sleeper. lets it go on$"
says "$(cause "$stopped_before")" "was stopped for at least [0-9.]+ s, and still is, by a signal; who sent it is not recorded"
kill -CONT "$sleeper"

sleep 60 &
traced=$!
python3 - "$traced" >"$work/tracer" <<'END' &
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
pid = int(sys.argv[1])
if libc.ptrace(0x4206, pid, None, None):  # PTRACE_SEIZE
    sys.exit(os.strerror(ctypes.get_errno()))
libc.ptrace(0x4207, pid, None, None)  # PTRACE_INTERRUPT
print("traces", flush=True)
time.sleep(60)
END
tracer=$!
pids+=("$tracer" "$traced") # in this order: who is traced does not end
within 10 grep -q traces "$work/tracer" || fail "cannot trace"
within 5 in_state "$traced" t || fail "is not stopped by its tracer"
sleep 0.3 # longer than it has slept before
says "$(cause "$traced" --last 200ms)" "was stopped for .*, and still is, by its tracer, python3[^ ]* \(tid $tracer\)$"

# ---- ended: that, and how

ended() { # PID: how
	cause "$1" >/dev/null
	json "$work/why" "(d.get('ended') or {}).get('text')"
}
sh -c 'sleep 0.2; exit 3' &
dead=$!
wait $dead
says "$(ended $dead)" '^exited with 3$'
ctl why --pid $dead | head -1 | grep -Eq "^sh \(pid $dead\) exited with 3; that was .* before the snapshot$" ||
	fail "in words: $(ctl why --pid $dead)"
sleep 60 &
dead=$!
within 5 in_state $dead S || fail "does not sleep"
kill -KILL $dead
wait $dead 2>/dev/null
says "$(ended $dead)" '^was killed by SIGKILL \(who sent it is recorded only with a trigger of kind exit\)$'
sleep 0.2 &
dead=$!
wait $dead
says "$(ended $dead)" '^exited with 0$'
says "$(ended "$killer")" '^None$'

# ---- of many that are called the same: which

python3 -c 'import time; print("yes", flush=True); time.sleep(60)' $'\e[31m' "$(printf '%0300d' 7)" >"$work/runs" &
python=$!
pids+=("$python")
within 10 grep -q yes "$work/runs" || fail "python3 does not run"
within 5 in_state "$python" S || fail "does not sleep"
sleep 0.1
cause "$python" >/dev/null
says "$(json "$work/why" "d['commands'][0]")" "^[{]\"pid\": $python, \"command\": .*python3.* -c import time; .* \?\[31m 0{299}7\""
ctl why --pid "$python" >"$work/out" || fail "why"
grep -Eq "^command    $python: [^ ]*python3[^ ]* -c import time; .*…$" "$work/out" || fail "in words: $(cat "$work/out")"
[ "$(grep '^command' "$work/out" | LC_ALL=C.UTF-8 wc -m)" = 101 ] || fail "not cut: $(cat "$work/out")"

# ---- not there, or not so

refused() { # PATTERN OPTION…
	local pattern=$1

	shift
	ctl why "$@" >"$work/out" 2>&1 && fail "why $*: $(cat "$work/out")"
	grep -Eq -- "$pattern" "$work/out" || fail "why $*: $(cat "$work/out")"
}
"$workloads/deadlock" 60 >"$work/pid" &
locked=$!
pids+=("$locked")
has_threads() {
	[ "$(find "/proc/$locked/task" -mindepth 1 -maxdepth 1 | wc -l)" -gt 1 ]
}
within 5 has_threads || fail "no threads"
tid=$(find "/proc/$locked/task" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -n | tail -1)
refused "no snapshot: $tid is a thread of process $locked: --pid $locked$" --pid "$tid"
refused 'no process of this number lives' --pid 4194304
ctl why --pid 1 >/dev/null 2>"$work/out" ||
	grep -q 'process 1 lives, but the kernel does not show it to the recorder' "$work/out" || fail "$(cat "$work/out")"
ctl why --pid 1 --unit init.scope 2>"$work/out"
[ $? = 2 ] || fail "--pid with --unit: $?"
grep -q -- "--pid and --unit cannot go together" "$work/out" || fail "$(cat "$work/out")"
ctl why --pid "$locked" --last 1h 2>"$work/out" >/dev/null || fail "--last 1h"
grep -q 'warning: --last 1 h: no more than .* is held' "$work/out" || fail "a short window is not said: $(cat "$work/out")"
ctl snapshot --last 100ms 2>"$work/out" >/dev/null || fail "--last 100ms"
[ ! -s "$work/out" ] || fail "$(cat "$work/out")"

# ---- no spool: explained all the same

mv "$work/spool" "$work/kept"
sed -i "s,^directory = .*,directory = $work/none/spool," "$work/frec.conf"
kill -HUP "$frecd_pid"
has_no_spool() {
	ctl status | grep -q "none/spool: the directory that it should be in does not exist: create that"
}
within 5 has_no_spool || fail "status does not say why: $(ctl status)"
ctl snapshot >/dev/null 2>&1 && fail "a snapshot into no spool"
ctl why --pid "$locked" >"$work/out" 2>"$work/err" || fail "why without a spool: $(cat "$work/err")"
grep -q '^frecctl: warning: no file is kept: cannot write a snapshot to .*none/spool' "$work/err" || fail "$(cat "$work/err")"
grep -q '^deadlock: ' "$work/out" && grep -q '^snapshot  *not kept' "$work/out" || fail "$(cat "$work/out")"
ctl why --pid "$locked" --json 2>/dev/null | json - "d['cause']['wait']" | grep -q deadlock || fail "--json without a spool"
stop_frecd || fail "frecd ended with $?"
exit 0
