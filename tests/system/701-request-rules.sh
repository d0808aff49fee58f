#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What is a request, and how long it took: each case has a server of its own and a trigger that
# knows its port or path. 400 ms are lost where the case says so; from 250 ms on it fires.
. "$(dirname "$0")/../lib.sh"

cat >"$work/cases.py" <<'END'
import os, select, socket, sys, threading, time

SLOW = 0.4
work = sys.argv[1]
accepted = threading.Event()

def answer(c):
    c.sendall(b"answer")

def accept_late(s):  # the client has sent by then
    time.sleep(SLOW)
    c, _ = s.accept()
    c.recv(100)
    answer(c)
    return c

def read_late(s):  # the client sends when it has been accepted
    c, _ = s.accept()
    accepted.set()
    time.sleep(SLOW)
    c.recv(100)
    answer(c)
    return c

def answer_late(s):
    c, _ = s.accept()
    c.recv(100)
    time.sleep(SLOW)
    answer(c)
    return c

def peek(s):  # is not reading
    c, _ = s.accept()
    c.recv(100, socket.MSG_PEEK)
    time.sleep(SLOW)
    c.recv(100)
    answer(c)
    return c

def hand_over(s):
    c, _ = s.accept()
    c.recv(100)
    t = threading.Thread(target=lambda: (time.sleep(SLOW), answer(c)))
    t.start()
    t.join()
    return c

def poll_late(s):  # told by epoll, without blocking
    c, _ = s.accept()
    c.setblocking(False)
    e = select.epoll()
    e.register(c, select.EPOLLIN)
    e.poll()
    c.recv(100)
    time.sleep(SLOW)
    answer(c)
    return c

def end_of_stream(s):  # the client has sent nothing
    c, _ = s.accept()
    time.sleep(SLOW)
    c.recv(100)
    try:
        answer(c)
    except OSError:
        pass
    return c

def fast(s):  # the client thinks for long
    c, _ = s.accept()
    while c.recv(100):
        answer(c)
    return c

def greeting(s):  # is no answer to anything
    c, _ = s.accept()
    time.sleep(SLOW)
    answer(c)
    c.recv(100)
    answer(c)
    return c

def pieces(s):  # of one request: it lasts from the first on
    c, _ = s.accept()
    left = 12
    while left:
        left -= len(c.recv(100))
    answer(c)
    return c

def behind(s):  # the second has come with the first
    c, _ = s.accept()
    c.recv(4)
    answer(c)
    c.recv(4)
    time.sleep(SLOW)
    answer(c)
    return c

def ask(c, times=1):
    for _ in range(times):
        c.sendall(b"question")
        c.recv(100)

def client(case, c):
    if case == "read_late":
        accepted.wait()
    if case == "end_of_stream":
        c.shutdown(socket.SHUT_WR)
        time.sleep(2 * SLOW)
    elif case == "fast":
        for _ in range(3):
            ask(c)
            time.sleep(SLOW)
    elif case == "greeting":
        c.recv(100)
        ask(c)
    elif case == "pieces":
        for _ in range(3):
            c.sendall(b"part")
            time.sleep(SLOW / 2)
        c.recv(100)
    elif case.endswith("behind"):
        c.sendall(b"one.two.")
        while c.recv(100):
            pass
    else:
        ask(c)

def listen(case):
    if case.startswith("local_"):
        s = socket.socket(socket.AF_UNIX)
        s.bind("\0" + os.path.basename(work) if case == "local_abstract" else f"{work}/{case}.sock")
    else:
        s = socket.socket(socket.AF_INET6 if case == "v6" else socket.AF_INET)
        s.bind(("::1" if case == "v6" else "127.0.0.1", 0))
    s.listen(8)
    return s

CASES = {f.__name__: f for f in (accept_late, read_late, answer_late, peek, hand_over, poll_late,
                                end_of_stream, fast, greeting, pieces, behind)}
