#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A process for each request, which does not open the store when it knows who asks: it must never know what is no longer so. serve-kept.py asks.

load ../helper
load ../store
load ../serve
setup() {
    rec_setup
    store_new sqlite
    serve_model .
    db load ratings "$ROOT/data/sample/ratings.csv"
    printf 'correct horse\n' | db user add --password-stdin ann
    db user tie ann 1
    mkdir -m 700 state
}

@test "what another process commits is seen by the next request, whatever lies in the state directory" {
    python3 "$ROOT/tests/integration/serve-kept.py" "$REC_BIN" 2>&1
}
