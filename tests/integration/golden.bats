#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Files that earlier releases wrote are read, and hold what they held. tests/golden/make keeps those of a new release.
bats_require_minimum_version 1.5.0

load ../helper
setup() { rec_setup; }

@test "the files of every release are whole and hold what they held" {
    n=0
    for f in "$ROOT"/tests/golden/*/*.rec; do
        rec-info "$f" >/dev/null
        diff "${f%.rec}.csv" <(rec-cat "$f")
        n=$((n + 1))
    done
    [ "$n" -ge 5 ]
}

@test "the tools work with files of every release" {
    for d in "$ROOT"/tests/golden/*; do
        [ -d "$d" ] || continue
        rec-split -q --out-test test.rec "$d/ratings.rec" >train.rec
        rec-train -q --model popular "$d/ratings.rec" >model.rec
        echo 1 | rec-recommend -q "$d/als.rec" >als.csv
        echo 1 | rec-recommend -q --catalogue "$d/catalogue.rec" "$d/popular.rec" >popular.csv
        [ "$(wc -l <popular.csv)" -ge 2 ]
    done
}

@test "this release writes ratings as its golden file has them" {
    version=$(rec-cat --version | cut -d' ' -f2)
    [ -d "$ROOT/tests/golden/$version" ] || skip "no golden files of $version yet"
    rec-cat "$ROOT/tests/golden/$version/ratings.rec" | rec-ingest -q --no-history >a.rec
    rec-ingest -q --no-history "$ROOT/tests/golden/$version/ratings.csv" >b.rec
    cmp a.rec b.rec
    # all but the history, which names the options of the day
    [ "$(rec-info --json a.rec | grep '"crc32c"')" = "$(rec-info --json "$ROOT/tests/golden/$version/ratings.rec" | grep '"crc32c"')" ]
}
