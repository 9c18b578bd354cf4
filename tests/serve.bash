# SPDX-License-Identifier: MIT
# For tests of rec-serve: a model and a catalogue from the sample, a server on a free port, requests by hand.
#
#     serve_model DIR                       # DIR/ratings.rec, movies.rec, model.rec
#     serve_start -c movies.rec model.rec   # $URL, $SERVE; standard error is serve.err
#     serve_stop
#     serve_redis; ... "$REDIS_URL"         # in setup; a Redis that the test may stop and start anew: tests/redis, $REDIS
#     serve_redis_stop                      # in teardown

SERVE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SERVE=

serve_model() {
    rec-ingest -q "$SERVE_ROOT/data/sample/ratings.csv" >"$1/ratings.rec"
    rec-ingest -q --movies "$SERVE_ROOT/data/sample/movies.csv" >"$1/movies.rec"
    rec-train -q --model ials "$1/ratings.rec" >"$1/model.rec"
}

# within TENTHS COMMAND...: until it succeeds, or so many tenths of a second are over.
within() {
    local n=$1
    shift
    until "$@" 2>/dev/null; do
        n=$((n - 1))
        [ "$n" -gt 0 ] || { echo "not in time: $*"; return 1; }
        sleep 0.1
    done
}

serve_start() {
    local scheme=http
    [[ " $* " != *" --tls-cert "* ]] || scheme=https
    : >serve.err # not what an earlier one said
    rec-serve --listen 127.0.0.1:0 "$@" >serve.out 2>serve.err 3>&- &
    SERVE=$!
    within 200 grep -q ': listening on' serve.err || { cat serve.err; return 1; }
    # shellcheck disable=SC2034 # for the tests
    URL=$scheme://$(sed -n 's/.*: listening on //p' serve.err)
}

serve_stop() {
    [ -n "$SERVE" ] || return 0
    kill "$SERVE" 2>/dev/null || :
    wait "$SERVE" || :
    SERVE=
}

serve_redis() {
    REDIS=$(mktemp -d)
    # shellcheck disable=SC2034 # for the tests
    REDIS_URL=$("$SERVE_ROOT/tests/redis" start "$REDIS" 3>&-)
}

serve_redis_stop() {
    kill -CONT "$(cat "$REDIS/redis.pid")" 2>/dev/null || :
    "$SERVE_ROOT/tests/redis" stop "$REDIS"
    rm -rf "$REDIS"
}

# get PATH...: requests for them, one after another.
get() {
    local path
    for path; do printf 'GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n' "$path"; done
}

# certificate NAME: cert.pem and key.pem, signed by itself, for localhost.
certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" -addext subjectAltName=DNS:localhost \
        -keyout key.pem.new -out cert.pem.new 2>/dev/null
    mv key.pem.new key.pem
    mv cert.pem.new cert.pem
}
