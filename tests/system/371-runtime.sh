#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The switches of threads that run and sleep say for how long they ran, as the kernel's own account of
# them does.
. "$(dirname "$0")/../lib.sh"

cat >"$work/burn.py" <<'END2'
import threading
import time


def burn(ms, pause):
    while True:
        end = time.thread_time() + ms / 1000
        while time.thread_time() < end:
            pass
        time.sleep(pause / 1000)


for ms in (8, 12):
    threading.Thread(target=burn, args=(ms, 12)).start()
END2

compared() {
	take runtime --pid "$burner"
	python3 - "$work/runtime.json" >"$work/check" <<'END2'
import json, sys
events = (json.loads(line) for line in open(sys.argv[1], errors='replace'))
check = {e['key'].split('.')[2]: e['value'] for e in events
         if e['type'] == 'attribute' and e['key'].startswith('frec.runtime_check.')}
print(check)
sys.exit(not (int(check.get('threads', 0)) >= 2 and int(check['kernel_ns']) > 800e6))
END2
}

write_quiet_config "window = 6s" "memory = 128M"
start_frecd
python3 "$work/burn.py" &
burner=$!
pids+=("$burner")
within 40 compared || fail "too little to compare: $(cat "$work/check")"
cat "$work/check"
# the worst of all that it waited for, too: others are not ours
worst=$(sed -n "s/.*'failed_tid': '\?\([0-9]*\).*/\1/p" "$work/check")
[ -z "$worst" ] || [ ! -e "/proc/$burner/task/$worst" ] || fail "run times differ"
[ -n "$worst" ] || ! ctl explain "$work/runtime.pftrace" | grep '^run time' || fail "explain"
