#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The main job, end to end, on the project's sample and on real ratings; its properties as a pipeline.

load ../helper
setup() { rec_setup; SAMPLE=$ROOT/data/sample; }

value() { sed -n "s/.*\"$1\": *\([-0-9.e]*\).*/\1/p" "$2"; }
at_least() { awk -v a="$1" -v b="$2" 'BEGIN { if (!(a >= b)) { print a " < " b; exit 1 } }'; }

@test "the pipeline of rec(7), with nothing on disk but what was asked for" {
    rec-ingest -q <"$SAMPLE/ratings.csv" | rec-split -q --test 0.2 --seed 42 --out-test test.rec | rec-train -q --model ials >model.rec
    rec-eval -k 10,20 model.rec <test.rec >metrics.json
    [ "$(ls -A | sort | tr '\n' ' ')" = "metrics.json model.rec test.rec " ]
    python3 -c 'import json; m = json.load(open("metrics.json")); assert all(0 < m[k] < 1 for k in ("ndcg@10", "ndcg@20", "recall@20")), m'
}

@test "one pipe from CSV to figures" {
    rec-ingest -q <"$SAMPLE/ratings.csv" | rec-split -q --test 0.2 --seed 42 --out-test test.rec | rec-train -q --model ials |
        rec-eval -q -k 10 - test.rec >metrics.json
    rec-ingest -q <"$SAMPLE/ratings.csv" | rec-split -q --test 0.2 --seed 42 --out-test test.rec | rec-train -q --model ials >model.rec
    rec-eval -q -k 10 model.rec test.rec >again.json
    cmp metrics.json again.json
}

@test "the sample's structure is found: factors beat popularity and biases" {
    rec-ingest -q <"$SAMPLE/ratings.csv" | rec-split -q --test 0.2 --seed 42 --out-test test.rec >train.rec
    for m in popular bias als ials; do
        rec-train -q --model $m <train.rec >$m.rec
        rec-eval -q -k 10 $m.rec <test.rec >$m.json
    done
    at_least "$(value ndcg@10 ials.json)" "$(awk -v x="$(value ndcg@10 popular.json)" 'BEGIN { print 1.2 * x }')"
    at_least "$(value rmse bias.json)" "$(awk -v x="$(value rmse als.json)" 'BEGIN { print 1.02 * x }')"
}

@test "the same bytes for any number of threads and any order of the rows" {
    { head -1 "$SAMPLE/ratings.csv"; tail -n +2 "$SAMPLE/ratings.csv" | shuf --random-source=<(yes); } >shuffled.csv
    rec-ingest -q --threads 1 --no-history <"$SAMPLE/ratings.csv" >a.rec
    rec-ingest -q --threads 3 --no-history <shuffled.csv >b.rec
    cmp a.rec b.rec
    for m in als ials; do
        rec-train -q --model $m --threads 1 --seed 7 a.rec >1.rec
        rec-train -q --model $m --threads 2 --seed 7 a.rec >2.rec
        rec-train -q --model $m --threads 5 --seed 7 <a.rec >5.rec
        cmp 1.rec 2.rec
        cmp 1.rec 5.rec
    done
}

@test "history tells the tools, the options that mattered, and no paths" {
    rec-ingest -q <"$SAMPLE/ratings.csv" | rec-split -q --test 0.2 --seed 42 --out-test test.rec | rec-train -q --model ials --seed 5 >model.rec
    rec-info model.rec >info
    grep -q 'rec-ingest 0' info
    grep -q 'rec-split 0.*test=0.2.*seed=42' info
    grep -q 'rec-train 0.*model=ials.*seed=5' info
    run ! grep -qE 'threads|test\.rec|/' <(grep -E 'rec-(ingest|split|train) [0-9]' info)
}

@test "a killed writer leaves the old file, and the next run no litter" {
    rec-synth -q --users 30000 --items 3000 --ratings 2000000 --seed 1 >big.csv
    echo old >out.rec
    for ms in 05 10 20 30 50 80; do
        rec-ingest -q -o out.rec <big.csv & pid=$!
        sleep 0.$ms
        kill -9 $pid 2>/dev/null || true
        wait $pid 2>/dev/null || true
        { [ "$(cat out.rec | head -c 4 | tr -d '\0')" = "old" ] || rec-info -q out.rec >/dev/null; }
    done
    rec-ingest -q -o out.rec <big.csv
    rec-info -q out.rec >/dev/null
    [ "$(ls -A | sort | tr '\n' ' ')" = "big.csv out.rec " ]
}

@test "a full disk, a closed pipe and an unreadable input are errors that leave nothing" {
    rec-ingest -q <"$SAMPLE/ratings.csv" >r.rec
    refuses 1 '^rec-ingest: .*no space left' bash -c 'rec-ingest -q <'"$SAMPLE"'/ratings.csv >/dev/full'
    refuses 1 '^rec-train: .*no space left' bash -c 'rec-train -q --model popular r.rec >/dev/full'
    refuses 1 '^rec-cat: .*no space left' bash -c 'rec-cat r.rec >/dev/full'
    refuses 1 '^rec-cat: standard output: bad file' bash -c 'rec-cat r.rec >&-'
    # a reader that went away: killed by SIGPIPE, without a word
    run bash -c 'set -o pipefail; rec-cat r.rec 2>err | head -1 >/dev/null; echo ${PIPESTATUS[0]}'
    [ "$output" = 141 ] || [ "$output" = 0 ]
    # a file that cannot grow: the old one stays
    echo old >out.rec
    refuses 1 '^rec-ingest: out.rec: ' bash -c 'trap "" XFSZ; ulimit -f 64; rec-ingest -q -o out.rec <'"$SAMPLE"'/ratings.csv'
    [ "$(cat out.rec)" = old ]
    [ ! -e .out.rec.rec-tmp ]
}

@test "MovieLens 100K: from u.data to recommendations with titles" {
    need_data ml-100k
    rec-ingest -q <"$REC_TEST_DATA/ml-100k/u.data" | rec-split -q --test 0.2 --seed 42 --out-test test.rec | rec-train -q --model ials >model.rec
    rec-ingest -q --movies <"$REC_TEST_DATA/ml-100k/u.item" >movies.rec
    rec-eval -q -k 10 model.rec <test.rec >m.json
    at_least "$(value ndcg@10 m.json)" 0.30
    echo 42 | rec-recommend -q -k 10 --catalogue movies.rec model.rec >top.csv
    [ "$(wc -l <top.csv)" -eq 11 ]
    echo 50 | rec-similar -q -k 5 --catalogue movies.rec model.rec >similar.csv
    sed -n 2p similar.csv | grep -q 'Return of the Jedi'
}
