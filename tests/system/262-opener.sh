#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# An opener that does not answer costs a snapshot names, not the snapshot; log and trace say so, the
# log once.
. "$(dirname "$0")/../lib.sh"

write_quiet_config
start_frecd
opener=
for child in $(pgrep -P "$frecd_pid"); do
	[ "$(cat "/proc/$child/comm")" != frecd-opener ] || opener=$child
done
[ -n "$opener" ] || fail "no opener"

# said: snapshot, and whether it has the attribute
said() {
	ctl snapshot -o "$work/opener.pftrace" >/dev/null || fail "snapshot"
	ctl export "$work/opener.pftrace" --format json | grep -q '"key":"frec.opener","value":"did not answer"'
}
warnings() {
	grep -c 'the opener does not answer' "$work/frecd.log"
}

answers() {
	! said
}
within 20 answers || fail "said of an opener that answers"
kill -STOP "$opener"
said && said || fail "the trace does not say it"
[ "$(warnings)" = 1 ] || fail "warnings: $(warnings)"
kill -CONT "$opener"
within 20 answers || fail "said of an opener that answers again"
kill -STOP "$opener"
said || fail "the trace does not say it the second time"
kill -CONT "$opener"
[ "$(warnings)" = 2 ] || fail "warnings: $(warnings)"
