#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What doctor says of the kernel is what the recorder does on it; it needs no recorder, and says what
# it cannot know without rights.
# May run beside others.
. "$(dirname "$0")/../lib.sh"

found() { # CHECK [FIELD]
	json "$work/doctor" "[c for c in d['checks'] if c['name'] == '$1'][0]['${2:-found}']"
}

ctl doctor --json >"$work/doctor" || fail "doctor: recording is not possible"
[ "$(found recorder verdict)" = warning ] || fail "recorder: $(found recorder)"
write_quiet_config
start_frecd
ctl doctor --json >"$work/doctor" || fail "doctor: recording is not possible"
[ "$(found recorder verdict)" = ok ] || fail "recorder: $(found recorder)"
case "$(found 'call ends')" in
"by $(status "d['call_ends']")"*) ;;
"by thread") [ "$(status "d['call_ends']")" = asked ] || fail "call ends, status: $(status "d['call_ends']")" ;;
*) fail "call ends: $(found 'call ends'), status: $(status "d['call_ends']")" ;;
esac
stop_frecd || fail "frecd ended with $?"

setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs \
	"$BUILD/frecctl" --run-directory "$work/run" doctor --json >"$work/doctor" && fail "possible without rights"
[ "$(found 'hot window')" = "cannot be probed without capabilities" ] || fail "hot window: $(found 'hot window')"
case "$(found 'dying processes')" in
"sched_process_exit comes in time" | "cannot be probed without capabilities") ;;
*) fail "dying processes: $(found 'dying processes')" ;;
esac
