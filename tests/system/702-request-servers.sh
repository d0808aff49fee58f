#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Servers as they come, each with one slow request among fast ones: nginx before a slow upstream,
# redis with a slow script, PostgreSQL with a row that another session has locked, and a Go server
# whose handler sleeps. The trigger knows their port or socket only.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../real.sh"

bin=/usr/lib/postgresql/15/bin
need nginx redis-server redis-cli "$bin/postgres" "$bin/psql" setpriv
nginx_port=$(free_port) go_port=$(free_port)

# ---- nginx

start_upstream 0.6
start_nginx <<<"server { listen 127.0.0.1:$nginx_port; location / { proxy_pass http://127.0.0.1:$upstream_port; } }"

# ---- redis

redis-server --port 0 --unixsocket "$work/redis.sock" --dir "$work" --save '' --loglevel warning >/dev/null 2>&1 &
redis=$!
pids+=("$redis")
cli() {
	redis-cli -s "$work/redis.sock" "$@"
}

# ---- PostgreSQL

start_postgres
sql() {
	"$bin/psql" -q -c "$@"
}

# ---- Go

if command -v go >/dev/null; then
	cat >"$work/serve.go" <<-END
		package main

		import ("fmt"; "net/http"; "os"; "time")

		func main() {
			http.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(600 * time.Millisecond)
				fmt.Fprint(w, "ok")
			})
			http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") })
			panic(http.ListenAndServe("127.0.0.1:" + os.Args[1], nil))
		}
	END
	GOCACHE=$BUILD/scenarios/go-cache go build -o "$work/serve" "$work/serve.go" || fail "go build"
	"$work/serve" "$go_port" &
	pids+=($!)
fi

# ---- one slow request each

for name in "nginx $nginx_port" "redis $work/redis.sock" "postgres $work/pg/.s.PGSQL.5432" "go $go_port"; do
	printf '[trigger %s]\nkind = request\nport = %s\nthreshold = 300ms\ncooldown = 1h\n' "${name% *}" "${name#* }"
done | write_config
start_frecd
get() {
	python3 -c 'import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1]).read().decode())' "http://127.0.0.1:$1" || fail "no answer: $1"
}
within 20 sql 'CREATE TABLE t AS SELECT 1 AS n' || fail "postgres: $(cat "$work/pg.log")"
within 10 cli ping || fail "redis"

# explained NAME: takes the snapshot of its trigger and what explain says of it
explained() {
	within 10 has_snapshot "*-$1-*" || fail "$1 did not fire: $(ctl triggers)"
	[ "$(snapshots "*-$1-*" | wc -l)" = 1 ] || fail "$1 fired more than once"
	ctl explain "$(snapshots "*-$1-*")" >"$work/$1.why" || fail "explain $1"
	ctl explain "$(snapshots "*-$1-*")" --json >"$work/$1.json" || fail "explain $1"
}
# cause NAME WAIT COMM: WAIT is a pattern
cause() {
	[[ "$(json "$work/$1.json" "d['cause']['wait'] + ' ' + d['cause']['comm']")" == $2\ $3 ]] ||
		fail "$1: want $2 $3: $(cat "$work/$1.why")"
}

for _ in 1 2 3; do
	get "$nginx_port/" >/dev/null
done
get "$nginx_port/slow" >/dev/null
explained nginx
cause nginx sleep python3

for _ in 1 2 3; do
	cli set key value >/dev/null
done
cli eval 'local n = 0; local t = redis.call("TIME"); repeat n = n + 1; local u = redis.call("TIME");
	until (u[1] - t[1]) * 1000000 + u[2] - t[2] > 600000; return n' 0 >/dev/null
explained redis
cause redis 'run*' redis-server # on a busy host it lacks a CPU for longer than it has one

# the session that has the row thinks for 600 ms
printf 'BEGIN;\nUPDATE t SET n = 2;\n\\! touch "%s"; sleep 0.6\nCOMMIT;\n' "$work/locked" | "$bin/psql" -q &
pids+=($!)
within 10 test -e "$work/locked" || fail "psql: $(cat "$work/pg.log")"
sql 'UPDATE t SET n = 3' >/dev/null
explained postgres
cause postgres sleep sleep

if command -v go >/dev/null; then
	for _ in 1 2 3; do
		get "$go_port/" >/dev/null
	done
	get "$go_port/slow" >/dev/null
	explained go
	# its tasks sleep in user space: nobody may be accused
	[[ "$(json "$work/go.json" "d['cause']['wait']")" == @(unknown|sleep) ]] || fail "go: $(cat "$work/go.why")"
fi
