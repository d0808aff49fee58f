#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Snapshots that users ask for: only where that is configured, only of what they may look into, and
# with nothing in it of anybody else.
. "$(dirname "$0")/../lib.sh"

root=$(cd "$(dirname "$0")/../.." && pwd)
export FREC_RUN_DIRECTORY=$work/run
user=12345
become_user() {
	exec setpriv --reuid $user --regid $user --clear-groups --no-new-privs "$@"
}
as_user() {
	(become_user "$@")
}
python=$(PATH=/usr/bin:/bin command -v python3) || skip "needs a python3 that every user may run"
cp "$root/tests/workloads/ask.py" "$workloads/waits" "$workloads/idle" "$work"
cat >"$work/own.c" <<-'EOF'
	#include <fcntl.h>
	#include <pthread.h>
	#include <frec/frec.h>

	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

	static void *holder(void *unused)
	{
		struct timespec nap = { 0, 200000000 };

		pthread_mutex_lock(&mutex);
		nanosleep(&nap, NULL);
		pthread_mutex_unlock(&mutex);
		return unused;
	}

	/* own FILE: waits for its own lock, for its input, then for a snapshot of itself */
	int main(int argc, char **argv)
	{
		struct timespec nap = { 0, 50000000 };
		int fd = open(argv[argc - 1], O_CREAT | O_WRONLY, 0600), error;
		pthread_t thread;
		char why[1];

		pthread_create(&thread, NULL, holder, NULL);
		nanosleep(&nap, NULL);
		pthread_mutex_lock(&mutex);
		if (read(0, why, 1) < 0)
			return 70;
		error = frec_snapshot_fd(fd);
		if (error)
			printf("%s\n", strerror(-error));
		return error != 0;
	}
EOF
gcc -O1 -g -Wall -I"$root/include" -pthread -o "$work/own" "$work/own.c" || fail "own.c"
mkdir -m 777 "$work/out"

# ---- without a recorder, and where it is not configured

[ "$(as_user "$work/own" "$work/out/none" </dev/null)" = "No such file or directory" ] || fail "without a recorder"
config() { # LINE
	printf '%s\n' "[snapshots]" "$1" "[trigger never]" "kind = lock" "threshold = 4s" "comm = nobody-has-this" |
		write_config
}
config ""
start_frecd
why() { # COMMAND…: what ask.py says
	"$@" 2>&1 >"$work/out/not" | tail -n 1
}
want() { # WORDS COMMAND…: fails for this reason
	local words=$1 said

	shift
	said=$(why "$@")
	[[ $said == *"$words"* && $said == ask:* ]] || fail "$*: want '$words', got '$said'"
	[ ! -s "$work/out/not" ] || fail "$*: something was written"
}
want "user_snapshots = no" as_user "$python" "$work/ask.py"
[ "$(as_user "$work/own" "$work/out/no" </dev/null)" = "Permission denied" ] || fail "not configured: own"
"$python" "$work/ask.py" >"$work/out/root" || fail "root's own, where it is not configured"
config "user_snapshots = yes"
reload

# ---- its own

secret=secret-$$-of-another
cp "$work/idle" "$work/$secret"
"$work/$secret" --seconds 300 >/dev/null &
other=$!
pids+=($other)
(exec -a "$secret-argument" "$work/waits" lock --ms 1s >/dev/null) &
cp "$(command -v tee)" "$work/$secret-tee"
# until long after the lock is there another one has to be waited for
{ sleep 0.5; echo; } | "$work/$secret-tee" | as_user "$work/own" "$work/out/own" || fail "own"
ctl explain "$work/out/own" --json >"$work/own.json" || fail "explain"
ctl export "$work/out/own" --format json >"$work/events" || fail "export"
waits=$(json "$work/own.json" "sorted(g['wait'] for g in d['groups'])")
[[ $waits == *lock*pipe* ]] || fail "explain: $(ctl explain "$work/out/own")"
grep -q '"argv":\["'"$work/own" "$work/events" || fail "no command line of its own"
grep '"wait: read fd 0 pipe' "$work/events" | grep -q '"waker_comm","value":"other"' || fail "no other waker"
grep -q '"holder"' "$work/events" || fail "no names of functions"

# ---- nobody else in it

