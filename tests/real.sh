# SPDX-License-Identifier: GPL-2.0
# real.sh - sourced behind lib.sh by the tests that run programs as Debian ships them, or count their stacks.
# shellcheck shell=bash disable=SC2034,SC2154

real_directory=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# need PROGRAM…: all of them, or the test cannot run.
need() {
	local program

	for program; do
		command -v "$program" >/dev/null || skip "needs $program (make deps)"
	done
}

# free_port: a port of 127.0.0.1 that nobody has now.
free_port() {
	/usr/bin/python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# start_upstream SECONDS: a web server that takes so long over /slow, and no time over anything else.
# Sets upstream to its pid, and upstream_port.
start_upstream() {
	/usr/bin/python3 -c '
import http.server, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(float(sys.argv[1]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *args):
        pass
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(s.server_port, flush=True)
s.serve_forever()' "$1" >"$work/upstream" 2>/dev/null &
	upstream=$!
	pids+=("$upstream")
	within 10 test -s "$work/upstream" || fail "no upstream"
	upstream_port=$(cat "$work/upstream")
}

# start_nginx [LINE…]: in $work/nginx, with these lines, and below http with those of stdin. Returns
# when it listens. Sets nginx to its pid.
start_nginx() {
	local each

	mkdir -p "$work/nginx"
	{
		printf '%s\n' "daemon off;" "user nobody nogroup;" "pid $work/nginx/nginx.pid;" "$@" \
			"events { worker_connections 256; }" "http {" "access_log $work/nginx/access.log;"
		for each in client_body proxy fastcgi uwsgi scgi; do
			echo "${each}_temp_path $work/nginx/$each;"
		done
		cat -
		echo "}"
	} >"$work/nginx/nginx.conf"
	nginx -e "$work/nginx/error.log" -p "$work/nginx" -c "$work/nginx/nginx.conf" 2>"$work/nginx/stderr" &
	nginx=$!
	pids+=("$nginx")
	within 10 test -s "$work/nginx/nginx.pid" || fail "nginx: $(cat "$work/nginx/stderr")"
}

# start_postgres [OPTION…]: in $work/pg, behind a UNIX socket there, which psql and pgbench find by
# themselves. It refuses to run as root. Sets postgres to its pid.
start_postgres() {
	local bin=/usr/lib/postgresql/15/bin nobody=(setpriv --reuid=nobody --regid=nogroup --clear-groups)

	mkdir "$work/pg"
	chown nobody:nogroup "$work/pg"
	export PGHOST=$work/pg PGUSER=nobody PGDATABASE=postgres
	"${nobody[@]}" "$bin/initdb" -D "$work/pg/data" -A trust --no-instructions >"$work/pg.log" 2>&1 ||
		fail "initdb: $(cat "$work/pg.log")"
	(cd "$work/pg" && exec "${nobody[@]}" "$bin/postgres" -D "$work/pg/data" -k "$work/pg" \
		-c listen_addresses= "$@" >>"$work/pg.log" 2>&1) &
	pids+=($!)
	within 20 "$bin/psql" -c 'SELECT 1' || fail "postgres: $(cat "$work/pg.log")"
	postgres=$(head -n 1 "$work/pg/data/postmaster.pid")
}

# record [LINE]: stacks as shipped; what else happens on the host shall not push them out.
record() {
	write_quiet_config "evidence = 128M" "$@"
	start_frecd
}

# repeat COMMAND…: over and over, until the test ends.
repeat() {
	while :; do "$@"; done >/dev/null 2>&1 &
	pids+=($!)
}

# remember PID: the latest of its children of now are counted with it also when they have exited.
remember() {
	pgrep -P "$1" >>"$work/children.$1"
	sort -un -o "$work/children.$1" "$work/children.$1"
}

# count NAME=PID…: a snapshot of each process and of its children, and what is in them in $work/count.
count() {
	local each name pid exports=()

	for each; do
		name=${each%%=*}
		pid=${each#*=}
		for pid in "$pid" $(pgrep -P "$pid" | head -n 12) \
			$(tail -n 3 "$work/children.$pid" 2>/dev/null); do
			ctl snapshot --pid "$pid" -o "$work/real.pftrace" 2>"$work/why" || return
			ctl export "$work/real.pftrace" --format json >"$work/real.$pid.json" || return
			exports+=("$name=$pid=$work/real.$pid.json")
		done
	done
	/usr/bin/python3 "$real_directory/stacks_count.py" "${exports[@]}" >"$work/count" 2>"$work/bad"
}

# counted NAME WAITS STACKS FUNCTION…: at least so many waits and different stacks are there, of the
# waits, those without a stack included, 95 % lead to the start, and these functions are in some of them.
counted() {
	local name=$1 waits=$2 kinds=$3 all good distinct whole cut functions f

	shift 3
	read -r _ all good distinct whole cut functions < <(grep "^$name " "$work/count")
	{
		echo "$name: $all waits, $good lead to their start; $distinct stacks, $whole do; $cut are cut"
		((all >= waits && distinct >= kinds)) || echo "$waits waits and $kinds stacks were meant"
		for f; do
			[[ ,$functions, == *,$f,* ]] || echo "no stack has $f: $functions"
		done
		cat "$work/bad"
	} >"$work/why"
	((all >= waits && distinct >= kinds && good * 100 >= all * 95)) || return 1
	for f; do
		[[ ,$functions, == *,$f,* ]] || return 1
	done
	head -n 1 "$work/why" >>"$work/result"
}

# Where the host is so busy with others that there is no time for names, the next attempt tells.
until_counted() {
	within 40 attempt || fail "$(cat "$work/why")"
	tail -n "${1:-1}" "$work/result"
}
