#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Our reader of HTTP against llhttp (Node.js): whatever we take, it takes with the same meaning.

load ../helper
setup() { rec_setup; }

@test "20,000 requests, changed at random: what we take, llhttp takes alike" {
    make -s -C "$ROOT" build/peer/message
    node --no-deprecation "$ROOT/tests/integration/http-differential.js" make 20000 >requests
    "$ROOT/build/peer/message" <requests >ours
    node --no-deprecation "$ROOT/tests/integration/http-differential.js" compare requests ours
}
