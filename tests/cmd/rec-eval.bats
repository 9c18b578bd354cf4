#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What it computes is held to independent programs in tests/integration/eval-oracle.bats.

load ../helper
setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    rec-synth -q --users 300 --items 200 --ratings 6000 --seed 4 --format rec -o r.rec
    rec-split -q --test 0.2 --seed 1 --out-test test.rec r.rec >train.rec
    rec-train -q --model ials -o ials.rec train.rec
    rec-train -q --model als -o als.rec train.rec
}
setup() {
    rec_setup
    cp "$BATS_FILE_TMPDIR"/* .
}

value() { sed -n "s/.*\"$1\": *\([-0-9.e]*\).*/\1/p" "$2"; }

@test "flat JSON, or CSV, with the same figures" {
    rec-eval -k 10,20 ials.rec <test.rec >m.json
    python3 - <<'END'
import json
m = json.load(open("m.json"))
assert all(isinstance(v, (int, float)) for v in m.values())
for k in ("ndcg", "recall", "precision", "map", "mrr", "hitrate"):
    assert 0 < m[k + "@10"] < 1 and k + "@20" in m, k
assert m["users"] + m["users_without_relevant"] <= 300 and "rmse" not in m
END
    rec-eval -k 10,20 -f csv ials.rec test.rec >m.csv
    [ "$(head -1 m.csv)" = "measure,value" ]
    [ "$(awk -F, '$1 == "ndcg@10" { print $2 }' m.csv)" = "$(value ndcg@10 m.json)" ]
}

@test "models of ratings have rmse and mae, others refuse them" {
    rec-eval als.rec test.rec >m.json
    [ -n "$(value rmse m.json)" ]
    [ -n "$(value mae m.json)" ]
    rec-eval -m rmse als.rec test.rec >m.json
    [ -z "$(value ndcg@10 m.json)" ]
    refuses 1 'scores are ranks, not ratings' rec-eval -m rmse ials.rec test.rec
}

@test "the model from a pipe, the test ratings when it has ended" {
    rec-eval ials.rec test.rec >want
    { sleep 0.3; cp test.rec later.rec; cat ials.rec; } | rec-eval - later.rec | cmp - want
    cat test.rec | rec-eval ials.rec - | cmp - want
}

@test "the same figures for any number of threads" {
    rec-eval --threads 1 --per-user 1.csv ials.rec test.rec >1.json
    rec-eval --threads 3 --per-user 3.csv ials.rec test.rec >3.json
    cmp 1.json 3.json
    cmp 1.csv 3.csv
}

@test "per user: their mean is the figure" {
    rec-eval -m ndcg,recall --per-user u.csv ials.rec test.rec >m.json
    [ "$(head -1 u.csv)" = "user,ndcg@10,recall@10" ]
    [ "$(sed 1d u.csv | wc -l)" -eq "$(value users m.json)" ]
    awk -F, -v want="$(value ndcg@10 m.json)" 'NR > 1 { s += $2 } END { d = s / (NR - 1) - want; exit d > 1e-9 || d < -1e-9 }' u.csv
}

@test "assertions: exit 3 with the reason, and the figures all the same" {
    rec-eval --assert 'ndcg@10>0' --assert 'users<=300' ials.rec test.rec >m.json
    run -3 --separate-stderr rec-eval --assert 'ndcg@10>=0.99' --assert 'recall@10<0' ials.rec test.rec
    # shellcheck disable=SC2154 # bats sets it
    [ "${#stderr_lines[@]}" -eq 2 ]
    [[ ${stderr_lines[0]} =~ ^rec-eval:\ ndcg@10\ is\ 0\.[0-9]+,\ not\ \>=\ 0\.99$ ]]
    [ "$(wc -l <<<"$output")" -eq "$(wc -l <m.json)" ]
    refuses 2 'not of the form' rec-eval --assert 'ndcg@10' ials.rec test.rec
    refuses 2 "'x' is no number" rec-eval --assert 'ndcg@10>x' ials.rec test.rec
    run -2 --separate-stderr rec-eval --assert 'ndcg@7>0' ials.rec test.rec
    # shellcheck disable=SC2154
    [[ $stderr == *"no figure 'ndcg@7'"* ]]
}

@test "relevance by a condition; nobody with anything relevant is null" {
    rec-eval ials.rec test.rec >all.json
    rec-eval --relevant 'rating>=4' ials.rec test.rec >good.json
    [ "$(value users good.json)" -le "$(value users all.json)" ]
    [ "$(value ndcg@10 good.json)" != "$(value ndcg@10 all.json)" ]
    rec-eval --relevant 'rating>99' ials.rec test.rec >none.json
    grep -q '"ndcg@10": null' none.json
    [ "$(value users none.json)" = 0 ]
    refuses 3 'ndcg@10 is unknown, not > 0' rec-eval -o x --relevant 'rating>99' --assert 'ndcg@10>0' ials.rec test.rec
    refuses 2 '--relevant: ' rec-eval --relevant 'stars>3' ials.rec test.rec
}

@test "ratings that training had are left out, and counted" {
    rec-eval ials.rec train.rec >m.json 2>err
    [ "$(value users m.json)" = 0 ]
    [ "$(value pairs_seen m.json)" = "$(value pairs m.json)" ]
    grep -q 'in training; left out' err
}

@test "a run of our own is worth what the model is" {
    rec-eval -k 5,10 ials.rec test.rec >model.json
    rec-recommend --all -k 10 ials.rec >run.csv
    rec-cat test.rec | awk -F, 'NR > 1 { print $1, 0, $2, 1 }' >qrels
    rec-eval -k 5,10 --run run.csv --qrels qrels >run.json
    for m in ndcg@5 recall@10 map@10 mrr@10 hitrate@5 precision@10; do
        awk -v a="$(value $m model.json)" -v b="$(value $m run.json)" 'BEGIN { d = a - b; exit !(a != "" && d < 1e-9 && d > -1e-9) }'
    done
    rec-eval -k 5,10 --run - --qrels qrels <run.csv | cmp - run.json
    rec-eval -k 5,10 --run run.csv --qrels test.rec | cmp - run.json
    rec-eval -k 5,10 --run run.csv --qrels test.rec --relevant 'rating>=4' >run.json
    rec-eval -k 5,10 --relevant 'rating>=4' ials.rec test.rec >model.json
    [ "$(value users run.json)" = "$(value users model.json)" ]
    refuses 1 'ials.rec: .*rec.model' rec-eval --run run.csv --qrels ials.rec
}

@test "bad runs and judgements name the line" {
    printf 'a 0 x 1\n' >qrels
    printf 'a Q0 x 1 1 t\na Q0 y 2 t\n' >run
    refuses 1 'run: line 2: not the six fields' rec-eval --run run --qrels qrels
    printf 'a Q0 x 1 1 t\na Q0 x 2 0 t\n' >run
    refuses 1 "run: query 'a': document 'x' twice" rec-eval --run run --qrels qrels
    printf 'a 0 x one\n' >qrels
    refuses 1 "qrels: line 1: relevance 'one' is no number" rec-eval --run run --qrels qrels
}

@test "--list tells every measure" {
    rec-eval --list >list
    for m in ndcg recall precision map mrr hitrate rmse mae; do grep -q "^$m " list; done
}

@test "wrong usage and bad files" {
    refuses 2 'MODEL is missing' rec-eval
    refuses 2 'go together' rec-eval --run x
    refuses 2 'exclude each other' rec-eval --run x --qrels y ials.rec
    refuses 2 'cannot both be standard input' rec-eval -
    refuses 2 "measure 'ndgc': .* did you mean 'ndcg'" rec-eval -m ndgc ials.rec test.rec
    refuses 2 "cut-off '0'" rec-eval -k 0 ials.rec test.rec
    refuses 2 "cut-off ''" rec-eval -k 10, ials.rec test.rec
    refuses 1 'none.rec: no such file' rec-eval ials.rec none.rec
    refuses 1 'ials.rec: .*rec.model' rec-eval ials.rec ials.rec
    refuses 1 'standard output: no space left' bash -c 'rec-eval ials.rec test.rec >/dev/full'
}

@test "--baseline: exit 3 when a measure is worse by more than --max-drop" {
    rec-eval -q -o before.json als.rec test.rec
    rec-eval -q --baseline before.json -o now.json als.rec test.rec
    jq '."ndcg@10" *= 1.03 | .rmse *= 0.97' before.json >better.json
    run -3 rec-eval -q --baseline better.json --max-drop 2% -o now.json als.rec test.rec
    [ "$(grep -cE '^rec-eval: (ndcg@10|rmse) was 0\.[0-9]+ and is 0\.[0-9]+: worse by [23]\.[0-9] %, more than 2\.0 %$|^rec-eval: rmse was [0-9.]+ and is [0-9.]+: worse by 3\.1 %, more than 2\.0 %$' <<<"$output")" -eq 2 ]
    [ "$(wc -l <<<"$output")" -eq 2 ]
    cmp now.json before.json
    rec-eval -q --baseline better.json --max-drop 0.04 -o now.json als.rec test.rec
    jq '."ndcg@10" *= 0.5 | .users = 1000000' before.json >worse.json
    rec-eval -q --baseline worse.json -o now.json als.rec test.rec
    echo '{"f1@10": 1}' >other.json
    refuses 1 'other.json: has none of these figures' rec-eval -q --baseline other.json -o now.json als.rec test.rec
    refuses 1 'none.json' rec-eval -q --baseline none.json -o now.json als.rec test.rec
    refuses 2 'max-drop: 2x is no share' rec-eval --baseline before.json --max-drop 2x als.rec test.rec
    refuses 2 'max-drop: 120% is no share' rec-eval --baseline before.json --max-drop 120% als.rec test.rec
}

@test "--compare: pairs of systems, in the order that was asked for" {
    for m in als ials; do rec-eval -q -k 5,10 -m ndcg,recall --per-user $m.csv -o /dev/null $m.rec test.rec; done
    cp ials.csv same.csv
    rec-eval --compare -f csv als.csv ials.csv same.csv >c.csv
    [ "$(cut -d, -f1-3 c.csv | sed -n '2,4p')" = $'ndcg@5,als.csv,ials.csv\nndcg@5,als.csv,same.csv\nndcg@5,ials.csv,same.csv' ]
    [ "$(wc -l <c.csv)" -eq 13 ]
    # Nothing differs between a system and itself.
    [ "$(awk -F, '$2 == "ials.csv" && $3 == "same.csv" { print $6, $9, $10, $11, $12, $13 }' c.csv | sort -u)" = "0 1 1 1 1 no" ]
    [ "$(rec-eval --compare -m recall@10,ndcg@5 -f csv als.csv ials.csv | cut -d, -f1 | sed 1d | tr '\n' ' ')" = "recall@10 ndcg@5 " ]
    rec-eval --compare -f json als.csv ials.csv | jq -e 'length == 4 and all(.[]; .low <= .change and .change <= .high)'
    rec-eval --compare als.csv ials.csv -o t.txt
    rec-eval --compare als.csv ials.csv | cmp - t.txt
    head -n 20 als.csv >fewer.csv
    refuses 1 'was not measured of the same users' rec-eval --compare fewer.csv ials.csv
    refuses 1 'als.csv: has no column map@10' rec-eval --compare -m map@10 als.csv ials.csv
    refuses 2 'two files or more' rec-eval --compare als.csv
    refuses 2 'nothing else' rec-eval --compare --qrels x als.csv ials.csv
    refuses 2 'too many operands' rec-eval als.rec test.rec als.rec
    refuses 2 'format table' rec-eval -f table als.rec test.rec
}

@test "measures of what is shown: a run needs what its system learnt from, genres a catalogue" {
    rec-recommend -q --all -k 10 ials.rec >run.csv
    rec-eval -q -m coverage,novelty,auc ials.rec test.rec | head -n 4 >model.txt
    rec-eval -q -m coverage,novelty,auc --train train.rec --run run.csv --qrels test.rec | head -n 4 | cmp - model.txt
    # Of all lists together there is no figure of one user.
    rec-eval -q -m coverage,novelty --per-user u.csv -o /dev/null ials.rec test.rec
    [ "$(sed -n 2p u.csv | cut -d, -f2)" = "" ]
    [ "$(sed -n 2p u.csv | cut -d, -f3)" != "" ]
    # Everybody's list of popular items: ten items and a few more, for what somebody has seen.
    rec-train -q --model popular -o popular.rec train.rec
    [ "$(rec-eval -q -m coverage popular.rec test.rec | jq '."coverage@10" < 0.5')" = true ]
    refuses 1 'name what its system learnt from by --train' rec-eval -m novelty --run run.csv --qrels test.rec
    refuses 1 'ild@10: needs genres: name a catalogue' rec-eval -m ild ials.rec test.rec
    refuses 2 'a model knows itself' rec-eval --train train.rec ials.rec test.rec
}
