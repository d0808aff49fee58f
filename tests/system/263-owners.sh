#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Locks that processes share: the owner is named where the tid in the lock can be its. In another
# pid namespace it means somebody else, as it does when it has been given to another thread since.
. "$(dirname "$0")/../lib.sh"

command -v cc >/dev/null || skip "needs a C compiler (make deps)"
cat >"$work/shared.c" <<-'END'
	#include <pthread.h>
	#include <stdio.h>
	#include <stdlib.h>
	#include <sys/mman.h>
	#include <unistd.h>
	/* shared OWNER: takes a lock, writes OWNER into it unless that is 0, and a child waits for it */
	int main(int argc, char **argv)
	{
	        pthread_mutex_t *lock = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	        pthread_mutexattr_t attr;
	        int owner = argc > 1 ? atoi(argv[1]) : 0;
	        pid_t child;

	        pthread_mutexattr_init(&attr);
	        pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	        pthread_mutex_init(lock, &attr);
	        pthread_mutex_lock(lock);
	        if (owner)
	                lock->__data.__owner = owner;
	        child = fork();
	        if (!child) {
	                pthread_mutex_lock(lock);
	                return 0;
	        }
	        printf("%d\n", child);
	        fflush(stdout);
	        pause();
	        return 0;
	}
END
cc -O2 -pthread -o "$work/shared" "$work/shared.c" || fail "cc"

write_config <<-END
	[recorder]
	memory = 128M
	window = 5s
	[trigger orphaned]
	kind = lock
	threshold = 300ms
	comm = orphan
	post = 0
	max_per_hour = 0
END
start_frecd
sleep 50 & # it has no such memory
stranger=$!
pids+=("$stranger")
for owner in 0 "$stranger" 2; do
	"$work/shared" "$owner" >"$work/child.$owner" &
	parents[owner]=$!
	pids+=($!)
done
waits() {
	[ -s "$work/child.$1" ] && grep -q '^202 ' "/proc/$(cat "$work/child.$1")/syscall"
}
for owner in 0 "$stranger" 2; do
	within 10 waits "$owner" || fail "child of $owner does not wait"
	pids+=("$(cat "$work/child.$owner")")
done
take shared
# names WAITER PATTERN: what it waits for
names() {
	python3 - "$work/shared.json" "$1" "$2" <<-'END' || fail "the wait of $1 is not '$2'"
		import json, re, sys
		events = [json.loads(line) for line in open(sys.argv[1], errors='replace')]
		tids = {e['uuid']: e['tid'] for e in events if e['type'] == 'track' and e.get('tid')}
		names = [e['name'] for e in events if e['type'] == 'slice' and
		         tids.get(e['track']) == int(sys.argv[2]) and re.match('wait: (lock|futex) ', e['name'])]
		assert len(names) == 1 and re.fullmatch(sys.argv[3], names[0]), names
	END
}
names "$(cat "$work/child.0")" "wait: lock 0x[0-9a-f]+ held by shared/${parents[0]}"
names "$(cat "$work/child.$stranger")" 'wait: futex 0x[0-9a-f]+'
names "$(cat "$work/child.2")" 'wait: futex 0x[0-9a-f]+'

# ---- whose owner had ended when the wait began

cat >"$work/orphan.c" <<-'END'
	#include <pthread.h>
	#include <stdio.h>
	#include <sys/prctl.h>
	#include <unistd.h>
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static void *leave(void *unused)
	{
	        prctl(PR_SET_NAME, "leaver");
	        pthread_mutex_lock(&lock);
	        return unused;
	}
	int main(void)
	{
	        pthread_t t;

	        pthread_create(&t, NULL, leave, NULL);
	        pthread_join(t, NULL);
	        usleep(100000);
	        pthread_mutex_lock(&lock);
	        return 0;
	}
END
cc -O2 -pthread -o "$work/orphan" "$work/orphan.c" || fail "cc"
"$work/orphan" &
orphan=$!
pids+=("$orphan")
told() {
	ctl why --pid "$orphan" --json >"$work/why" && [ "$(json "$work/why" "d['cause']['wait']")" = lock ]
}
within 10 has_snapshot '*-orphaned-*' || fail "a lock that nobody can let go of does not fire"
within 4 told || fail "who took the lock along: $(json "$work/why" "d.get('cause')")"
json "$work/why" "d['cause']['text']" |
	grep -Eq "^leaver \(tid [0-9]+ of orphan, pid $orphan\) ended .* before this snapshot without letting go of mutex .*; orphan \(tid $orphan\) waits for it$" ||
	fail "in words: $(json "$work/why" "d['cause']['text']")"
