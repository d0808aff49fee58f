#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What a wait waits on has the name that /proc has for it, a path that is cut does not look like a
# whole one, and a poll of several descriptors accuses only the one that ended it.
. "$(dirname "$0")/../lib.sh"

write_quiet_config "window = 5s" "evidence = 64M"
start_frecd
cat >"$work/waits.py" <<'END'
import ctypes, fcntl, os, select, socket, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
base = sys.argv[1] + '/files'
os.mkdir(base)

def thread(name, wait):
    def run():
        libc.prctl(15, name.encode(), 0, 0, 0)
        wait()
    threading.Thread(target=run, daemon=True).start()

def locked(path, unlink=False): # a second descriptor of a file that is locked
    first = os.open(path, os.O_CREAT | os.O_RDWR)
    fcntl.flock(first, fcntl.LOCK_EX)
    second = os.open(path, os.O_RDWR)
    if unlink:
        os.unlink(path)
    return lambda: fcntl.flock(second, fcntl.LOCK_EX)

def polled(fds, timeout, again):
    p = select.poll()
    for fd in fds:
        p.register(fd, select.POLLIN)
    while p.poll(timeout) is not None and again:
        pass

eventfd, timerfd, inotify = libc.eventfd(0, 0), libc.timerfd_create(1, 0), libc.inotify_init()
libc.timerfd_settime(timerfd, 0, struct.pack('qqqq', 0, 0, 1000, 0), None)
room = ctypes.create_string_buffer(64)
thread('eventfd', lambda: libc.read(eventfd, room, 8))
thread('timerfd', lambda: libc.read(timerfd, room, 8))
thread('inotify', lambda: libc.read(inotify, room, 8))
epoll = select.epoll()
thread('epoll', epoll.poll)
memfd = libc.memfd_create(b'mine', 0)
other = os.open(f'/proc/self/fd/{memfd}', os.O_RDWR)
fcntl.flock(memfd, fcntl.LOCK_EX)
thread('memfd', lambda: fcntl.flock(other, fcntl.LOCK_EX))
thread('gone', locked(base + '/gone', True))
thread('long', locked(base + '/' + 'n' * 250))
deep = base + '/' + '/'.join(['d' * 100] * 3)
os.makedirs(deep)
thread('deep', locked(deep + '/x'))
abstract = socket.socket(socket.AF_UNIX)
abstract.bind(f'\0frec-{os.getpid()}')
abstract.listen()
client = socket.socket(socket.AF_UNIX)
client.connect(abstract.getsockname())
thread('abstract', lambda: client.recv(1))
idle, busy = os.pipe(), os.pipe()
thread('one', lambda: polled([idle[0]], None, False))
thread('none', lambda: polled([idle[0], eventfd], 60, True))
def feed():
    while True:
        time.sleep(0.06)
        os.write(busy[1], b'x')
        time.sleep(0.06)
        os.read(busy[0], 1)
thread('feeder', feed)
def second():
    while True:
        polled([idle[0], busy[0]], None, False)
        time.sleep(0.07) # until it has been read
thread('second', second)
print(os.getpid(), os.fstat(idle[0]).st_ino, os.fstat(busy[0]).st_ino, flush=True)
time.sleep(60)
END
python3 "$work/waits.py" "$work" >"$work/pid" &
pids+=($!)
within 10 [ -s "$work/pid" ] || fail "python3"
read -r pid idle busy <"$work/pid"

named() {
	take named --pid "$pid" || return
	python3 - "$work/named.json" "$pid" "$idle" "$busy" "$work" 2>"$work/why" <<-'END'
		import json, sys
		pid, idle, busy, work = sys.argv[2:]
		events = [json.loads(line) for line in open(sys.argv[1], errors='replace')]
		tracks = {e['uuid']: e.get('tid') for e in events if e['type'] == 'track' and e.get('tgid') == int(pid)}
		comms = {e['tid']: e.get('name') or e.get('comm') for e in events if e['type'] == 'thread'}
		waits = {}
		for e in events:
		    if e['type'] == 'slice' and e['phase'] == 'begin' and e['track'] in tracks and e['name'].startswith('wait: '):
		        args = {a['key']: a.get('value') for a in e.get('args', [])}
		        waits.setdefault(comms.get(tracks[e['track']]), []).append((e['name'], args.get('file')))
		def files(comm):
		    return {f for name, f in waits.get(comm, []) if not name.startswith(('wait: futex', 'wait: clock', 'wait: fault'))}
		wanted = {'eventfd': '[eventfd]', 'timerfd': '[timerfd]', 'inotify': 'inotify', 'epoll': '[eventpoll]',
		          'memfd': 'memfd:mine (deleted)', 'gone': f'{work}/files/gone (deleted)', 'long': '.../' + 'n' * 250,
		          'deep': '...' + f'/{"d" * 100}' * 2 + '/x', 'one': f'pipe {idle}'}
		for comm, name in wanted.items():
		    assert files(comm) == {name}, (comm, name, waits.get(comm))
		assert all(f.startswith(f'unix socket @frec-{pid}') for f in files('abstract')) and files('abstract'), waits.get('abstract')
		assert waits.get('none') and files('none') == {None}, waits.get('none')
		assert f'pipe {busy}' in files('second') <= {f'pipe {busy}', None}, waits.get('second')
	END
}
within 20 named || fail "$(cat "$work/why")"
