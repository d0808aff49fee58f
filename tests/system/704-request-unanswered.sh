#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Requests that are never answered: while they last and when their connection ends, and what is none.
# Each case has a server of its own and a trigger that knows its port or path. From 300 ms on it fires.
# May run beside others.
. "$(dirname "$0")/../lib.sh"

cat >"$work/cases.py" <<'END'
import os, socket, struct, sys, threading, time

work = sys.argv[1]
IPPROTO_MPTCP = 262
over = threading.Event()

def connect(s):
    c = socket.socket(s.family, s.type, s.proto)
    c.connect(s.getsockname())
    return c

def pair(s):
    c = connect(s)
    return c, s.accept()[0]

def ask(c, a):
    c.sendall(b"question")
    a.recv(100)
    a.sendall(b"answer")
    c.recv(100)

def never(s):
    c, a = pair(s)
    c.sendall(b"question")
    a.recv(100)
    over.wait()
    return c, a

def unread(s):
    c, a = pair(s)
    ask(c, a)
    c.sendall(b"question")
    over.wait()
    return c, a

def queued(s):
    c = connect(s)
    c.sendall(b"question")
    over.wait()
    return c

def left(s):  # by a client that has had enough
    c, a = pair(s)
    c.sendall(b"question")
    a.recv(100)
    time.sleep(0.4)
    c.close()
    a.recv(100)
    a.close()

def reset(s):
    c, a = pair(s)
    c.sendall(b"question")
    a.recv(100)
    time.sleep(0.4)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()
    over.wait()
    return a

def reset_unread(s):
    c, a = pair(s)
    c.sendall(b"question")
    time.sleep(0.4)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()
    over.wait()
    return a

def dropped(s):  # by the server
    c, a = pair(s)
    c.sendall(b"question")
    a.recv(100)
    time.sleep(0.4)
    a.close()
    c.recv(100)

def dropped_unread(s):  # a single byte
    c, a = pair(s)
    c.sendall(b"?")
    time.sleep(0.4)
    a.close()

def splice(c, a):  # read without being seen
    r, w = os.pipe()
    c.sendall(b"question")
    os.splice(a.fileno(), w, 100)

def spliced(s):
    c, a = pair(s)
    splice(c, a)
    time.sleep(0.4)
    c.close()
    a.close()

def spliced_first(s):
    c, a = pair(s)
    splice(c, a)
    a.sendall(b"answer")
    c.recv(100)
    time.sleep(0.4)
    ask(c, a)

def multipath(s):  # MPTCP
    c, a = pair(s)
    ask(c, a)
    time.sleep(0.4)
    c.close()
    a.close()

def idle(s):
    c, a = pair(s)
    ask(c, a)
    over.wait()
    return c, a

def half_closed(s):  # the client has no more to say, and nothing to wait for
    c, a = pair(s)
    ask(c, a)
    c.shutdown(socket.SHUT_WR)
    over.wait()
    return c, a

def parted(s):  # the server has no more to say, whatever its client still sends
    c, a = pair(s)
    ask(c, a)
    a.shutdown(socket.SHUT_WR)
    c.sendall(b"more")
    a.recv(100)
    over.wait()
    return c, a

def sends(s):  # a client that is not done yet: the server has its turn when it is
    c, a = pair(s)
    for _ in range(30):
        c.sendall(b"part")
        a.recv(100)
        time.sleep(0.1)
    c.close()
    a.recv(100)
    a.close()

def mute(s):  # a server that never answers anybody
    kept = []
    for _ in range(6):
        c, a = pair(s)
        c.sendall(b"line")
        a.recv(100)
        kept.append((c, a))
        time.sleep(0.5)
    over.wait()
    return kept

def loose(s):  # a protocol that has messages without an answer, and another one later
    c, a = pair(s)
    ask(c, a)
    for _ in range(10):
        c.sendall(b"note")
        a.recv(100)
        time.sleep(0.4)
        ask(c, a)
    return c, a

def listen(case):
    if case == "local":
        s = socket.socket(socket.AF_UNIX)
        s.bind(f"{work}/local.sock")
    else:
        s = socket.socket(proto=IPPROTO_MPTCP if case == "multipath" else 0)
        s.bind(("127.0.0.1", 0))
    s.listen(16)
    return s

def can_multipath():
    try:
        socket.socket(proto=IPPROTO_MPTCP).close()
    except OSError:
        return False
    return True

CASES = {f.__name__: f for f in (never, unread, queued, left, reset, reset_unread, dropped,
                                dropped_unread, spliced, spliced_first, multipath, idle, half_closed, parted,
                                sends, mute, loose)
         if f is not multipath or can_multipath()}
