#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031 # every test is a subshell: FRONT is its own
#
# rec-serve under the real programs that start it or stand in front of it. Each has to serve the same requests alike: serve-client.py.

load ../helper
load ../serve
setup_file() {
    serve_model "$BATS_FILE_TMPDIR"
    chmod 755 "$BATS_FILE_TMPDIR"
}
setup() {
    rec_setup
    cp "$BATS_FILE_TMPDIR"/*.rec .
    PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    SERVER=$REC_BIN/rec-serve
    ME=$(id -un)
    FRONT=
}
teardown() {
    if [ -n "$FRONT" ]; then
        # what a super-server started for us goes with it
        pkill -TERM -P "$FRONT" || :
        kill "$FRONT" 2>/dev/null || :
        wait "$FRONT" || :
    fi
    serve_stop
}

# front COMMAND...: runs it, and waits until somebody listens.
front() {
    "$@" >front.out 2>&1 3>&- &
    FRONT=$!
    within 100 listens || { cat front.out; return 1; }
}
listens() { grep -q ":$(printf '%04X' "$PORT") 00000000:0000 0A" /proc/net/tcp; }

# The same, whoever asks and whoever is asked.
alike() {
    local want
    mapfile -t want < <(rec-recommend -q -u 1 -k 5 model.rec | sed 1d | cut -d, -f2)
    python3 "$ROOT/tests/integration/serve-client.py" "127.0.0.1:$PORT" "${want[@]}" || { cat front.out; return 1; }
}

@test "tcpserver" {
    front tcpserver -RHl0 127.0.0.1 "$PORT" "$SERVER" --state "$PWD/state" --log "$PWD/log" "$PWD/model.rec"
    alike
    # one log, whole lines, the client's address
    [ "$(grep -c '^127\.0\.0\.1 - .* HTTP/1.1" ' log)" -eq "$(wc -l <log)" ]
}

@test "tcpserver: limits hold across processes" {
    front tcpserver -RHl0 127.0.0.1 "$PORT" "$SERVER" --state "$PWD/state" --rate-address 5/1000 "$PWD/model.rec"
    for _ in 1 2 3 4 5 6 7; do curl -s -o /dev/null -w '%{http_code}\n' "http://127.0.0.1:$PORT/movies/popular"; done >codes
    [ "$(grep -c 200 codes)" -eq 5 ]
    [ "$(grep -c 429 codes)" -eq 2 ]
}

@test "xinetd" {
    cat >xinetd.conf <<END
defaults
{
    instances = 50
    cps = 1000 1
}
service rec
{
    type = UNLISTED
    bind = 127.0.0.1
    port = $PORT
    socket_type = stream
    protocol = tcp
    wait = no
    user = $ME
    server = $SERVER
    server_args = --state $PWD/state $PWD/model.rec
}
END
    front xinetd -f "$PWD/xinetd.conf" -dontfork -filelog "$PWD/xinetd.log" -pidfile "$PWD/xinetd.pid"
    alike
}

@test "openbsd-inetd: a process for each connection" {
    inetd=$("$ROOT/tests/inetd") || skip "openbsd-inetd cannot be fetched"
    echo "127.0.0.1:$PORT stream tcp nowait.1000 $ME $SERVER rec-serve --state $PWD/state $PWD/model.rec" >inetd.conf
    front "$inetd" -i -q 16 "$PWD/inetd.conf"
    alike
}

@test "openbsd-inetd: wait, one process that listens" {
    inetd=$("$ROOT/tests/inetd") || skip "openbsd-inetd cannot be fetched"
    echo "127.0.0.1:$PORT stream tcp wait $ME $SERVER rec-serve --state $PWD/state $PWD/model.rec" >inetd.conf
    front "$inetd" -i "$PWD/inetd.conf"
    alike
    [ "$(pgrep -P "$FRONT" | wc -l)" -eq 1 ]
}

@test "systemd, Accept=yes: a process for each connection, on standard input" {
    front systemd-socket-activate -l "127.0.0.1:$PORT" --accept --inetd "$SERVER" --state "$PWD/state" "$PWD/model.rec"
    alike
}

@test "systemd, Accept=yes: the connection as a passed descriptor" {
    front systemd-socket-activate -l "127.0.0.1:$PORT" --accept "$SERVER" --state "$PWD/state" "$PWD/model.rec"
    alike
}

@test "systemd, Accept=no: a socket that listens is passed on" {
    front systemd-socket-activate -l "127.0.0.1:$PORT" "$SERVER" --state "$PWD/state" "$PWD/model.rec"
    alike
    grep -q 'rec-serve: listening on' front.out
}

@test "a socket that listens as standard input" {
    front python3 -c '
import os, socket, sys
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen()
os.dup2(s.fileno(), 0)
os.execv(sys.argv[2], ["rec-serve", "model.rec"])' "$PORT" "$SERVER"
    alike
}

@test "nginx in front, which tells whom it asks for" {
    serve_start --proxy 127.0.0.1 --log "$PWD/log" --rate-address 12/1000 model.rec
    mkdir -m 777 nginx
    cat >nginx.conf <<END
daemon off;
pid $PWD/nginx/pid;
error_log $PWD/nginx/error.log;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path $PWD/nginx/body; proxy_temp_path $PWD/nginx/proxy; fastcgi_temp_path $PWD/nginx/fastcgi;
    uwsgi_temp_path $PWD/nginx/uwsgi; scgi_temp_path $PWD/nginx/scgi;
    upstream rec { server ${URL#http://}; keepalive 8; }
    server {
        listen 127.0.0.1:$PORT;
        location / {
            proxy_pass http://rec;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Forwarded-For \$remote_addr;
        }
        location /other/ {
            proxy_pass http://rec/;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Forwarded-For 192.0.2.7;
        }
    }
}
END
    front nginx -p "$PWD/nginx" -e "$PWD/nginx/error.log" -c "$PWD/nginx.conf"
    alike
    # another client behind the same proxy has limits of its own
    for _ in $(seq 20); do curl -s -o /dev/null -w '%{http_code}\n' "http://127.0.0.1:$PORT/movies/popular"; done | grep -q 429
    [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$PORT/other/movies/popular")" = 200 ]
}
