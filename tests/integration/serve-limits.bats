#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031 # every test is a subshell: SERVE is its own
# rec-serve --limits: servers with state directories of their own, as on several hosts, and a process for one request, share their limits by a Redis;
# and one that hangs, is gone and is back stops nobody, and lets nobody have more than a host alone allows.

load ../helper
load ../serve
setup_file() {
    serve_model "$BATS_FILE_TMPDIR"
}
setup() {
    rec_setup
    cp -p "$BATS_FILE_TMPDIR"/*.rec .
    serve_redis
    SERVES=
}
teardown() {
    for SERVE in $SERVES; do serve_stop; done
    serve_redis_stop
}

# host NAME OPTION...: a server of that name; its address is the file NAME.url, what it says NAME.err.
host() {
    local name=$1
    shift
    serve_start --limits "$REDIS_URL" --state "$name" --open-metrics "$@" model.rec
    SERVES="$SERVES $SERVE"
    mv serve.err "$name.err"
    echo "$URL" >"$name.url"
}
# ask NAME: the status of an answer; all of it is the file NAME.out.
ask() {
    curl -sS -i "$(cat "$1.url")/healthz" >"$1.out"
    sed -n '1s/^[^ ]* \([0-9]*\).*/\1/p' "$1.out"
}
# asks N NAME...: how many of N requests, to these in turn, are answered by 200.
asks() {
    local n=$1 passed=0 i names
    shift
    names=("$@")
    for ((i = 0; i < n; i++)); do
        [ "$(ask "${names[i % ${#names[@]}]}")" != 200 ] || passed=$((passed + 1))
    done
    echo "$passed"
}

@test "servers of several hosts, and a process for one request, share a limit" {
    host a --rate-address 6/600
    host b --rate-address 6/600
    [ "$(asks 10 a b)" -eq 6 ]
    grep -qi '^RateLimit: "address";r=0;t=' b.out
    grep -qi '^RateLimit-Policy: "address";q=6;w=600' b.out
    wait=$(sed -n 's/^Retry-After: \([0-9]*\).*/\1/p' b.out)
    [ "$wait" -gt 80 ] && [ "$wait" -le 100 ]
    printf 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 127.0.0.1\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n' |
        rec-serve --limits "$REDIS_URL" --state c --proxy unix --rate-address 6/600 --log log model.rec >out
    [ "$(grep -c '^HTTP/1.1 429' out)" -eq 1 ]
    [ "$(grep -c '^HTTP/1.1 200' out)" -eq 1 ]
    cut -d' ' -f1 log | diff - <(printf '127.0.0.1\n192.0.2.1\n')
}

@test "a process for one request asks Redis itself, unless its host has a name" {
    mkdir alone
    cp "$REC_BIN/rec-serve" alone/
    printf 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.7\r\nConnection: close\r\n\r\n' >request
    for _ in 1 2 3 4; do alone/rec-serve --limits "$REDIS_URL" --cache "$REDIS_URL" --state c --proxy unix --rate-address 3/600 model.rec <request; done | grep -c '^HTTP/1.1 200' >passed
    [ "$(cat passed)" -eq 3 ]
    # a Redis that nobody can reach stops nobody; a name goes to the other program, which is not there
    for host in 127.0.0.1:9 '[::1]:9/0' ':secret@127.0.0.1:9'; do
        alone/rec-serve --limits "redis://$host" --state d model.rec <request | grep -q '^HTTP/1.1 200'
    done
    run alone/rec-serve --limits redis://localhost:9 --state d model.rec <request
    [ "$status" -eq 1 ]
    [[ "$output" == *"rec-serve-listen"* ]]
}

@test "a Redis that hangs, and one that is gone, cost at most 50 ms each second, and each host goes on with its own limit" {
    host a --rate-address 12/1200
    host b --rate-address 12/1200
    [ "$(asks 4 a b)" -eq 4 ]
    kill -STOP "$(cat "$REDIS/redis.pid")"
    for _ in 1 2 3 4 5; do
        [ "$(ask a)" -eq 200 ]
        sleep 1.05
    done
    # The median of what the log says: a busy machine may have made one of them late.
    grep -c '"GET /healthz' a.err
    grep '"GET /healthz' a.err | tail -n 5 | awk '{ print $NF }' | sort -g | sed -n 3p >took
    awk '{ exit !($1 > 0.02 && $1 < 0.09) }' took
    [ "$(grep -c '^rec-serve: limits: redis .*: no answer in time' a.err)" -ge 4 ]
    # of the limit of 12, 2 and 5 are used up here, and 2 there
    [ "$(asks 20 a)" -eq 5 ]
    [ "$(asks 20 b)" -eq 10 ]
    kill -CONT "$(cat "$REDIS/redis.pid")"
    "$SERVE_ROOT/tests/redis" kill "$REDIS"
    sleep 1.1
    [ "$(ask a)" -eq 429 ]
    grep -q '^rec-serve: limits: redis .*: ' b.err
}

@test "a Redis that was started anew is used again" {
    host a --rate-address 6/600
    host b --rate-address 6/600
    "$SERVE_ROOT/tests/redis" kill "$REDIS"
    [ "$(asks 2 a b)" -eq 2 ]
    "$SERVE_ROOT/tests/redis" start "$REDIS" 3>&-
    sleep 1.1
    [ "$(asks 12 a b)" -eq 6 ]
}

@test "a URL that is none is refused at the start, without its password" {
    run rec-serve --listen 127.0.0.1:0 --limits redis://:geheim@host:x model.rec
    [ "$status" -eq 1 ]
    [[ $output == *"rec-serve: limits: Redis URL: port: "* ]]
    [[ $output != *geheim* ]]
}
