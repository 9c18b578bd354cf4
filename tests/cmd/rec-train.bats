#!/usr/bin/env bats
# SPDX-License-Identifier: MIT

load ../helper
setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    rec-synth -q --users 300 --items 200 --ratings 8000 --seed 4 --format rec -o all.rec
    rec-split -q --test 0.2 --seed 1 --out-test test.rec -o r.rec all.rec
}
setup() {
    rec_setup
    cp "$BATS_FILE_TMPDIR"/*.rec .
}

# measure MODEL KEY
measure() {
    rec-eval -q "$1" test.rec | sed -n "s/^ *\"$2\": \([0-9.e-]*\).*/\1/p"
}

@test "every model trains, from a pipe or a name, and says what it is" {
    for m in popular bias als ials; do
        rec-train -q --model $m r.rec >a
        rec-train -q --model=$m <r.rec >b
        rec-train -q -m $m -o c r.rec
        cmp a b
        cmp a c
        rec-info a | grep -q "model *$m"
    done
}

@test "threads do not change the bytes; the seed does" {
    for m in 'bias' 'als' 'ials --solver=cg' 'ials --solver=cholesky' 'ials --solver=subspace'; do
        read -ra model <<<"$m"
        rec-train -q --model "${model[@]}" --threads 1 r.rec >one
        rec-train -q --model "${model[@]}" --threads 2 r.rec | cmp - one
        rec-train -q --model "${model[@]}" --threads 5 r.rec | cmp - one
    done
    rec-train -q --seed 1 --no-history r.rec >a
    rec-train -q --seed 2 --no-history r.rec >b
    run ! cmp -s a b
}

@test "als predicts better than bias, ials ranks better than popular" {
    for m in popular bias als ials; do
        rec-train -q --model $m -o $m r.rec
    done
    awk -v a="$(measure als rmse)" -v b="$(measure bias rmse)" 'BEGIN { exit !(a < b) }'
    awk -v a="$(measure ials recall@10)" -v b="$(measure popular recall@10)" 'BEGIN { exit !(a > b) }'
}

@test "one line a pass with its loss, which falls; none with -q" {
    rec-train --model als --passes 4 r.rec 2>err >m
    [ "$(grep -c 'pass [1-4] of 4: loss' err)" -eq 4 ]
    sed -n 's/.*loss \([0-9.e+]*\),.*/\1/p' err | awk '{ if (NR > 1 && $1 > last) exit 1; last = $1 }'
    rec-train -q r.rec 2>err >m
    [ ! -s err ]
    rec-train -q --stats r.rec 2>&1 >m | grep -q 'ratings in all passes'
}

@test "history records the model's own parameters and no other" {
    rec-train -q --model als --factors 8 r.rec -o m
    rec-info m >out
    grep -q 'rec-train .* model=als seed=42 .*factors=8' out
    grep 'rec-train' out >line
    run ! grep -q 'alpha\|half-life\|solver\|threads' line
    rec-train -q --model ials r.rec -o m
    rec-info m | grep 'rec-train' | grep -q 'weights=equal.*solver=cg'
    rec-train -q --no-history r.rec -o m
    rec-info m >out
    run ! grep -q 'rec-train 0' out
}

@test "--list tells each model's parameters, and every one is an option" {
    rec-train --list >list
    for m in popular bias als ials; do
        grep -q "^$m: " list
    done
    rec-train -h >help
    sed -n 's/^    \(--[a-z-]*\) .*/\1/p' list | sort -u | while read -r option; do
        grep -q -- "$option " help
    done
    refuses 1 'standard output' sh -c 'rec-train --list >/dev/full'
}

@test "--positive: what is liked is learnt, what is rated is seen" {
    rec-train -q --positive 'rating>=4' r.rec -o m
    [ "$(rec-info m | awk '$1 == "seen" { print $2 }')" = "$(rec-info r.rec | awk '$1 == "ratings" { print $2 }')" ]
    rec-train -q r.rec -o all
    run ! cmp -s m all
    refuses 2 'positive: als learns' rec-train -q --model als --positive 'rating>=4' r.rec
    refuses 2 'not a condition' rec-train -q --positive 'stars>=4' r.rec
    refuses 1 'no ratings' rec-train -q --positive 'rating>=400' r.rec
}

@test "wrong usage: another model's parameter, a value out of range, a fraction, an unknown model" {
    refuses 2 'alpha: als has no such parameter; it is one of ials' rec-train --model als --alpha 3 r.rec
    refuses 2 'factors: .*out of range' rec-train --factors 0 r.rec
    refuses 2 'factors: .*not a whole number' rec-train --factors 2.5 r.rec
    refuses 2 'not a number' rec-train --regularization nan r.rec
    refuses 2 'not one of' rec-train --model svd r.rec
    refuses 2 'not one of' rec-train --solver lu r.rec
    refuses 2 'one operand too many' rec-train r.rec r.rec
}

@test "a setting in rec.yaml is for the model that has it" {
    printf 'train:\n  model: als\n  factors: 8\n  alpha: 3\n' >rec.yaml
    rec-train -q r.rec -o m
    rec-info m | grep 'rec-train' | grep -q 'model=als.*factors=8'
    REC_TRAIN_FACTORS=9 rec-train -q r.rec -o m
    rec-info m | grep 'rec-train' | grep -q 'factors=9'
}

@test "values as weights, which must be weights" {
    rec-train -q --weights values r.rec -o a
    rec-train -q r.rec -o b
    run ! cmp -s a b
    printf 'user,item,rating\n1,1,-2\n1,2,3\n2,1,4\n' | rec-ingest -q -o minus.rec
    refuses 1 'ials: value -2 cannot be a weight' rec-train -q --weights values minus.rec
    rec-train -q minus.rec -o m
}

@test "half-life needs times" {
    rec-train -q --model popular --half-life 30 r.rec -o m
    printf 'user,item,rating\n1,1,2\n' | rec-ingest -q -o t.rec
    refuses 1 'half-life needs the times' rec-train -q --model popular --half-life 30 t.rec
}

@test "bad input and bad output: status 1, one line, the old file stays" {
    refuses 1 'nonesuch' rec-train -q nonesuch
    head -c 1000 r.rec >cut.rec
    refuses 1 'cut.rec' rec-train -q cut.rec
    echo old >m
    refuses 1 'cut.rec' rec-train -q -o m cut.rec
    [ "$(cat m)" = old ]
    refuses 1 'full|No space|no space' sh -c 'rec-train -q r.rec >/dev/full'
    refuses 1 'standard output' sh -c 'rec-train -q r.rec >&-'
}
