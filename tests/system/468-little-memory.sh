#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# So little memory, by a limit of addresses or of its cgroup, that a snapshot, an answer, a reload or the
# start fails: said, the recorder goes on or ends properly, and with memory again all works again.
# May run beside others.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../torture.sh"

write_quiet_config "window = 2s" "memory = 8M"
start_frecd
ctl snapshot >/dev/null || fail "frecctl snapshot"
before=$(fds)
python3 - "$work" "$frecd_pid" >"$work/out" <<'PYTHON' || fail "with little memory: $(cat "$work/out")"
import json, os, resource, signal, socket, sys, time
work, pid = sys.argv[1], int(sys.argv[2])
limits = resource.prlimit(pid, resource.RLIMIT_AS)

def connect():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(30)
    s.connect(work + '/run/control.sock')
    return s

def ask(command):
    with connect() as s:
        try:
            s.send(json.dumps({'command': command}).encode())
        except ConnectionError:  # it has said why before it was asked
            pass
        try:
            reply = json.loads(s.recv(1 << 20) or b'null')
        except ConnectionError:
            reply = None
    return 'done' if reply and reply['ok'] else reply['error'] if reply else 'closed'

def restore():
    resource.prlimit(pid, resource.RLIMIT_AS, limits)

said = {}
for kib in (0, 16, 64, 128, 256, 512, 1 << 10, 2 << 10, 4 << 10, 8 << 10, 9 << 10, 12 << 10, 24 << 10, 64 << 10):
    size = int(open(f'/proc/{pid}/statm').read().split()[0]) * 4096
    resource.prlimit(pid, resource.RLIMIT_AS, (size + (kib << 10), limits[1]))
    os.kill(pid, signal.SIGHUP)
    for command in ('snapshot', 'status', 'list', 'triggers', 'x' * 60000):
        text = ask(command)
        assert '\n' not in text
        if len(command) < 100:
            said.setdefault(command + ': ' + text, []).append(kib)
    restore()
    assert ask('status') == 'done', kib
print(said)
assert any(text != 'snapshot: done' and text.startswith('snapshot: ') for text in said), 'the limits did not bite'
assert 64 << 10 in said['snapshot: done'], said
PYTHON
cat "$work/out"
reload
ctl snapshot >/dev/null || fail "no snapshot when there is memory again"
within 10 few_fds "$before" || fail "$(fds) descriptors, $before before: $(ls -l "/proc/$frecd_pid/fd")"
nothing_lost
end_clean

# ---- starts with little

ended=0
for mib in 8 16 32 48 64 128; do
	(ulimit -v $((mib << 10)) && exec "$frecd" --config "$work/frec.conf") 2>"$work/frecd.log" &
	frecd_pid=$!
	records_or_ended() {
		! kill -0 "$frecd_pid" || is_recording
	}
	within 20 records_or_ended || fail "hangs with $mib MiB: $(cat "$work/frecd.log")"
	if kill -0 "$frecd_pid" 2>/dev/null; then
		stop_frecd || fail "ended with $? with $mib MiB: $(cat "$work/frecd.log")"
	else
		wait "$frecd_pid"
		code=$?
		frecd_pid=
		ended=$((ended + 1))
		[ $code = 1 ] || [ $code = 127 ] || fail "with $mib MiB: status $code: $(cat "$work/frecd.log")"
		[ -s "$work/frecd.log" ] || fail "does not say why it cannot with $mib MiB"
	fi
	[ -z "$(pins)" ] || fail "with $mib MiB: pins left: $(pins)"
done
[ $ended -gt 2 ] || fail "the limits did not bite: $ended"

# ---- a cgroup with hardly any: whoever of them it takes, a window is written in the end

v1=$(awk '$3 == "cgroup" && $4 ~ /(^|,)memory(,|$)/ { print $2; exit }' /proc/self/mounts)
v2=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
if [ -n "$v1" ]; then
	limit=memory.limit_in_bytes usage=memory.usage_in_bytes
	own_cgroup "$v1/frec-little-$$"
elif [ -n "$v2" ] && grep -qw memory "$v2/cgroup.subtree_control"; then
	limit=memory.max usage=memory.current
	own_cgroup "$v2/frec-little-$$"
else
	echo "no cgroup that limits memory: not tested"
	exit 0
fi
sed -i 's/^memory = .*/memory = 32M/' "$work/frec.conf"
bash -c 'echo $$ >"$1/cgroup.procs" && exec "$2" --config "$3"' - "$group" "$frecd" "$work/frec.conf" 2>"$work/frecd.log" &
frecd_pid=$!
within 20 is_recording || fail "does not record: $(cat "$work/frecd.log")"
"$workloads/switches" --pairs 4 --seconds 1 >/dev/null
echo $(($(cat "$group/$usage") + (4 << 20))) >"$group/$limit" || skip "cannot limit the memory of a cgroup"
timeout 60 "$BUILD/frecctl" --run-directory "$work/run" snapshot >"$work/out" 2>&1
[ $? != 124 ] || fail "no answer with little memory"
cat "$work/out"
if kill -0 "$frecd_pid" 2>/dev/null; then
	echo -1 >"$group/$limit" || echo max >"$group/$limit"
	echo "the recorder lives"
	ctl snapshot >/dev/null || fail "no snapshot when there is memory again: $(cat "$work/frecd.log")"
else
	wait "$frecd_pid"
	echo "the recorder was killed"
	start_frecd
	rescued() { has_snapshot '*-rescue-frecd-*'; }
	within 20 rescued || fail "what it had is not rescued: $(cat "$work/frecd.log")"
fi
nothing_lost
end_clean
exit 0
