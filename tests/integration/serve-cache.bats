#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031 # every test is a subshell: SERVE is its own
# rec-serve with Redis beside it: answers are found again, by a server and by processes for one request, and a Redis that hangs or is gone costs
# little and changes nothing.

load ../helper
load ../serve
setup_file() {
    serve_model "$BATS_FILE_TMPDIR"
}
setup() {
    rec_setup
    cp -p "$BATS_FILE_TMPDIR"/*.rec .
    serve_redis
}
teardown() {
    serve_stop
    serve_redis_stop
}

# counted OUTCOME: how often, as /metrics tells.
counted() {
    curl -sS "$URL/metrics" | sed -n "s/^rec_cache_requests_total{outcome=\"$1\"} //p"
}

@test "what a server kept, it finds again, and so do processes for one request" {
    serve_start --answers 0 --cache "$REDIS_URL" --open-metrics -c movies.rec model.rec
    for i in 1 2 3; do
        curl -sS "$URL/recommendations/1?k=5" >"r$i"
        curl -sS "$URL/similar-movies/50?k=5" >"s$i"
    done
    cmp r1 r2 && cmp r1 r3 && cmp s1 s2 && cmp s1 s3
    [ "$(counted miss)" -eq 2 ]
    [ "$(counted hit)" -eq 4 ]
    serve_stop
    for _ in 1 2; do
        get '/recommendations/1?k=5' /metrics | rec-serve --cache "$REDIS_URL" --state state --open-metrics -c movies.rec model.rec >out
        grep '^{"user_id"' out | cmp - r1
    done
    grep -q '^rec_cache_requests_total{outcome="hit"} 2' out
}

@test "a Redis that hangs, and one that is gone, fail no request and cost at most 50 ms each second" {
    serve_start --answers 0 --cache "$REDIS_URL" --open-metrics -c movies.rec model.rec
    curl -sS "$URL/recommendations/1?k=5" >want
    kill -STOP "$(cat "$REDIS/redis.pid")"
    for _ in 1 2 3 4 5; do
        curl -sS "$URL/recommendations/1?k=5" | cmp - want
        sleep 1.05
    done
    kill -CONT "$(cat "$REDIS/redis.pid")"
    [ "$(counted away)" -ge 4 ]
    # The median of what the log says: a busy machine may have made one of them late.
    grep '/recommendations/1 ' serve.err | tail -n 5 | awk '{ print $NF }' | sort -g | sed -n 3p >took
    awk '{ exit !($1 > 0.02 && $1 < 0.09) }' took
    "$SERVE_ROOT/tests/redis" kill "$REDIS"
    sleep 1.1
    curl -sS "$URL/recommendations/1?k=5" | cmp - want
    [ "$(grep -c '^rec-serve: cache: redis .*: no answer in time' serve.err)" -ge 4 ]
    grep -q '^rec-serve: cache: redis .*: no such file or directory' serve.err
}

@test "a URL that is none is refused at the start, without its password" {
    run rec-serve --listen 127.0.0.1:0 --cache redis://:geheim@host:x model.rec
    [ "$status" -eq 1 ]
    [[ $output == *"rec-serve: cache: Redis URL: port: "* ]]
    [[ $output != *geheim* ]]
}
