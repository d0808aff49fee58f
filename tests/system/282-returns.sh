#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Mode slow: short sleeps of one call are one wait, those of two calls are two, whoever computes in
# between; of threads that are registered for rseq(2) and of others.
. "$(dirname "$0")/../lib.sh"

cat >"$work/calls.py" <<'END'
import os, socket, sys, time
left, right = socket.socketpair()
if not os.fork(): # each pause is shorter than what is recorded
    for _ in range(200):
        time.sleep(0.0004)
        left.send(b'x')
    for _ in range(20):
        time.sleep(0.021)
        left.send(b'x')
    os._exit(0)
for _ in range(5):
    right.recv(40, socket.MSG_WAITALL)
longest = 0
for _ in range(20):
    begin = time.monotonic()
    while time.monotonic() < begin + 0.02:
        pass
    begin = time.monotonic_ns()
    right.recv(1)
    longest = max(longest, time.monotonic_ns() - begin)
print(os.getpid(), longest)
END

# calls NAME [VAR=VALUE]: what the snapshot tells of the calls
calls() {
	local name=$1 pid longest
	shift
	write_quiet_config "window = 20s" "syscalls = slow" "slow_syscall = 2ms"
	start_frecd
	read -r pid longest < <(env "$@" python3 "$work/calls.py")
	[ "$longest" ] || fail "calls"
	take "$name"
	stop_frecd
	python3 - "$work/$name.json" "$pid" "$longest" <<-'END' || fail "$name"
		import json, sys
		pid, longest, begins, calls = int(sys.argv[2]), int(sys.argv[3]), {}, []
		for event in (json.loads(line) for line in open(sys.argv[1])):
		    if event.get('tid') != pid or event.get('nr') != 45: # recvfrom
		        continue
		    if event['type'] == 'sys_enter':
		        begins[pid] = event['ts']
		    elif event['type'] == 'sys_exit' and pid in begins:
		        calls.append((event['ts'] - begins.pop(pid), event['ret']))
		many = [ns for ns, ret in calls if ret == 40]
		one = [ns for ns, ret in calls if ret != 40]
		print(f'of many sleeps: {[ns // 1000 for ns in many]} us; of one: {[ns // 1000 for ns in one]} us, '
		      f'the longest took {longest // 1000} us')
		assert len(many) == 5 and min(many) > 12e6 and max(one, default=0) < longest + 1e6
	END
}

calls registered
calls unregistered GLIBC_TUNABLES=glibc.pthread.rseq=0
