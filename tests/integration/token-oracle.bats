#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Our tokens against PyJWT: each reads the other's, and what is forged neither of them takes.

load ../helper
load ../store
setup() {
    rec_setup
    need_python
    store_new sqlite
}

@test "tokens: PyJWT reads ours, we read PyJWT's, and none of thousands that are none" {
    make -s -C "$ROOT" build/peer/token
    "$PYTHON" "$ROOT/tests/integration/token-oracle.py" "$ROOT/build/peer/token" rec.keys
}

@test "tokens: a second key signs, and the first one's tokens are still read" {
    make -s -C "$ROOT" build/peer/token
    before=$("$ROOT/build/peer/token" issue rec.keys EdDSA ann access)
    db rekey
    after=$("$ROOT/build/peer/token" issue rec.keys EdDSA ann access)
    [ "${before%%.*}" != "${after%%.*}" ]
    printf 'access %s\n' "$before" "$after" | "$ROOT/build/peer/token" check rec.keys >said
    diff said - <<'END'
valid ann
valid ann
END
    "$PYTHON" "$ROOT/tests/integration/token-oracle.py" "$ROOT/build/peer/token" rec.keys
}
