#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nginx and redis-server as Debian ships them: stacks of slow waits lead to their start, also those
# of workers that have exited since, from the copy of the stack that is taken by default.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../real.sh"

need nginx wrk redis-server redis-cli
record

# ---- nginx: a slow upstream, files read by a pool of threads, workers replaced by a reload

/usr/bin/python3 -c '
import http.server, time
class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.03)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
print(s.server_port, flush=True)
s.serve_forever()' >"$work/upstream" 2>/dev/null &
pids+=($!)
within 10 test -s "$work/upstream" || fail "no upstream"
port=$(free_port)
mkdir -p "$work/nginx/html"
head -c 4M /dev/urandom >"$work/nginx/html/large"
cat >"$work/nginx/nginx.conf" <<-END
	daemon off;
	user nobody nogroup;
	pid $work/nginx/nginx.pid;
	worker_processes 2;
	thread_pool default threads=2;
	events { worker_connections 128; }
	http {
		access_log $work/nginx/access.log;
		client_body_temp_path $work/nginx/body; proxy_temp_path $work/nginx/proxy;
		fastcgi_temp_path $work/nginx/fcgi; uwsgi_temp_path $work/nginx/uwsgi;
		scgi_temp_path $work/nginx/scgi;
		server {
			listen 127.0.0.1:$port;
			root $work/nginx/html;
			location /slow { proxy_pass http://127.0.0.1:$(cat "$work/upstream"); }
			location /large { aio threads; output_buffers 1 64k; sendfile off; limit_rate 2m; }
		}
	}
END
nginx -e "$work/nginx/error.log" -p "$work/nginx" -c "$work/nginx/nginx.conf" 2>"$work/nginx/stderr" &
nginx=$!
pids+=("$nginx")
within 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" || fail "nginx: $(cat "$work/nginx/stderr")"
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