anonymous() { # FILE PID
	ctl export "$1" --format json >"$work/events" || fail "export $1"
	python3 - "$1" "$work/events" "$2" <<-'EOF' || fail "anonymity of $1"
		import json, os, re, sys, zlib
		trace, events, pid = sys.argv[1], sys.argv[2], int(sys.argv[3])
		OTHER = 0x400000
		mine = {pid}
		known = {'tid', 'pid', 'tgid', 'ppid', 'prev_tid', 'next_tid', 'waker_tid', 'creator_tid', 'old_tid',
		         'owner_tid', 'sender_tid', 'woken_tid', 'peer_pid', 'current_tid', 'reader_tid'}
		rows = [json.loads(line) for line in open(events)]
		mine |= {r['tid'] for r in rows if r['type'] == 'thread' and r['tgid'] == pid}
		def walk(value, key=None):
		    if isinstance(value, dict):
		        if 'key' in value and 'value' in value:
		            walk(value['value'], value['key'])
		        for k, v in value.items():
		            walk(v, k)
		    elif isinstance(value, list):
		        for v in value:
		            walk(v, key)
		    elif key in known:
		        assert value in mine or value in (0, -1) or value >= OTHER, (key, value)
		for row in rows:
		    walk(row)
		assert {r['pid'] for r in rows if r['type'] == 'process'} == {pid, OTHER}
		assert any(r['type'] == 'switch' and r['next_comm'] == 'other' for r in rows), 'nobody else ran?'
		assert not any(0xffff000000000000 <= int(a, 16) for a in re.findall('0x[0-9a-f]{16}', open(events).read()))
		# every packet of the file, inflated, by hand: one deflated stream a packet, perhaps none
		data, text, at = open(trace, 'rb').read(), b'', 0
		def varint():
		    global at
		    v = s = 0
		    while True:
		        b = data[at]; at += 1
		        v |= (b & 127) << s; s += 7
		        if b < 128:
		            return v
		while at < len(data):
		    assert varint() == 10
		    size = varint()
		    end = at + size
		    while at < end:
		        tag = varint()
		        if tag & 7 == 0:
		            varint(); continue
		        n = varint(); body = data[at:at + n]; at += n
		        text += zlib.decompress(body) if tag >> 3 == 50 else body
		names = [b'secret', b'frecd', b'kworker', b'ksoftirqd', b'rcu_', b'systemd', b'frec.machine', b'config.trigger']
		found = [n for n in names if n in text]
		assert len(text) > 1000 and b'frec.snapshot.anonymous' in text and not found, found
	EOF
}
own=$(json "$work/own.json" "d['attributes']['frec.snapshot.pid']")
anonymous "$work/out/own" "$own"

# ---- what they may look into, and what not

become_user "$work/idle" --seconds 300 >/dev/null &
pid=$!
pids+=($pid)
another="the process is another user's"
want "$another" as_user "$python" "$work/ask.py" $other
want "$another" as_user "$python" "$work/ask.py" 1
want "$another" as_user "$python" "$work/ask.py" "$frecd_pid"
as_user "$python" "$work/ask.py" $pid >"$work/out/idle" || fail "another process of the same user"
anonymous "$work/out/idle" $pid
undumpable='import ctypes, time; ctypes.CDLL(None).prctl(4, 0); print(flush=True); time.sleep(300)'
exec 3< <(become_user "$python" -c "$undumpable")
undumpable=$!
pids+=($undumpable)
read -r -u 3
[ "$(stat -c %u "/proc/$undumpable/environ")" = 0 ] || fail "no such process as was wanted"
want "not dumpable" as_user "$python" "$work/ask.py" $undumpable
exec 3< <(become_user unshare --user --map-root-user "$python" -c 'import time; print(flush=True); time.sleep(300)')
inside=$!
pids+=($inside)
if read -r -u 3; then
	want "user namespace" as_user "$python" "$work/ask.py" $inside
fi
setpriv --reuid $user --regid $user --clear-groups --inh-caps +net_raw --ambient-caps +net_raw "$work/idle" --seconds 300 >/dev/null &
capable=$!
pids+=($capable)
within 5 grep -q '^CapPrm:.*2000$' "/proc/$capable/status" || fail "no capability"
said=$(why as_user "$python" "$work/ask.py" $capable)
[[ $said == *capabilities* || $said == *dumpable* ]] || fail "capabilities: $said"
setpriv --reuid $user --regid 54321 --clear-groups "$work/idle" --seconds 300 >/dev/null &
group=$!
pids+=($group)
within 5 grep -q '^Gid:.54321' "/proc/$group/status" || fail "no group"
want "$another" as_user "$python" "$work/ask.py" $group

# ---- quotas: what is refused is counted, and others get theirs

until [[ $(why as_user "$python" "$work/ask.py") == *"too many snapshots"* ]]; do
	((tries = ${tries:-0} + 1, tries < 8)) || fail "no quota"
done
refused=$(status "d['app']['snapshots']['refused']")
[ "$refused" -ge 9 ] || fail "refused: $(status "d['app']")"
ctl status | grep -q "^programs .*snapshots of their own asked for, .* written, $refused refused" ||
	fail "status does not tell: $(ctl status)"
setpriv --reuid 12346 --regid 12346 --clear-groups "$python" "$work/ask.py" >"$work/out/second" || fail "another user"
stop_frecd || fail "frecd ended with $?"
exit 0
