#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# PostgreSQL as Debian ships it: stacks of slow waits lead to their start, of backends that wait for
# each other's locks, sleep, and have gone, and of its own processes.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../real.sh"

bin=/usr/lib/postgresql/15/bin
need "$bin/initdb" "$bin/postgres" "$bin/psql" "$bin/pgbench" setpriv
record

# it refuses to run as root
as_nobody() {
	setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"
}
mkdir "$work/pg"
chown nobody:nogroup "$work/pg"
export PGHOST=$work/pg PGUSER=nobody PGDATABASE=postgres
as_nobody "$bin/initdb" -D "$work/pg/data" -A trust --no-instructions >"$work/pg.log" 2>&1 ||
	fail "initdb: $(cat "$work/pg.log")"
cd "$work/pg" || exit 1
as_nobody "$bin/postgres" -D "$work/pg/data" -k "$work/pg" -c listen_addresses= \
	-c checkpoint_timeout=30s >>"$work/pg.log" 2>&1 &
pids+=($!)
within 20 "$bin/psql" -c 'SELECT 1' || fail "postgres: $(cat "$work/pg.log")"
postgres=$(head -n 1 "$work/pg/data/postmaster.pid")
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
