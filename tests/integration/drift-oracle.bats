#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# rec-drift against scipy: every statistic and p of every column, recomputed from the CSV twins of the files.

load ../helper
setup() { rec_setup; need_python; }

# compare REFERENCE CURRENT [option...]: the report of these files, checked by scipy.
compare() {
    local status=0
    rec-drift --format json -o report.json "$@" || status=$?
    [ "$status" -eq 0 ] || [ "$status" -eq 3 ]
    "$PYTHON" "$ROOT/tests/integration/drift-oracle.py" report.json "$1" "$2"
}

@test "ratings: all statistics as scipy has them, of many ratings and of few" {
    rec-synth -q --users 900 --items 300 --ratings 20000 --seed 3 | rec-ingest -q -o a.rec
    rec-synth -q --users 700 --items 350 --ratings 15000 --seed 4 | rec-ingest -q -o b.rec
    rec-cat a.rec >a.csv
    rec-cat b.rec >b.csv
    compare a.rec b.rec
    rec-filter -q --sample 0.02 --seed 1 -o few.rec a.rec
    rec-cat few.rec >few.csv
    compare few.rec b.rec
    compare b.rec few.rec --bins 4
    compare a.rec b.rec --bins 500
}

@test "features: columns of numbers, from many different values to one" {
    rec-synth -q --users 900 --items 300 --ratings 20000 --seed 3 | rec-ingest -q -o a.rec
    rec-synth -q --users 3000 --items 350 --ratings 15000 --seed 4 | rec-ingest -q -o b.rec
    rec-features -q -o fa.rec a.rec
    rec-features -q -o fb.rec b.rec
    for f in fa fb; do
        rec-cat -T items "$f.rec" >"$f.item.csv"
        rec-cat -T users "$f.rec" >"$f.user.csv"
    done
    compare fa.rec fb.rec
    compare fb.rec fa.rec --bins 50
}

@test "the tail of the Kolmogorov-Smirnov statistic: 2 to 1,000,000 observations" {
    need_data ml-100k
    # Samples of ratings against all: from a handful to all there are.
    cut -f1-4 "$REC_TEST_DATA/ml-100k/u.data" | rec-ingest -q -o all.rec
    rec-cat all.rec >all.csv
    for share in 0.0001 0.001 0.01 0.1 0.7; do
        rec-filter -q --sample $share --seed 1 -o part.rec all.rec
        rec-cat part.rec >part.csv
        compare part.rec all.rec
    done
}
