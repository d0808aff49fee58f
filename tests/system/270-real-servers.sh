#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nginx and redis-server as Debian ships them: stacks of slow waits lead to their start, without
# frame pointers, from the copy of the stack that is taken by default.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../real.sh"

need nginx wrk redis-server redis-cli
record

# ---- nginx: a slow upstream, files from a pool of threads, a reload

port=$(free_port)
mkdir -p "$work/nginx/logs" "$work/nginx/html"
head -c 4M /dev/urandom >"$work/nginx/html/large"
/usr/bin/python3 -c '
import http.server, time
class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.03)
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
print(s.server_port, flush=True)
s.serve_forever()' 2>"$work/upstream.log" >"$work/upstream" &
pids+=($!)
within 10 test -s "$work/upstream" || fail "no upstream"
cat >"$work/nginx/nginx.conf" <<-END
	daemon off;
	user nobody nogroup;
	pid $work/nginx/nginx.pid;
	error_log $work/nginx/error.log;
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
nginx -p "$work/nginx" -c "$work/nginx/nginx.conf" 2>"$work/nginx/stderr" &
nginx=$!
pids+=("$nginx")
within 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" || fail "nginx: $(cat "$work/nginx/stderr")"

# ---- redis: the main thread in epoll and in sleeps, its background threads, a child that saves

redis-server --port 0 --unixsocket "$work/redis.sock" --dir "$work" --appendonly yes --save '' \
	--enable-debug-command yes --rdb-key-save-delay 20000 --loglevel warning >"$work/redis.log" 2>&1 &
redis=$!
pids+=("$redis")
within 10 test -S "$work/redis.sock" || fail "redis: $(cat "$work/redis.log")"
cli=(redis-cli -s "$work/redis.sock")

wrk -t 1 -c 4 -d 6s "http://127.0.0.1:$port/slow" >/dev/null 2>&1 &
pids+=($!)
wrk -t 1 -c 2 -d 6s "http://127.0.0.1:$port/large" >/dev/null 2>&1 &
pids+=($!)
"${cli[@]}" debug populate 100 >/dev/null || fail "redis-cli"
"${cli[@]}" bgsave >/dev/null
"${cli[@]}" blpop nothing 5 >/dev/null &
pids+=($!)
for _ in {1..10}; do
	"${cli[@]}" debug sleep 0.05 >/dev/null
	"${cli[@]}" set key value >/dev/null
done
within 20 bash -c "${cli[*]} info persistence | grep -q 'rdb_bgsave_in_progress:0'" || fail "bgsave"
kill -HUP "$nginx"
within 10 bash -c "grep -c 'gracefully\|notice' $work/nginx/error.log || true"
wait "${pids[-2]}" 2>/dev/null
count nginx="$nginx" redis="$redis"
expect nginx 100 5 main ngx_master_process_cycle start_thread
expect redis 50 4 main aeMain start_thread
