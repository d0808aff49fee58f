#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# So few descriptors that a snapshot, a reload, a helper's start fails at this call or the next: said,
# nothing stays open, and when there are some again all works again. Starts with few record or say why not.
# May run beside others.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../torture.sh"

write_config <<-EOF2
	[recorder]
	window = 2s
	memory = 8M
	[trigger ours]
	kind = app
	cooldown = 0
	post = 0
EOF2
start_frecd
ctl snapshot >/dev/null || fail "frecctl snapshot"
settled() { # nothing under way
	! pgrep -P "$frecd_pid" -x frecd-worker && [ "$(fds)" = "$before" ]
}
sleep 0.5
before=$(fds)
within 5 settled
children=$(pgrep -c -P "$frecd_pid")

python3 - "$work" "$frecd_pid" >"$work/out" <<'PYTHON' || fail "with few descriptors: $(cat "$work/out")"
import json, os, resource, signal, socket, sys, time
work, pid = sys.argv[1], int(sys.argv[2])
limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)

def connect():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(30)
    s.connect(work + '/run/control.sock')
    return s

def ask(s, command):
    s.send(json.dumps({'command': command}).encode())
    return json.loads(s.recv(1 << 20) or b'null')

def fds():
    return {int(fd) for fd in os.listdir(f'/proc/{pid}/fd')}

def allow(more):  # so many beyond those that it has
    used = fds()
    for _ in range(3):  # it opens some files for a moment, once a second
        time.sleep(0.01)
        used &= fds()
    free = [n for n in range(len(used) + more + 1) if n not in used]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[more], limits[1]))

def restore():
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)

def until(what, condition):
    end = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)

said = {}
for more in range(16):
    s = connect()
    assert ask(s, 'status')['ok']
    allow(more)
    reply = ask(s, 'snapshot')
    restore()
    text = 'done' if reply and reply['ok'] else reply['error'] if reply else 'closed'
    assert '\n' not in text
    said.setdefault(text, []).append(more)
    s.close()
    with connect() as s:
        assert ask(s, 'status')['ok'], more
print(said)
assert len(said) > 1 and 15 in said.get('done', []), said

# a reload that cannot read its file changes nothing, and the next one works
def logged(text):
    return open(work + '/frecd.log', errors='replace').read().count(text)
allow(0)
os.kill(pid, signal.SIGHUP)
until('a reload without descriptors is not refused', lambda: logged('what was in force stays'))
restore()
os.kill(pid, signal.SIGHUP)
until('no reload afterwards', lambda: logged('configuration reloaded'))

# what stores the snapshots dies while there are none for another one
def spooler():
    for child in open(f'/proc/{pid}/task/{pid}/children').read().split():
        if open(f'/proc/{child}/comm').read() == 'frecd-spooler\n':
            return int(child)
allow(0)
os.kill(spooler(), signal.SIGKILL)
until('it lives', lambda: logged('the spooler has died'))
with connect() as s:
    pass  # not accepted: a turn of the loop, and each second it tries to start another one
restore()
until('no other spooler', spooler)
PYTHON
cat "$work/out"
ctl snapshot >/dev/null || fail "no snapshot when there are descriptors again"
within 10 settled || fail "$(fds) descriptors, $before before: $(ls -l "/proc/$frecd_pid/fd")"
[ "$(pgrep -c -P "$frecd_pid")" = "$children" ] || fail "children: $(pgrep -l -P "$frecd_pid")"
nothing_lost
end_clean

# ---- starts with few

ended=0
for n in 4 8 12 16 20 24 28 32 48 64 128; do
	(ulimit -n "$n" && exec "$frecd" --config "$work/frec.conf") 2>"$work/frecd.log" &
	frecd_pid=$!
	records_or_ended() {
		! kill -0 "$frecd_pid" || is_recording
	}
	within 20 records_or_ended || fail "hangs with $n descriptors: $(cat "$work/frecd.log")"
	if kill -0 "$frecd_pid" 2>/dev/null; then
		stop_frecd || fail "ended with $? with $n descriptors: $(cat "$work/frecd.log")"
	else
		wait "$frecd_pid"
		code=$?
		frecd_pid=
		ended=$((ended + 1))
		[ $code = 1 ] || [ $code = 2 ] || [ $code = 127 ] || fail "with $n descriptors: status $code: $(cat "$work/frecd.log")"
		[ -s "$work/frecd.log" ] || fail "does not say why it cannot with $n"
	fi
	[ -z "$(pins)" ] || fail "with $n descriptors: pins left: $(pins)"
done
[ $ended -gt 2 ] || fail "the limits did not bite"
[ -n "$frecd_pid" ] && fail "still runs"
exit 0
