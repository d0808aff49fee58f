#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Many users flood the trigger socket together, faster than it is read: one who seldom sends is heard.
# All user ids that somebody has in a user namespace count as one user.
. "$(dirname "$0")/../lib.sh"

export FREC_RUN_DIRECTORY=$work/run
python=$(PATH=/usr/bin:/bin command -v python3) || skip "needs a python3 that every user may run"
write_config <<-EOF
	[trigger calm]
	kind = app
	uid = 12346
	cooldown = 0
	post = 0
EOF
start_frecd
cat >"$work/send.py" <<-'EOF'
	import os, socket, struct, sys
	path = os.environ['FREC_RUN_DIRECTORY'] + '/trigger.sock'
	def send(uid, name, times=1):
	    os.setresuid(uid, 0, 0)
	    message = struct.pack('=IHHQIHH', 0x63657266, 1, 1, 0, os.getpid(), len(name), 0) + name
	    for _ in range(times):
	        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
	        try:
	            s.sendto(message, path)
	        except OSError:
	            pass
EOF
counted() { # COUNTER
	[ "$(status "d['app']['$1'] > 0")" = true ]
}
fired() {
	[ "$(trigger calm fired)" = 1 ]
}

# ---- more than the queue has room for, while nobody reads it; not so many users that each first one does

kill -STOP "$frecd_pid"
python3 - "$work" <<-'EOF' || fail "the flood"
	import sys
	sys.path.insert(0, sys.argv[1])
	from send import send
	room = int(open('/proc/sys/net/unix/max_dgram_qlen').read())
	for uid in range(room // 4 + 1):
	    send(100000 + uid, b'flood', 16)
	send(12346, b'calm')
EOF
kill -CONT "$frecd_pid"
within 20 fired || fail "one who seldom sends was not heard: $(status "d['app']")"
counted crowd || fail "not counted: $(status "d['app']")"
[ "$(status "d['app']['flood']")" = 0 ] || fail "none sent too fast: $(status "d['app']")"

# ---- one message of each of many

cat >"$work/many.py" <<-'EOF'
	from send import send
	for uid in range(1, 101):
	    send(uid, b'flood')
EOF
mkfifo "$work/mapped"
setpriv --reuid 12345 --regid 12345 --clear-groups unshare --user bash -c \
	'read -r; exec "$0" "$@"' "$python" "$work/many.py" <"$work/mapped" &
child=$!
pids+=($child)
exec 9>"$work/mapped"
is_apart() {
	[ "$(readlink "/proc/$child/ns/user")" != "$(readlink /proc/self/ns/user)" ]
}
within 10 is_apart || skip "no user namespaces here"
printf "0 12345 1\n1 200000 100\n" | cat >"/proc/$child/uid_map" || fail "uid_map"
echo >&9
wait $child || fail "the user namespace"
within 10 counted flood || fail "taken for many users: $(status "d['app']")"
