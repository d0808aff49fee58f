#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# PostgreSQL as Debian ships it: stacks of slow waits lead to their start, of backends that wait for
# each other's locks, sleep, and have gone, and of its own processes.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../real.sh"

bin=/usr/lib/postgresql/15/bin
need "$bin/initdb" "$bin/postgres" "$bin/psql" "$bin/pgbench" setpriv
record

start_postgres -c checkpoint_timeout=30s
cd "$work/pg" || exit 1
"$bin/pgbench" -i -s 1 -q >>"$work/pg.log" 2>&1 || fail "pgbench: $(cat "$work/pg.log")"

cat >"$work/conflict.sql" <<-END
	BEGIN;
	UPDATE pgbench_branches SET bbalance = bbalance + 1 WHERE bid = 1;
	SELECT pg_sleep(0.02);
	END;
END
repeat "$bin/pgbench" -n -c 3 -T 60 -f "$work/conflict.sql"
repeat "$bin/pgbench" -n -c 2 -T 60
repeat "$bin/psql" -c 'LOCK TABLE pgbench_history; SELECT pg_sleep(0.05); CHECKPOINT'

attempt() {
	sleep 3 # of load
	count postgres="$postgres" && counted postgres 100 12 main PostmasterMain ProcSleep pg_sleep
}
until_counted
