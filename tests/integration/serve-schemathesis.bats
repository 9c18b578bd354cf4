#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# schemathesis attacks a real server with what the OpenAPI document allows and with what it does not: every answer has to be one that the
# document tells of, wrong requests are refused, right ones are not, and nothing is a fault of the server. How many requests there are does not
# hang on the machine: SECONDS_OF_ATTACK has it go on for so long, and SEED_OF_ATTACK makes others of them.

load ../helper
load ../serve
setup_file() {
    serve_model "$BATS_FILE_TMPDIR"
}
setup() {
    rec_setup
    need_python
    cp "$BATS_FILE_TMPDIR"/*.rec .
    rec-db init --yes -q --store rec.db --keys rec.keys
    rec-db load ratings -q --store rec.db --keys rec.keys ratings.rec
    rec-db load movies -q --store rec.db --keys rec.keys movies.rec
    user admin chief
    user user ann
    serve_start -c movies.rec --store rec.db --keys rec.keys --state state --log none \
        --rate-address 1000000/1 --rate-account 1000000/1 --rate-login 1000000/1 model.rec
    ln -s "$ROOT/tests/integration/serve_schemathesis.py" .
    export PYTHONPATH=$PWD SCHEMATHESIS_HOOKS=serve_schemathesis PYTHONDONTWRITEBYTECODE=1
}
teardown() {
    serve_stop
}

# user ROLE NAME
user() {
    printf 'a password of %s\n' "$2" |
        rec-db user add -q --store rec.db --keys rec.keys --role "$1" --email "$2@example.org" --password-stdin "$2"
}

token() {
    curl -fsS "$URL/token" -d "username=$1" --data-urlencode "password=a password of $1" | jq -r .access_token
}

# attack WHO OPTIONS...: texts are of ASCII, because a schema counts letters and the service bytes.
# One log in for each: what is guessed at /token under that name makes it wait. How fast schemathesis makes its requests is nothing that is tested.
attack() {
    [ "${who-}" = "$1" ] || token=$(token "$1")
    who=$1
    shift
    "$PYTHON" -m schemathesis.cli --config-file "$ROOT/tests/integration/serve-schemathesis.toml" run "$URL/openapi.json" -H "Authorization: Bearer $token" \
        --checks all --seed "${SEED_OF_ATTACK:-1}" --suppress-health-check all ${SECONDS_OF_ATTACK:+--max-time "$SECONDS_OF_ATTACK"} \
        --generation-codec ascii --generation-allow-x00 false --continue-on-failure "$@" >attack.log 2>&1 ||
        { tail -n 300 attack.log; return 1; }
    grep -E '^ +[0-9]+ generated' attack.log
}

# The server told of nothing (that it does without a sandbox, as sanitizers and old kernels have it, is none of this test's business).
quiet() {
    run ! grep -vE 'listening on|no sandbox' serve.err
}

# What an administrator may do and what they may not; their own account is not among what is erased.
@test "schemathesis: an administrator" {
    attack chief -n 50 --exclude-operation-id deleteMe
    [ "$(curl -sS "$URL/healthz")" = '{"status":"ok"}' ]
    quiet
}

@test "schemathesis: an ordinary account" {
    attack ann -n 10 --exclude-operation-id deleteMe
    attack ann -n 10 --include-operation-id deleteMe
    [ "$(curl -sS -o /dev/null -w '%{http_code}' "$URL/users/me" -H "Authorization: Bearer $token")" -eq 401 ]
    quiet
}

# Letters of all kinds: what is too long in bytes is refused although the schema allows it; no answer is a fault or of another form.
@test "schemathesis: texts of any letters" {
    attack chief -n 20 --generation-codec utf-8 --exclude-operation-id deleteMe --exclude-checks positive_data_acceptance
    quiet
}
