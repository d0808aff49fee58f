#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A request that is still under way when the snapshot is taken, at a server that polls: the verdict
# goes on with whom that one has asked since, be it a thread that was made for it.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../real.sh"

need nginx curl
port=$(free_port)
start_upstream 3
write_config <<-END
	[trigger slow-page]
	kind = request
	port = $port
	threshold = 100ms
	hold = 300ms
	cooldown = 0
END
start_frecd
start_nginx <<<"server { listen 127.0.0.1:$port; location / { proxy_pass http://127.0.0.1:$upstream_port; } }"
get() {
	curl -sf -m 10 "http://127.0.0.1:$port/$1" >/dev/null
}
within 10 get fast || fail "no answer"
get fast
asked() { # by the newest snapshot
	ctl explain "$(snapshots '*-slow-page-*' | tail -n 1)" --json >"$work/why.json" || fail "explain"
	python3 - "$work/why.json" "$upstream" <<-'END'
		import json, sys
		chain = json.load(open(sys.argv[1]))["chain"]
		first = chain[0]
		assert first["comm"] == "nginx" and first["wait"] == "poll" and first["still_waiting"], first
		if len(chain) == 1: # what a busy host's own thread for soft interrupts delivers has no sender
		    sys.exit(1)
		assert first["rests_on"] == ["request"] and not first["sure"], first
		second = chain[1]
		if second["pid"] != int(sys.argv[2]) or second["tid"] == second["pid"] or second["wait"] != "sleep":
		    sys.exit(f"asked: {second}")
	END
}
for try in 1 2 3; do
	get slow || fail "no answer to the slow one"
	within 10 eval "[ \$(snapshots '*-slow-page-*' | wc -l) = $try ]" || fail "no snapshot"
	asked && exit 0
done
fail "the verdict: $(cat "$work/why.json")"