CASES["local"] = never
servers = {case: listen(case) for case in CASES}
for case, s in servers.items():
    print(case, s.getsockname()[1] if case != "local" else f"{work}/local.sock", flush=True)
print("ready", os.getpid(), flush=True)
sys.stdin.readline()
kept = []
threads = [threading.Thread(target=lambda case=case: kept.append(CASES[case](servers[case])), name=case)
           for case in CASES]
for t in threads:
    t.start()
for t in threads:
    if t.name in ("sends", "loose", "spliced", "spliced_first",
                  "multipath"):
        t.join()
print("done", flush=True)
sys.stdin.readline()
over.set()
END
mkfifo "$work/orders"
python3 "$work/cases.py" "$work" <"$work/orders" >"$work/out" &
server=$!
pids+=("$server")
exec 9>"$work/orders"
within 10 grep -q ready "$work/out" || fail "no server"
yes="never unread queued left reset reset_unread dropped dropped_unread local"
no="idle half_closed parted sends spliced spliced_first"
! grep -q '^multipath ' "$work/out" || no+=" multipath"
while read -r case port; do
	[ "$case" != ready ] || break
	threshold=300ms
	filter=
	case $case in
	sends) threshold=1500ms ;;
	unread) filter="exe = *python3*" ;;
	queued) filter="pid = $server" ;;
	never | reset_unread) filter="comm = python3*" ;;
	esac
	printf '[trigger %s]\nkind = request\nport = %s\nthreshold = %s\ncooldown = 1h\npost = 0\n%s\n' \
		"$case" "$port" "$threshold" "$filter"
done <"$work/out" | write_config
start_frecd
echo >&9

# hits NAME: how often its trigger has passed, whatever became of that
hits() {
	ctl triggers --json |
		json - "[t['fired'] + t['merged'] + t['suppressed'] for t in d if t['name'] == '$1'][0]"
}
fired() {
	[ "$(hits "$1")" -ge "$2" ]
}
for case in $yes; do
	within 10 fired "$case" 1 || fail "$case did not fire"
done
within 20 grep -q done "$work/out" || fail "the cases do not end"
within 10 fired mute 3 || fail "mute: fired $(hits mute) times"
for case in $yes; do
	[ "$(hits "$case")" = 1 ] || fail "$case: fired $(hits "$case") times"
done
for case in $no; do
	[ "$(hits "$case")" = 0 ] || fail "$case: fired"
done
# a server that is never heard of again, or that does not answer everything, is known in the end
[ "$(hits mute)" = 3 ] || fail "mute: fired $(hits mute) times"
[ "$(hits loose)" -ge 1 ] && [ "$(hits loose)" -le 3 ] || fail "loose: fired $(hits loose) times"

# what is said of them
ctl snapshot -o "$work/last.pftrace" >/dev/null || fail "snapshot"
for file in $(snapshots) "$work/last.pftrace"; do
	ctl export "$file" --format json || fail "export $file"
done | python3 -c '
import json, sys
requests = []
for e in map(json.loads, sys.stdin):
    if e["type"] == "slice" and e["phase"] == "begin" and e.get("name", "").startswith("request "):
        requests.append({a["key"]: a.get("value") for a in e["args"]})
print(json.dumps(requests))' >"$work/requests"
# said CASE WHAT: in the end of its request r, in Python
said() {
	local to

	to=$(ctl triggers --json | json - "[t for t in d if t['name'] == '$1'][0]['filters']['port']")
	[[ $to == /* ]] || to=127.0.0.1:$to
	[ "$(json "$work/requests" "(lambda r: bool($2))([r for r in d if r['server'] == '$to'][-1])")" = true ] ||
		fail "$1: not $2: $(json "$work/requests" "[r for r in d if r['server'] == '$to']")"
}
said never "r['answered'] == 'not yet' and r['still_waiting'] and r['reader_comm'] == 'python3' and r['bytes_in'] == 8"
said unread "r['answered'] == 'not yet' and 'reader_tid' not in r and not r['queued'] and r['pid'] == $server"
said queued "r['answered'] == 'not yet' and 'reader_tid' not in r and r['queued'] and r['pid'] == $server"
said local "r['answered'] == 'not yet' and r['reader_comm'] == 'python3'"
said left "r['answered'] == 'never' and r['closed_by'] == 'client'"
said reset "r['answered'] == 'never' and r['closed_by'] == 'client'"
said reset_unread "r['answered'] == 'never' and r['closed_by'] == 'client' and 'reader_tid' not in r and r['pid'] == $server"
said dropped "r['answered'] == 'never' and r['closed_by'] == 'server'"
