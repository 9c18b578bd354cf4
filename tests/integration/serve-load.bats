#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A server under a mixed load, as tests/soak/serve makes it for longer (SECONDS_OF_LOAD); under the thread sanitizer too: its threads are what is
# tested here.

load ../helper
setup() { rec_setup; }

@test "a mixed load: every answer is declared, feedback is kept, nothing grows, models change" {
    seconds=10
    [ -z "${REC_SANITIZE-}" ] || seconds=30
    TMPDIR=$PWD run "$ROOT/tests/soak/serve" "${SECONDS_OF_LOAD:-$seconds}"
    [ "$status" -eq 0 ] || { tail -n 150 <<<"$output"; return 1; }
    # of each kind of request there were some
    for what in 'POST /token 200' 'POST /token/refresh 200' 'POST /feedback 201' 'POST /feedback/import 201' 'GET /similar-movies/{movie_id} 200' \
        'POST /recommendations 200' 'GET /recommendations/{user_id} 200' 'no request 400' 'models taken'; do
        grep -qE "^ *[1-9][0-9]* $what\$" <<<"$output" || { echo "none: $what"; return 1; }
    done
}
