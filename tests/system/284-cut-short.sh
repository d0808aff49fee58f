#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Mode slow: a slow call is told of also where its thread is killed, stopped, frozen or traced in it,
# or becomes another program; and who is interrupted in it has no result, also where the call is then
# begun again: whoever sent the signal let nobody go. Of threads registered for rseq(2) and of others.
. "$(dirname "$0")/../lib.sh"

cat >"$work/cut.py" <<'END'
import ctypes, fcntl, os, signal, sys, time
frozen, program = sys.argv[1:]
PTRACE_TRACEME, PTRACE_SYSCALL = 0, 24
ptrace = ctypes.CDLL(None).ptrace

def asleep(pid): # in the call, and for so long
    while open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()[0] != 'S':
        time.sleep(0.01)
    time.sleep(0.3)

def subject(name, prepare=None): # reads; returns its pid, and what it waits for
    there, here = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(here)
        if prepare:
            prepare()
        os.read(there, 1)
        os._exit(0)
    os.write(1, f'{name} {pid}\n'.encode())
    return pid, here

def restarted():
    def prepare():
        signal.signal(signal.SIGUSR1, lambda *_: None)
        signal.siginterrupt(signal.SIGUSR1, False)
    pid, end = subject('restarted', prepare)
    asleep(pid)
    os.kill(pid, signal.SIGUSR1)
    asleep(pid)
    os.write(end, b'x')

def killed():
    pid, end = subject('killed')
    asleep(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0) # or the pipe would end first

def stopped():
    pid, end = subject('stopped')
    asleep(pid)
    os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)
    os.kill(pid, signal.SIGCONT)
    asleep(pid)
    os.write(end, b'x')

def traced(): # as strace does
    def prepare():
        ptrace(PTRACE_TRACEME, 0, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
    pid, end = subject('traced', prepare)
    os.waitpid(pid, 0)
    if not os.fork():
        asleep(pid)
        os.write(end, b'x')
        os._exit(0)
    status = None
    while not ptrace(PTRACE_SYSCALL, pid, 0, 0):
        status = os.waitpid(pid, 0)[1]
        if os.WIFEXITED(status):
            break

def freezes():
    pid, end = subject('frozen')
    open(frozen + '/cgroup.procs', 'w').write(str(pid))
    def freeze(on):
        open(frozen + '/cgroup.freeze', 'w').write(str(on))
        while f'frozen {on}' not in open(frozen + '/cgroup.events').read():
            time.sleep(0.01)
    asleep(pid)
    freeze(1)
    freeze(0)
    asleep(pid)
    os.write(end, b'x')
    os.waitpid(pid, 0)

def executes(): # a program that somebody holds a lease on
    signal.signal(signal.SIGIO, lambda *_: None)
    lease = os.open(program, os.O_RDWR)
    fcntl.fcntl(lease, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    pid = os.fork()
    if not pid:
        os.close(lease)
        os.execv(program, [program])
    os.write(1, f'executes {pid}\n'.encode())
    while True:
        try:
            if open(f'/proc/{pid}/syscall').read().startswith('59 '):
                break
        except OSError:
            pass
        time.sleep(0.01)
    time.sleep(0.3)
    os.close(lease)

scenes = [restarted, killed, stopped, traced, executes] + ([freezes] if frozen else [])
for scene in scenes:
    if not os.fork():
        scene()
        os._exit(0)
for scene in scenes:
    if os.wait()[1]:
        sys.exit('a scene failed')
END

frozen=
root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
if [ -n "$root" ]; then
	own_cgroup "$root/frec-cut-$$"
	frozen=$group
else
	echo "no cgroup v2: nobody is frozen"
fi
cp /bin/true "$work/program"
write_quiet_config "window = 20s" "syscalls = slow"
start_frecd

# cut NAME [VAR=VALUE]: the results of each one's calls that took long
cut() {
	local name=$1
	shift
	env "$@" timeout 20 python3 "$work/cut.py" "$frozen" "$work/program" >"$work/pids" || fail "cut.py"
	take "$name"
	python3 - "$work/$name.json" "$work/pids" <<-'END' || fail "$name"
		import json, sys
		who = {int(pid): name for name, pid in (line.split() for line in open(sys.argv[2]))}
		begins, results = {}, {name: [] for name in who.values()}
		for event in sorted((json.loads(line) for line in open(sys.argv[1])), key=lambda e: e.get('ts', 0)):
		    tid = event.get('tid')
		    if tid not in who or event.get('nr') not in (0, 59): # read, execve
		        continue
		    if event['type'] == 'sys_enter':
		        begins[tid] = event['ts']
		    elif event['type'] == 'sys_exit' and event['ts'] - begins[tid] > 250e6:
		        results[who[tid]].append(event['ret'])
		print(results)
		again = [-512, 1] # ERESTARTSYS
		want = {'restarted': again, 'killed': [-512], 'stopped': again, 'traced': [1],
		        'executes': [0], 'frozen': again}
		assert len(results) > 4 and all(results[name] == want[name] for name in results)
	END
}
cut registered
cut unregistered GLIBC_TUNABLES=glibc.pthread.rseq=0
stop_frecd || fail "frecd ended with $?"
