#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A process that exited or exec'ed before the snapshot has its stacks with names, and the locks that
# are variables of the program or of a library have theirs.
. "$(dirname "$0")/../lib.sh"

command -v cc >/dev/null || skip "needs a C compiler (make deps)"
cat >"$work/library.c" <<-END
	#include <pthread.h>
	struct { int count; pthread_mutex_t lock; } library_stats = {0, PTHREAD_MUTEX_INITIALIZER};
	void library_take(void) { pthread_mutex_lock(&library_stats.lock); __asm__(""); }
	void library_give(void) { pthread_mutex_unlock(&library_stats.lock); }
END
cat >"$work/brief.c" <<-END
	#include <pthread.h>
	#include <unistd.h>
	void library_take(void);
	void library_give(void);
	static pthread_mutex_t own_lock = PTHREAD_MUTEX_INITIALIZER;
	static void __attribute__((noipa)) want_own(void) { pthread_mutex_lock(&own_lock); __asm__(""); }
	static void __attribute__((noipa)) want_library(void) { library_take(); library_give(); __asm__(""); }
	static void *wants(void *arg)
	{
	        want_own();
	        want_library();
	        return arg;
	}
	int main(int argc, char **argv)
	{
	        pthread_t thread;

	        pthread_mutex_lock(&own_lock);
	        library_take();
	        pthread_create(&thread, NULL, wants, NULL);
	        usleep(100000);
	        pthread_mutex_unlock(&own_lock);
	        usleep(100000);
	        library_give();
	        pthread_join(thread, NULL);
	        sleep(1);
	        if (argc > 1)
	                execv(argv[1], argv + 1);
	        return 0;
	}
END
cc -O2 -fPIC -shared -o "$work/libstats.so" "$work/library.c" &&
	cc -O2 -fomit-frame-pointer -pie -fPIE -pthread -o "$work/brief" "$work/brief.c" -L"$work" -lstats \
		-Wl,-rpath,"$work" || fail "cc"

write_quiet_config "evidence = 64M"
start_frecd
"$work/brief" &
gone=$!
"$work/brief" /bin/sleep 30 &
changed=$!
pids+=("$changed")
is_sleep() {
	grep -qx sleep "/proc/$changed/comm"
}
wait "$gone"
within 10 is_sleep || fail "no exec"
ctl snapshot -o "$work/gone.pftrace" >/dev/null || fail "snapshot"
ctl export "$work/gone.pftrace" --format json >"$work/gone.json" || fail "export"

# lock PID VARIABLE FUNCTION…: a wait of that process for that lock, from within these functions
lock() {
	python3 -c '
import json, sys
path, pid, variable, *functions = sys.argv[1:]
tracks = {}
for line in open(path):
    e = json.loads(line)
    if e["type"] == "track":
        tracks[e["uuid"]] = e.get("tgid")
    if e["type"] != "slice" or e["phase"] != "begin" or not e["name"].startswith("wait: lock") or \
            tracks.get(e["track"]) != int(pid):
        continue
    args = {a["key"]: a.get("value") for a in e["args"]}
    seen = [f.get("function") for f in e["stack"]]
    print(e["name"], args.get("variable"), seen, args.get("waker_stack"))
    if e["name"].startswith(f"wait: lock {variable} (0x") and args.get("variable") == variable and \
            all(f in seen for f in functions) and "main" in args.get("waker_stack", ""):
        sys.exit(0)
sys.exit(1)' "$work/gone.json" "$@" >"$work/seen" || fail "$2 of process $1: $(cat "$work/seen")"
}
for pid in "$gone" "$changed"; do
	lock "$pid" own_lock want_own wants start_thread
	lock "$pid" library_stats+0x8 library_take want_library wants start_thread
done
