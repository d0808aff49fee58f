#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Killed at random moments under load, as it starts, records, writes snapshots and rescues, every other
# time with all its helpers: the next one rescues what the former one had recorded, no moment is in
# neither's snapshot, and no half file, process or pin stays. SEED: of the moments.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../torture.sh"

seed=${SEED:-$$}
echo "SEED=$seed"
RANDOM=$seed
write_config <<-EOF2
	[recorder]
	window = 3s
	memory = 64M
	[trigger ours]
	kind = lock
	threshold = 20ms
	comm = waits
	cooldown = 0
	max_per_hour = 0
	post = 0
EOF2
sed -i 's/^directory.*/&\nmax_files = 10000/' "$work/frec.conf"
cp "$frecd" "$work/frecd" # so that all its processes are known by their program
processes() {
	find /proc -maxdepth 2 -name exe -lname "$work/frecd" 2>/dev/null
}
no_processes() {
	[ -z "$(processes)" ]
}
helpers() {
	processes | cut -d / -f 3
}

"$workloads/switches" --pairs 2 --rate 2000 --seconds 1000 >/dev/null &
pids+=($!)
"$workloads/waits" lock --ms 30 --count 100000 --seconds 0 >/dev/null &
pids+=($!)
(
	trap 'exit 0' TERM
	for ((i = 0;; i++)); do
		ctl snapshot
		ctl snapshot -o "$work/own-$i.pftrace"
		sleep 0.05 # nobody there: does not spin
	done
) >/dev/null 2>&1 &
pids+=($!)

kills=$(rounds 8 100)
for ((n = 0; n < kills; n++)); do
	"$work/frecd" --config "$work/frec.conf" 2>"$work/log.$n" &
	frecd_pid=$!
	echo $frecd_pid >"$work/pid.$n"
	if ((RANDOM % 8)); then
		within 20 is_recording || fail "life $n does not record: $(cat "$work/log.$n")"
		ms=$((RANDOM % 900))
	else
		ms=$((RANDOM % 500))
	fi
	sleep "$(printf '0.%03d' $ms)"
	others=
	((RANDOM % 2)) && others=$(helpers)
	# shellcheck disable=SC2086 # several
	kill -KILL "$frecd_pid" $others 2>/dev/null
	wait "$frecd_pid" 2>/dev/null
	within 10 no_processes || fail "kill $n: left are $(processes | xargs ls -l)"
done

"$work/frecd" --config "$work/frec.conf" 2>"$work/log.$n" &
frecd_pid=$!
echo $frecd_pid >"$work/pid.$n"
within 20 is_recording || fail "does not record after $kills kills: $(cat "$work/log.$n")"
rescued() {
	! grep -q 'rescuing the window' "$work/log.$n" || grep -q 'snapshot .*-rescue-frecd-' "$work/log.$n"
}
within 30 rescued || fail "no snapshot of the last one: $(cat "$work/log.$n")"
for pid in "${pids[@]}"; do
	stop_pid "$pid"
done
pids=()

for path in $(snapshots '*-rescue-frecd-*'); do
	ctl export "$path" --format json >"$work/events" || fail "$path is not whole"
	python3 - "$work/events" <<'PYTHON' || fail "$path"
import json, sys
attributes, first = {}, {}
for line in open(sys.argv[1], errors='replace'):
    if line.startswith('{"type":"attribute"'):
        e = json.loads(line)
        attributes[e['key']] = e['value']
    elif line.startswith('{"type":"switch"'):
        e = json.loads(line)
        first[e['cpu']] = min(e['ts'], first.get(e['cpu'], e['ts']))
print(json.dumps([int(attributes['frec.rescue.' + k]) for k in ('pid', 'window_until_ns')] + [first]))
PYTHON
done >"$work/rescued"
python3 - "$work" "$kills" <<'PYTHON' || fail "not all of it was rescued"
import json, re, sys
work, kills = sys.argv[1], int(sys.argv[2])
rescued = {pid: (until, first) for pid, until, first in map(json.loads, open(work + '/rescued'))}
found = unwritten = together = 0
before = None  # who recorded last, unless another one was killed behind it as it started
since = {}  # when the window of the one before it ends: then it recorded, too
for n in range(kills + 1):
    log = open(f'{work}/log.{n}').read()
    if 'recording: window' not in log:
        before = None
        continue
    what = re.search(r'died \(pid (\d+)\): last sign of life .* ago, switches until (.*) ago, evidence until', log)
    assert what or not before, (n, 'rescues nothing', log)
    own = int(open(f'{work}/pid.{n}').read())
    if what:
        pid = int(what[1])
        assert before in (None, pid), (n, before, log)
        assert what[2] == '0 ns', (n, log)
        found += 1
        if pid in rescued:
            since[own] = rescued[pid][0]
            if pid in since and rescued[pid][0] - since[pid] < 2.5e9:
                together += 1
                for cpu, ts in rescued[pid][1].items():
                    assert ts <= since[pid], (n, cpu, 'was not watched for', ts - since[pid], 'ns')
        else:  # killed before it was written
            unwritten += 1
            assert n < kills and '-rescue-frecd-' not in log, (n, log)
    before = own
print(f'{kills} kills: {found - unwritten} windows rescued, {unwritten} not yet written at the next kill, '
      f'{kills - found} of recorders that had not begun; {together} pairs of windows looked at: no moment is in neither')
assert found > unwritten and (together or kills < 50)
PYTHON
looked() { # what was under way has settled
	[ "$(status "d['uptime_ns'] > 9e9")" = true ] || [ "$(unexplained)" = 0 ]
}
within 15 looked
nothing_lost
end_clean
exit 0