CASES |= {"v6": answer_late, "local_path": answer_late, "local_other": answer_late,
          "local_abstract": answer_late, "local_behind": behind}

servers = {case: listen(case) for case in CASES}
for case, s in servers.items():
    print(case, s.getsockname()[1] if s.family != socket.AF_UNIX else "", flush=True)
print("ready", flush=True)
sys.stdin.readline()
for case, s in servers.items():
    c = socket.socket(s.family)
    c.connect(s.getsockname())
    server = threading.Thread(target=lambda: CASES[case](s).close())
    asking = threading.Thread(target=client, args=(case, c))
    asking.start()
    server.start()
    asking.join()
    c.close()
    server.join()
print("done", flush=True)
sys.stdin.readline()
END
mkfifo "$work/orders"
python3 "$work/cases.py" "$work" <"$work/orders" >"$work/out" &
pids+=($!)
exec 9>"$work/orders"
within 10 grep -q ready "$work/out" || fail "no server"
yes="accept_late read_late answer_late peek hand_over poll_late pieces behind v6 local_path local_abstract local_behind"
no="end_of_stream fast greeting"
{
	echo "[recorder]"
	while read -r case port; do
		[[ " $yes $no " == *" $case "* ]] || continue
		case $case in
		local_path | local_behind) port=$work/$case.sock ;;
		local_abstract) port=@$(basename "$work") ;;
		esac
		printf '[trigger %s]\nkind = request\nport = %s\nthreshold = 250ms\ncooldown = 1h\npost = 0\n' "$case" "$port"
	done <"$work/out"
	# the clients wait as long, but are none of the servers
	printf '[trigger client]\nkind = request\npid = %s\nthreshold = 250ms\nport = 1\n' "$$"
} | write_config
start_frecd
echo >&9
within 30 grep -q done "$work/out" || fail "the cases do not end"
for case in $yes; do
	within 10 has_snapshot "*-$case-*" || [ "$(trigger "$case" merged)" = 1 ] || fail "$case: did not fire"
done
for case in $no client; do
	[ "$(trigger "$case" fired)$(trigger "$case" merged)" = 00 ] || fail "$case: fired"
done

# what is said of them: each is in the snapshot that it fired or was merged into
for file in $(snapshots); do
	ctl export "$file" --format json || fail "export $file"
done | python3 -c '
import json, sys
print(json.dumps([{a["key"]: a.get("value") for a in e["args"]} for e in map(json.loads, sys.stdin)
                  if e["type"] == "slice" and e.get("name", "").startswith("request ") and e["phase"] == "begin"]))
' >"$work/requests"
# said CASE WHAT: of its request r once it was answered, in Python; the trigger of a case knows its server
said() {
	local server

	server=$(ctl triggers --json | json - "[t for t in d if t['name'] == '$1'][0]['filters']['port']")
	[[ $server == [@/]* ]] || server=127.0.0.1:$server
	[ "$(json "$work/requests" "[bool($2) for r in d if r['server'] == '$server' and r['answered'] != 'not yet'][0]")" = true ] ||
		fail "$1: not $2: $(json "$work/requests" "[r for r in d if r['server'] == '$server']")"
}
said accept_late "r['queued'] and r['unread_ns'] > 0.9 * r['duration_ns']"
said read_late "not r['queued'] and r['unread_ns'] > 0.9 * r['duration_ns']"
said answer_late "r['unread_ns'] < r['duration_ns'] / 2"
said peek "r['unread_ns'] > 0.9 * r['duration_ns']"
said hand_over "r['reader_tid'] != r['tid']"
said pieces "r['bytes_in'] == 12"
said behind "r['bytes_in'] == 4 and r['unread_ns'] < r['duration_ns'] / 2"
said local_behind "r['bytes_in'] == 4"
said local_path "r['bytes_in'] == 8 and r['bytes_out'] == 6"
said local_abstract "r['bytes_in'] == 8"
