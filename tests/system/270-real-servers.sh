#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nginx and redis-server as Debian ships them: stacks of slow waits lead to their start, also those
# of workers that have exited since, from the copy of the stack that is taken by default.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../real.sh"

need nginx wrk redis-server redis-cli
record

# ---- nginx: a slow upstream, files read by a pool of threads, workers replaced by a reload

start_upstream 0.03
port=$(free_port)
mkdir -p "$work/nginx/html"
head -c 4M /dev/urandom >"$work/nginx/html/large"
start_nginx "worker_processes 2;" "thread_pool default threads=2;" <<-END
	server {
		listen 127.0.0.1:$port;
		root $work/nginx/html;
		location /slow { proxy_pass http://127.0.0.1:$upstream_port; }
		location /large { aio threads; output_buffers 1 64k; sendfile off; limit_rate 2m; }
	}
END
repeat wrk -t 1 -c 4 -d 2s "http://127.0.0.1:$port/slow"
repeat wrk -t 1 -c 2 -d 2s "http://127.0.0.1:$port/large"

# ---- redis: the main thread in epoll and in sleeps, its background threads, a child that saves

redis-server --port 0 --unixsocket "$work/redis.sock" --dir "$work" --appendonly yes --save '' \
	--enable-debug-command yes --rdb-key-save-delay 20000 --loglevel warning >"$work/redis.log" 2>&1 &
redis=$!
pids+=("$redis")
within 10 test -S "$work/redis.sock" || fail "redis: $(cat "$work/redis.log")"
cli() {
	redis-cli -s "$work/redis.sock" "$@"
}
cli debug populate 50 >/dev/null || fail "redis-cli"
exchange() {
	cli debug sleep 0.05
	cli set key value
	cli blpop nothing 0.2
}
repeat exchange

saved() {
	cli info persistence | grep -q 'rdb_bgsave_in_progress:0'
}

attempt() {
	remember "$nginx"
	cli bgsave >/dev/null
	kill -HUP "$nginx"
	within 5 pgrep -P "$redis"
	remember "$redis"
	within 15 saved
	sleep 1 # of load for the new workers
	remember "$nginx"
	count nginx="$nginx" redis="$redis" && counted nginx 100 6 main ngx_master_process_cycle start_thread &&
		counted redis 50 4 main aeMain start_thread
}
until_counted 2
