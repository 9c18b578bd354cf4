#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# rec-eval against ir-measures, ranx and a brute-force ranking in numpy, to 1e-6.

load ../helper
setup() { rec_setup; need_python; ORACLE=$ROOT/tests/integration/eval-oracle.py; }

@test "runs: equal to ir-measures and ranx, with ties, missing queries and graded relevance" {
    "$PYTHON" "$ORACLE" make .
    "$PYTHON" "$ORACLE" tidy .
    rec-eval -k 1,5,10,20,1000 --run run --qrels qrels >binary.json
    rec-eval -k 1,5,10,20,1000 --run run --qrels qrels --graded >graded.json
    rec-eval -k 1,5,10,20,1000 -m ndcg,recall,precision,mrr,hitrate,f1,rbp --run tidy.run --qrels tidy.qrels >tidy.json
    "$PYTHON" "$ORACLE" run .
}

@test "models: equal to all items ranked by numpy, seen ones left out" {
    rec-ingest -q <"$ROOT/data/sample/ratings.csv" | rec-split -q --test 0.2 --seed 3 --out-test test.rec >train.rec
    for m in popular bias als ials; do
        rec-train -q --model $m <train.rec >$m.rec
        rec-eval -q -k 1,5,10,20 $m.rec <test.rec >$m.json
        "$PYTHON" "$ORACLE" model $m.rec test.rec $m.json
        rec-eval -q -k 1,5,10,20 --relevant 'rating>=4' $m.rec <test.rec >$m.json
        "$PYTHON" "$ORACLE" model $m.rec test.rec $m.json 4
    done
}

@test "models: users and items that training did not have, joined by id" {
    awk -F, 'NR == 1 || $1 % 7 != 0 && $2 % 11 != 0' "$ROOT/data/sample/ratings.csv" | rec-ingest -q >train.rec
    awk -F, 'NR == 1 || $1 % 7 == 0 || $2 % 11 == 0 || NR % 50 == 0' "$ROOT/data/sample/ratings.csv" | rec-ingest -q >test.rec
    for m in als ials; do
        rec-train -q --model $m <train.rec >$m.rec
        rec-eval -q -k 1,5,10,20 $m.rec <test.rec >$m.json
        "$PYTHON" "$ORACLE" model $m.rec test.rec $m.json
        [ "$(sed -n 's/.*"users_unknown": \([0-9]*\).*/\1/p' $m.json)" -gt 0 ]
        [ "$(sed -n 's/.*"pairs_seen": \([0-9]*\).*/\1/p' $m.json)" -gt 0 ]
    done
}

@test "what is shown: coverage, Gini, novelty, popularity, diversity, calibration, of a model and of its run" {
    rec-ingest -q <"$ROOT/data/sample/ratings.csv" | rec-split -q --test 0.2 --seed 3 --out-test test.rec >train.rec
    rec-ingest -q --movies -o movies.rec "$ROOT/data/sample/movies.csv"
    for f in train test movies; do rec-cat $f.rec >$f.csv; done
    measures=coverage,gini,novelty,arp,ild,calibration
    for m in ials popular; do
        rec-train -q --model $m -o m.rec train.rec
        rec-recommend -q --all -k 20 m.rec >run.csv
        rec-eval -q -m $measures -c movies.rec m.rec test.rec >model.json
        rec-eval -q -m $measures -c movies.rec --train train.rec --run run.csv --qrels test.rec >run.json
        "$PYTHON" "$ORACLE" shown run.csv train.csv movies.csv test.csv model.json
        "$PYTHON" "$ORACLE" shown run.csv train.csv movies.csv test.csv run.json
    done
}
