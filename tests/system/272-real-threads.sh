#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# sysbench and python3 as Debian ships them: stacks of slow waits lead to the start of their threads.
# And those that are cut are marked and counted: with stacks too short to unwind, 95 % do not.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../real.sh"

need sysbench /usr/bin/python3
record "window = 5s"

(
	cd "$work" || exit
	sysbench fileio --file-num=2 --file-total-size=8M prepare >/dev/null
	sysbench fileio --file-num=2 --file-total-size=8M --file-fsync-all=on --threads=2 --time=90 \
		--rate=20 --file-test-mode=rndwr run >/dev/null &
	sysbench threads --threads=24 --thread-locks=1 --thread-yields=3000 --time=90 run >/dev/null &
	trap 'kill $(jobs -p) 2>/dev/null' EXIT TERM
	wait
) &
sysbench=$!
pids+=("$sysbench")

cat >"$work/waits.py" <<'END'
import queue, select, socket, subprocess, threading, time

lock, full, event = threading.Lock(), queue.Queue(), threading.Event()
left, right = socket.socketpair()

def deep(n, what):
    return what() if n == 0 else deep(n - 1, what)

def locked():
    with lock:
        time.sleep(0.04)

def receive():
    right.recv(1)

def timed():
    event.wait(0.06)

def poll():
    select.epoll().poll(0.06)

def wide(): # 48 KiB of stack: will be cut
    select.select([], [], [], 1.5)

def child():
    subprocess.run(["sleep", "0.05"])

def forever(what, depth):
    while True:
        deep(depth, what)

for i, what in enumerate([locked, locked, locked, receive, timed, poll, child, full.get, wide]):
    threading.Thread(target=forever, args=(what, 3 * i), daemon=True).start()
while True:
    time.sleep(0.06)
    left.send(b"x")
    full.put(1)
END
/usr/bin/python3 "$work/waits.py" &
python=$!
pids+=("$python")

attempt() {
	sleep 3 # of load
	count sysbench="$sysbench" python="$python" && counted sysbench 30 4 start_thread &&
		counted python 100 8 Py_BytesMain start_thread
}
until_counted 2

# ---- cut stacks

stop_frecd
record "stack_dump = 1K"
short() {
	local cut

	count sysbench="$sysbench" python="$python" || return
	read -r _ _ _ _ _ cut _ < <(grep "^python " "$work/count")
	! counted python 20 1 && ((cut > 20)) && grep -q '"frec.stacks.cut","value":[1-9]' "$work/real.$python.json"
}
within 20 short || fail "1 KiB of stack: $(cat "$work/why")"
