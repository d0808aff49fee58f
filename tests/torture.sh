# SPDX-License-Identifier: GPL-2.0
# torture.sh - sourced behind lib.sh by the tests that are hard on the recorder: what must never stay behind.
# LONG=yes makes the tests as long as `make soak` wants them.
# shellcheck shell=bash disable=SC2034,SC2154

# rounds SHORT LONG: how often
rounds() {
	[ "${LONG:-}" ] && echo "$2" || echo "$1"
}

fds() {
	find "/proc/$frecd_pid/fd" -mindepth 1 | wc -l
}

# few_fds N: the recorder has no more than so many descriptors, and nothing under way.
few_fds() {
	[ "$(fds)" -le "$1" ]
}

pins() {
	find "$work/run/bpf" -mindepth 1 ! -name '*.debug' 2>/dev/null
}

half_files() {
	find "$work" -name '*.tmp' -o -name '*.pftrace.*'
}

# frecctl -o FILE, interrupted, removes what it has begun: a moment later
no_half_files() {
	[ -z "$(half_files)" ]
}

all_whole() {
	local path

	for path in "$work"/spool/*.pftrace "$work"/*.pftrace; do
		[ -e "$path" ] || continue # none
		ctl explain "$path" --json >/dev/null 2>"$work/whole" || fail "$path is not whole: $(cat "$work/whole")"
	done
}

# Without switches: the kernel of some hosts counts more of them than it tells tracers of.
unexplained() {
	status "sum(d['ledger']['unexplained'].values()) - d['ledger']['unexplained']['switches']"
}

nothing_lost() {
	[ "$(status "d['events']['lost']")" = 0 ] || fail "events lost: $(status "d['events']")"
	[ "$(unexplained)" = 0 ] || fail "not accounted for: $(status "d['ledger']")"
}

# end_clean: stops the recorder; nothing of it stays.
end_clean() {
	all_whole
	stop_frecd || fail "frecd ended with $?"
	[ -z "$(pins)" ] || fail "pins left: $(pins)"
	within 5 no_half_files || fail "half files: $(half_files)"
}
