#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A server that is killed while feedback comes in: what was acknowledged is in the store, and all of each request or nothing.

load ../helper
load ../store
load ../serve
setup() {
    rec_setup
    store_new sqlite
    serve_model .
    db load ratings "$ROOT/data/sample/ratings.csv"
    db user add --no-password --role service svc
    KEY=$(db key create --for test --scopes feedback svc | grep -oE 'rec_[a-z2-7]+_[a-z2-7]+')
}
teardown() { serve_stop; }

@test "killed ten times in the middle of feedback" {
    for round in 1 2 3 4 5 6 7 8 9 10; do
        serve_start --store rec.db --keys rec.keys --rate-address 1000000/1 --rate-account 1000000/1 --log none model.rec
        python3 "$ROOT/tests/integration/serve-kill.py" "${URL#http://}" "$KEY" "r$round" >>acknowledged 3>&- &
        client=$!
        sleep "0.$((RANDOM % 5 + 3))"
        kill -KILL "$SERVE"
        wait "$SERVE" || :
        SERVE=
        wait "$client"
    done
    [ "$(wc -l <acknowledged)" -gt 100 ]
    sqlite3 rec.db "SELECT request FROM feedback GROUP BY request HAVING count(*) = 2" | sort >stored
    sort acknowledged | comm -23 - stored >lost
    [ ! -s lost ] || { echo "$(wc -l <lost) acknowledged and not stored"; head lost; return 1; }
    # of no request a part
    [ "$(sqlite3 rec.db "SELECT count(*) FROM (SELECT 1 FROM feedback GROUP BY request HAVING count(*) <> 2)")" -eq 0 ]
    [ "$(sqlite3 rec.db 'PRAGMA integrity_check')" = ok ]
}
