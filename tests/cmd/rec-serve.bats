#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031 # every test is a subshell: SERVE is its own

load ../helper
load ../serve
setup_file() {
    serve_model "$BATS_FILE_TMPDIR"
}
setup() {
    rec_setup
    cp "$BATS_FILE_TMPDIR"/*.rec .
}
teardown() {
    serve_stop
    [ -z "${OPEN-}" ] || rm -rf "$OPEN"
}

@test "a pipe is a connection: requests are answered in turn until it ends" {
    get /healthz '/recommendations/1?k=3' /nothing/here | rec-serve -c movies.rec model.rec >out
    [ "$(grep -c '^HTTP/1.1 200 OK' out)" -eq 2 ]
    [ "$(grep -c '^HTTP/1.1 404 Not Found' out)" -eq 1 ]
    grep -q '"status":"ok"' out
    rec-recommend -q -u 1 -k 3 model.rec | sed 1d | cut -d, -f2 >want
    grep '^{"user_id"' out | jq -r '.items[].movie_id' | diff want -
}

@test "a film of the catalogue alone, of the model alone, of neither" {
    {
        head -n 1 "$ROOT/data/sample/movies.csv"
        sed 1d "$ROOT/data/sample/movies.csv" | head -n 40
        echo '99999,Nobody Has Seen It (2031),Drama'
    } >some.csv
    rec-ingest -q --movies some.csv >some.rec
    known=$(rec-recommend -q -u 1 -k 500 model.rec | cut -d, -f2 | sed 1d | grep -vxFf <(sed 1d some.csv | cut -d, -f1) | head -n 1)
    first=$(sed -n 2p some.csv | cut -d, -f1)
    get "/movies/$first" /movies/99999 "/movies/$known" /movies/no-such-film | rec-serve -c some.rec model.rec >out
    grep -a '^{' out >bodies
    jq -se --arg first "$first" '.[0].movie_id == $first and .[0].title != null' bodies
    jq -se '.[1].movie_id == "99999" and .[1].year == 2031 and .[1].popularity == 0' bodies
    jq -se --arg known "$known" '.[2] | .movie_id == $known and .title == null and .year == null and .genres == [] and .popularity > 0' bodies
    jq -se '.[3].status == 404 and .[3].title == "Not Found"' bodies
    grep -aq '^Content-Type: application/problem+json' out
    get "/movies/$known" /movies/99999 | rec-serve model.rec | grep -a '^{' >bodies
    jq -se --arg known "$known" '.[0].movie_id == $known and .[0].title == null and .[1].status == 404' bodies
}

@test "a malformed request is the last one of its connection" {
    { printf 'GET /healthz  HTTP/1.1\r\nHost: x\r\n\r\n'; get /healthz; } | rec-serve model.rec >out
    grep -q '^HTTP/1.1 400 Bad Request' out
    grep -qi '^Connection: close' out
    [ "$(grep -c '^HTTP/1.1' out)" -eq 1 ]
}

@test "a socket is a connection, both ways, and the client's end is the end" {
    python3 - <<'END'
import socket, subprocess
ours, theirs = socket.socketpair()
p = subprocess.Popen(["rec-serve", "model.rec"], stdin=theirs, stdout=theirs, stderr=theirs)
theirs.close()
def answer():
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += ours.recv(1)
    n = int([l for l in head.decode().split("\r\n") if l.lower().startswith("content-length:")][0].split(":")[1])
    body = b""
    while len(body) < n:
        body += ours.recv(n - len(body))
    return head.split()[1], body
for i in range(3):
    ours.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer() == (b"200", b'{"status":"ok"}\n'), i
ours.shutdown(socket.SHUT_WR)
assert ours.recv(10) == b""
assert p.wait(10) == 0
END
}

@test "standard error that is the connection carries no messages to the client" {
    python3 - <<'END'
import socket, subprocess
for args in (["no-such.rec"], ["--no-such-option", "model.rec"]):
    ours, theirs = socket.socketpair()
    p = subprocess.Popen(["rec-serve", *args], stdin=theirs, stdout=theirs, stderr=theirs)
    theirs.close()
    got = b""
    while chunk := ours.recv(4096):
        got += chunk
    assert p.wait(10) in (1, 2)
    assert b"rec-serve:" not in got, got
    assert args[0] != "no-such.rec" or got.startswith(b"HTTP/1.1 503 "), got
END
}

@test "wrong usage and what cannot be opened" {
    refuses 2 'standard input is no connection: --listen' rec-serve model.rec </dev/null
    refuses 2 'operand is missing' rec-serve
    refuses 2 '--tls-cert and --tls-key go together' rec-serve --listen 127.0.0.1:0 --tls-cert x model.rec
    refuses 1 'no-such.rec: no such file' rec-serve --listen 127.0.0.1:0 no-such.rec
    refuses 1 "--rate-address: 5: N/SECONDS" rec-serve --listen 127.0.0.1:0 --rate-address 5 model.rec
    refuses 1 'there is no such user' rec-serve --listen 127.0.0.1:0 --user no-such-user model.rec
    head -c 2000 model.rec >cut.rec
    refuses 1 'cut.rec: truncated' rec-serve --listen 127.0.0.1:0 cut.rec
    refuses 1 'nowhere.db: there is no such file; make the store with rec-db init' rec-serve --listen 127.0.0.1:0 --store nowhere.db model.rec
    rec-db init -q --store there.db
    refuses 1 'nowhere.db' rec-serve --listen 127.0.0.1:0 --store nowhere.db model.rec
}

@test "--listen: says where, keeps connections, stops gracefully" {
    serve_start -c movies.rec model.rec
    curl -sS "$URL/healthz" "$URL/recommendations/1?k=2" -w '%{num_connects}\n' >out
    [ "$(grep -c '"status":"ok"' out)" -eq 1 ]
    [ "$(tail -n 1 out | sed 's/.*}//')" = 0 ]
    [ "$(curl -sS -o /dev/null -w '%{http_code}' "$URL/x")" = 404 ]
    grep -q '"GET /healthz HTTP/1.1" 200' serve.err
    kill "$SERVE"
    wait "$SERVE"
    SERVE=
}

@test "another model is taken, a broken one is not and is told of once" {
    serve_start --log none model.rec
    first=$(curl -sS "$URL/version" | jq -r .model)
    rec-train -q --model popular ratings.rec -o model.rec
    within 50 eval '[ "$(curl -sS "$URL/version" | jq -r .model)" != '"$first"' ]'
    second=$(curl -sS "$URL/version" | jq -r .model)
    head -c 3000 model.rec >cut.rec && mv cut.rec model.rec
    within 50 grep -q 'truncated.*not taken' serve.err
    sleep 2.2
    [ "$(grep -c 'not taken' serve.err)" -eq 1 ]
    [ "$(curl -sS "$URL/version" | jq -r .model)" = "$second" ]
    kill -HUP "$SERVE"
    within 50 eval '[ "$(grep -c "not taken" serve.err)" -eq 2 ]'
}

@test "a model behind a link, as in a registry: another link is another model, also in the sandbox" {
    mkdir -p registry/versions/1 registry/versions/2
    cp model.rec registry/versions/1
    rec-train -q --model popular ratings.rec -o registry/versions/2/model.rec
    ln -s versions/1 registry/production
    serve_start --log none registry/production/model.rec
    first=$(curl -sS "$URL/version" | jq -r .model)
    ln -s versions/2 registry/new
    mv -T registry/new registry/production
    within 50 eval '[ "$(curl -sS "$URL/version" | jq -r .model)" != '"$first"' ]'
    ln -s versions/1 registry/new
    mv -T registry/new registry/production
    within 50 eval '[ "$(curl -sS "$URL/version" | jq -r .model)" = '"$first"' ]'
}

@test "TLS, and a new certificate after SIGHUP" {
    certificate one
    serve_start --tls-cert cert.pem --tls-key key.pem model.rec
    curl -sS --cacert cert.pem "https://localhost:${URL##*:}/healthz" | grep -q ok
    certificate two
    kill -HUP "$SERVE"
    within 50 curl -sS --cacert cert.pem "https://localhost:${URL##*:}/healthz" -o /dev/null
}

@test "the state directory is made, ours alone, and counts across processes" {
    get /healthz | rec-serve --state state --open-metrics model.rec >/dev/null
    [ "$(stat -c %a state)" = 700 ]
    get /metrics | rec-serve --state state --open-metrics model.rec >out
    grep -q 'rec_http_requests_total{route="/healthz",method="GET",status="200"} 1' out
}

@test "the service manager is told when it is ready" {
    python3 - <<'END'
import os, signal, socket, subprocess
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("notify"); s.settimeout(20)
p = subprocess.Popen(["rec-serve", "-q", "--listen", "127.0.0.1:0", "model.rec"], env={**os.environ, "NOTIFY_SOCKET": os.path.abspath("notify")})
assert s.recv(100) == b"READY=1"
p.send_signal(signal.SIGTERM)
assert s.recv(100) == b"STOPPING=1"
assert p.wait(20) == 0
END
}

@test "a keyring is made on the first start, once, and one that was lost is not replaced" {
    rec-db init -q --store rec.db
    rm rec.keys
    for ((i = 0; i < 8; i++)); do
        get /healthz | rec-serve --store rec.db model.rec >"out.$i" 2>"err.$i" &
    done
    wait
    [ "$(cat out.? | grep -c '^HTTP/1.1 200')" -eq 8 ]
    [ "$(cat err.? | grep -c 'rec.keys: a new keyring; keep a copy')" -eq 1 ]
    [ "$(stat -c %a rec.keys)" = 600 ]
    [ "$(grep -c '^1 ' rec.keys)" -eq 1 ]
    cp rec.keys first.keys
    serve_start --store rec.db model.rec
    cmp rec.keys first.keys
    [ "$(curl -sS -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' \
        -d '{"username":"somebody","email":"a@example.org","password":"a password of somebody"}' "$URL/users/register")" = 201 ]
    serve_stop
    rm rec.keys
    refuses 1 'keys: rec.keys: is not there, but .*rec.db holds what only its keys can read' rec-serve --store rec.db --listen 127.0.0.1:0 model.rec
    get /healthz | rec-serve --store rec.db model.rec >out 2>err || [ $? -eq 1 ]
    grep -q '^HTTP/1.1 503' out
    [ ! -e rec.keys ]
    mv first.keys rec.keys
    serve_start --store rec.db --workers 2 model.rec
    curl -sS -o /dev/null -f -d 'grant_type=password&username=somebody&password=a+password+of+somebody' "$URL/token"
}

@test "--user: root becomes somebody else, for good" {
    [ "$(id -u)" = 0 ] || skip "root alone can become another user"
    chmod 755 . "$BATS_FILE_TMPDIR"
    serve_start --user nobody --state state model.rec
    [ "$(awk '/^Uid:/ { print $2 $3 $4 }' /proc/"$SERVE"/status)" = "$(id -u nobody)$(id -u nobody)$(id -u nobody)" ]
    [ "$(stat -c %U state)" = nobody ]
    curl -sS "$URL/recommendations/1" | grep -q movie_id
    serve_stop
    # SQLite goes by whole paths, and the directory that bats works in is open to nobody else.
    OPEN=$(mktemp -d)
    rec-db init -q --store "$OPEN/rec.db"
    rm "$OPEN/rec.keys"
    chown -R nobody "$OPEN"
    serve_start --user nobody --state state --store "$OPEN/rec.db" model.rec
    [ "$(stat -c %U:%a "$OPEN/rec.keys")" = nobody:600 ]
}

@test "the sandbox is in force in every thread" {
    serve_start model.rec
    grep -q 'not fenced in\|no sandbox' serve.err && skip "the kernel has no Landlock or seccomp, or this is a sanitizer's build"
    for status in /proc/"$SERVE"/task/*/status; do
        grep -q '^Seccomp:[[:space:]]*2' "$status"
        grep -q '^NoNewPrivs:[[:space:]]*1' "$status"
    done
}
