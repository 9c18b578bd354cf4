#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# scripts/demo from its first line to its last, on the sample (no network) and on real ratings where they are at hand.

bats_require_minimum_version 1.5.0

setup() {
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    unset NO_COLOR
}

# tells: the steps are there, in order, and ten films with their titles; no colours, for this is no terminal.
tells() {
    local steps
    steps=$(grep -oE '^[0-9]+\. [A-Z].*' <<<"$output" | tr '\n' ';')
    [ "$steps" = "1. Build;2. Ingest;3. Validate;4. Split;5. Features;6. Train;7. Evaluate;8. Recommend;9. Find similar films;" ]
    [[ $output == *'"ndcg@10": 0.'* ]]
    [ "$(sed -n '/^8\. /,/^9\. /p' <<<"$output" | grep -cE '\((19|20)[0-9][0-9]\)')" -eq 10 ]
    [ "$(sed -n '/^9\. /,/^Done/p' <<<"$output" | grep -cE '\((19|20)[0-9][0-9]\)')" -ge 5 ]
    [[ $output == *"Done in "* ]]
    [[ $output != *$'\e'* ]]
}

@test "offline, on the sample" {
    REC_TEST_DATA=/nowhere REC_DATA_URL=file:///nowhere run -0 "$ROOT/scripts/demo"
    tells
    [[ $output == *"rec-ingest <sample/ratings.csv >ratings.rec"* ]]
}

@test "on MovieLens 100K" {
    data=${REC_TEST_DATA:-$ROOT/../shared/data}
    [ -d "$data/ml-100k" ] || skip "ml-100k is not in REC_TEST_DATA"
    REC_TEST_DATA=$data run -0 "$ROOT/scripts/demo"
    tells
    [[ $output == *"Star Wars (1977)"* ]]
}

@test "wrong usage" {
    run -2 "$ROOT/scripts/demo" --nonsense
    run -2 "$ROOT/scripts/demo" 100k 1m
    run -0 "$ROOT/scripts/demo" -h
    [[ $output == "usage: demo [NAME]"* ]]
}
