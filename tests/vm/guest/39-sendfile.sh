#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# sendfile(2) is an answer to a request, too, on a UNIX socket as well: kernels before 6.5 have
# functions of their own for it.
. /tests/lib

snapshot_there()
{
	ls "$spool"/*-"$1"-*.pftrace
}

recorder_start '[trigger tcp]' 'kind = request' 'port = 8094' 'threshold = 200ms' 'cooldown = 1h' \
	'[trigger unix]' 'kind = request' "port = $dir/socket" 'threshold = 200ms' 'cooldown = 1h'
for name in tcp unix; do
	where=8094
	[ $name = tcp ] || where=$dir/socket
	/tests/bin/sendfile "$where" >"$dir/sendfile" 2>&1 || fail "$name: $(cat "$dir/sendfile")"
	until_true 20 snapshot_there $name || fail "no snapshot of $name: $(frecctl triggers)"
	frecctl explain "$(snapshot_there $name)" >"$dir/why" || fail "explain"
	grep -q '^request .*, answered with 6 bytes' "$dir/why" ||
		fail "$name: taken for not answered: $(cat "$dir/why")"
done
recorder_stop || fail "frecd left with status $?"
