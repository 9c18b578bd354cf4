#!/usr/bin/env bats
# SPDX-License-Identifier: MIT

load ../helper
setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    rec-synth -q --users 300 --items 200 --ratings 8000 --seed 4 --format rec -o all.rec
    rec-split -q --test 0.2 --seed 1 --out-test v.rec -o t.rec all.rec
}
setup() {
    rec_setup
    unset "${!REC_TUNE_@}"
    cp "$BATS_FILE_TMPDIR"/*.rec .
}

# column NAME: of trials.csv, one value a line.
column() {
    awk -F, -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i; next } { print $c }' "${2:-trials.csv}"
}
# Without what is a matter of time.
timeless() {
    awk -F, 'BEGIN { OFS = "," } { $4 = ""; print }' "$1"
}

@test "the best parameters are settings of rec-train, which makes the model that was measured" {
    for m in 'als rmse' 'ials ndcg@10' 'bias rmse'; do
        read -r model metric <<<"$m"
        for f in yaml json; do
            rm -f trials.csv
            rec-tune -q -m "$model" -n 8 --threads 1 --csv trials.csv --validation v.rec -f $f t.rec >best
            rec-train -q --config best t.rec -o m
            best=$(column "$metric" | sort -g | if [ "$metric" = rmse ]; then head -n 1; else tail -n 1; fi)
            rec-eval -q -m "$metric" m v.rec | grep -qF "\"$metric\": $best"
        done
    done
    head -n 1 trials.csv | grep -q '^number,status,rmse,seconds,passes,regularization-users,regularization-items,'
    [ "$(column number | sort -n | tr '\n' ' ')" = '1 2 3 4 5 6 7 8 ' ]
    # The first trial has the defaults.
    [ "$(column regularization-users | head -n 1)" = 5 ]
    [ "$(column status | grep -cE '^(done|pruned)$')" -eq 8 ]
}

@test "it does better than the defaults, and TPE no worse than chance" {
    small='factors=4..16,regularization=0.3..30 log'
    rec-tune -q -m als -n 20 --search "$small" --csv als.csv --validation v.rec --threads 1 t.rec -o best
    awk -v first="$(column rmse als.csv | head -n 1)" -v best="$(column rmse als.csv | sort -g | head -n 1)" 'BEGIN { exit !(best < 0.98 * first) }'
    # Either may be lucky once; the mean over seeds says more.
    for seed in 42 1 2 3; do
        for method in tpe random; do
            rec-tune -q -m bias -n 30 --method $method --seed $seed --csv "$method.$seed.csv" --validation v.rec --threads 1 t.rec -o best
            column rmse "$method.$seed.csv" | sort -g | head -n 1 >>$method.best
        done
    done
    paste tpe.best random.best | awk '{ tpe += $1; random += $2 } END { exit !(tpe < random) }'
    # Chance does not learn from the trials before, nor hang on their order.
    rec-tune -q -m als -n 12 --search "$small" --method random --csv two.csv --validation v.rec --threads 3 --eta 1 t.rec -o best
    rec-tune -q -m als -n 12 --search "$small" --method random --csv one.csv --validation v.rec --threads 1 --eta 1 t.rec -o best2
    cmp best best2
    [ "$(timeless one.csv | sort)" = "$(timeless two.csv | sort)" ]
}

@test "one trial at a time: the same trials for a seed, others for another" {
    for i in 1 2; do
        rec-tune -q -m bias -n 15 --threads 1 --csv $i.csv t.rec -o best$i
    done
    cmp best1 best2
    [ "$(timeless 1.csv)" = "$(timeless 2.csv)" ]
    rec-tune -q -m bias -n 15 --threads 1 --seed 7 --csv 3.csv t.rec -o best3
    [ "$(timeless 1.csv)" != "$(timeless 3.csv)" ]
}

@test "pruning: trials that do badly at a rung end there" {
    rec-tune -q -m als -n 20 --threads 1 --passes 18 --csv trials.csv --validation v.rec t.rec -o best
    head -n 1 trials.csv | grep -q ',pass2,pass6,search$'
    [ "$(column status | grep -c pruned)" -gt 5 ]
    awk -F, 'NR > 1 && $2 == "pruned" && ($5 > 6 || $(NF - 2) == "") { exit 1 }' trials.csv
    rec-tune -q -m als -n 5 --threads 1 --passes 18 --eta 1 --csv all.csv --validation v.rec t.rec -o best
    run ! grep -q 'pruned\|pass2' all.csv
}

@test "killed at any moment, it goes on: the same trials as if it had not been" {
    rec-tune -q -m als -n 25 --threads 1 --csv straight.csv --validation v.rec t.rec -o straight
    rounds=0
    while [ ! -e best ]; do
        rec-tune -q -m als -n 25 --threads 1 --csv trials.csv --validation v.rec t.rec -o best &
        pid=$!
        sleep 0.$((RANDOM % 3))$((RANDOM % 9 + 1))
        [ "$rounds" -ge 8 ] || kill -9 "$pid" 2>/dev/null || :
        wait "$pid" || :
        rounds=$((rounds + 1))
    done
    [ "$(timeless trials.csv)" = "$(timeless straight.csv)" ]
    diff straight best
    # A line that was cut off is made again; more trials go on from there; none at all tells the best.
    head -c -20 trials.csv >cut.csv
    rec-tune -m als -n 25 --threads 1 --csv cut.csv --validation v.rec t.rec -o best 2>err
    grep -q '24 trials are there already' err
    [ "$(timeless cut.csv)" = "$(timeless straight.csv)" ]
    rec-tune -q -m als -n 27 --threads 1 --csv cut.csv --validation v.rec t.rec -o best
    [ "$(wc -l <cut.csv)" -eq 28 ]
    rec-tune -q -m als -n 0 --csv straight.csv --validation v.rec t.rec | sed 1d | cmp - <(sed 1d straight)
}

@test "trials of another search are refused, and what is none" {
    rec-tune -q -m bias -n 2 --csv trials.csv --validation v.rec t.rec -o best
    cp trials.csv before
    refuses 1 'trials.csv:2: of another search' rec-tune -q -m bias -n 4 --csv trials.csv --validation v.rec --seed 3 t.rec
    refuses 1 'trials.csv:2: of another search' rec-tune -q -m bias -n 4 --csv trials.csv --validation v.rec all.rec
    refuses 1 'trials.csv:2: of another search' rec-tune -q -m bias -n 4 --csv trials.csv --validation v.rec --search 'regularization-users=1..3' t.rec
    refuses 1 'first line' rec-tune -q -m als -n 4 --csv trials.csv --validation v.rec t.rec
    cmp trials.csv before
    echo hello >note.txt
    refuses 1 'first line|not the trials' rec-tune -q -m bias -n 4 --csv note.txt t.rec
    [ "$(cat note.txt)" = hello ]
    printf '3,done\n' >>trials.csv
    refuses 1 'trials.csv:4: not a line' rec-tune -q -m bias -n 4 --csv trials.csv --validation v.rec t.rec
}

@test "the space: of the model, of a file, of rec.yaml, of the command line" {
    rec-tune -q -m als -n 12 --csv trials.csv --eta 1 --passes 3 --search 'factors=4|8, regularization = 0.5..2 ,exponent=0.5' t.rec -o best
    [ "$(column factors | sort -n | uniq | tr '\n' ' ')" = '4 8 ' ]
    column regularization | awk '$1 < 0.5 || $1 > 2 { exit 1 }'
    [ "$(column exponent | sort -u)" = 0.5 ]
    printf 'factors: [4, 6]\nregularization: 0.5..2 log\n' >space.yaml
    rec-tune -q -m als -n 6 --csv file.csv --eta 1 --passes 3 --space space.yaml --search regularization=1 t.rec -o best
    [ "$(column factors file.csv | sort -n | uniq | tr '\n' ' ')" = '4 6 ' ]
    [ "$(column regularization file.csv | sort -u)" = 1 ]
    printf 'tune:\n  model: ials\n  trials: 6\n  passes: 3\n  search:\n    factors: 4|6\n    solver: [cg, cholesky]\n' >rec.yaml
    rec-tune -q --csv yaml.csv t.rec -o best
    [ "$(column factors yaml.csv | sort -n | uniq | tr '\n' ' ')" = '4 6 ' ]
    column solver yaml.csv | sort -u | tr '\n' ' ' | grep -qE '^(cg |cholesky |cg cholesky )$'
    grep -q '^  solver: c' best
}

@test "wrong usage" {
    refuses 2 'factor: als has no such parameter \(factors\?\)' rec-tune -q -m als --search 'factor=3' t.rec
    refuses 2 'out of range' rec-tune -q -m als --search 'factors=0..3' t.rec
    refuses 2 'not a whole number' rec-tune -q -m als --search 'factors=1.5|2' t.rec
    refuses 2 'a range goes up' rec-tune -q -m als --search 'factors=9..3' t.rec
    refuses 2 'logarithm' rec-tune -q -m als --search 'exponent=0..1 log' t.rec
    refuses 2 'not of the form' rec-tune -q -m als --search 'factors' t.rec
    refuses 2 'not one of' rec-tune -q -m ials --search 'solver=lu' t.rec
    refuses 2 'passes: not a parameter to search' rec-tune -q -m als --search 'passes=3..9' t.rec
    refuses 2 'nothing to look for' rec-tune -q -m bias --search 'regularization-users=1,regularization-items=1' t.rec
    refuses 2 'space.yaml:2: factors: .*no number' sh -c 'printf "exponent: 0..1\nfactors: many\n" >space.yaml; rec-tune -q -m als --space space.yaml t.rec'
    refuses 2 'predicts no ratings' rec-tune -q --metric rmse t.rec
    refuses 2 'more than one' rec-tune -q --metric ndcg,recall t.rec
    refuses 2 'cannot both be standard input' rec-tune -q --validation -
    refuses 2 'features: als learns nothing' rec-tune -q -m als --features f.rec t.rec
    refuses 2 'positive: als learns' rec-tune -q -m als --positive 'rating>=4' t.rec
    refuses 1 'there was no trial' rec-tune -q -m als -n 0 t.rec
    refuses 1 'nonesuch' rec-tune -q nonesuch
    printf 'user,item,rating\na,b,3\n' | rec-ingest -q -o one.rec
    refuses 1 'nothing in it' rec-tune -q -m ials -n 2 --relevant 'rating>=99' --validation v.rec t.rec
    refuses 1 'standard output' sh -c 'rec-tune -q -m bias -n 1 t.rec >/dev/full'
}

@test "trials that fail are told, and the others count" {
    # Values that are no weights make every trial of that choice fail.
    printf 'user,item,rating\n%s\n' "$(for u in 1 2 3 4 5 6 7 8; do for i in 1 2 3 4 5 6 7; do [ $(((u * i) % 3)) -eq 0 ] || echo "$u,$i,$((i - 3))"; done; done)" | rec-ingest -q -o minus.rec
    rec-tune -m ials -n 8 --csv trials.csv --search 'weights=equal|values' --passes 2 --threads 1 minus.rec -o best 2>err
    grep -q '^trial .*\|cannot be a weight' err
    awk -F, 'NR > 1 && $2 == "failed" && $3 != "" { exit 1 }' trials.csv
    column status | grep -q failed
    column status | grep -q 'done'
    grep -q 'weights: equal' best
    refuses 1 'all trials failed' rec-tune -q -m ials -n 2 --search 'weights=values' --passes 2 minus.rec
}

@test "--positive learns from what was liked, --relevant measures by it; a model without passes has no rungs" {
    rec-tune -q -m ials -n 4 --threads 1 --csv trials.csv --positive 'rating>=4' --relevant 'rating>=4' --validation v.rec t.rec -o best
    grep -q 'positive: "rating>=4"' best
    rec-train -q --config best t.rec -o m
    rec-eval -q -m ndcg@10 --relevant 'rating>=4' m v.rec | grep -qF "\"ndcg@10\": $(column ndcg@10 | sort -g | tail -n 1)"
    rec-tune -q -m popular -n 4 --csv popular.csv --search 'half-life=1..4000 log' t.rec -o best
    [ "$(column passes popular.csv | sort -u)" = 0 ]
    grep -q 'half-life:' best
    rec-train -q --config best t.rec -o m
}
