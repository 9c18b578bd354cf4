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

@test "films without ratings are recommended by their features" {
    printf 'movieId,title,genres\n' >movies.csv
    seq 1 210 | awk '{ print $1 ",Film " $1 % 7 " (" 1980 + $1 % 20 ")," ($1 % 2 ? "Drama" : "Comedy|War") }' >>movies.csv
    rec-ingest -q --movies movies.csv -o movies.rec
    rec-features -q --catalogue movies.rec -o f.rec r.rec
    rec-train --features f.rec -o warm.rec r.rec 2>err
    grep -q 'items without ratings are recommended by their features' err
    seq 201 210 >new
    [ "$(rec-recommend -q -u 7 -k 20 --allow new warm.rec | sed 1d | wc -l)" -eq 10 ]
    rec-train -q -o plain.rec r.rec
    rec-recommend -q -u 7 -k 200 plain.rec | sed 1d | cut -d, -f2,3 | sort >a
    rec-recommend -q -u 7 -k 210 warm.rec | sed 1d | cut -d, -f2,3 | sort >b
    [ -z "$(comm -23 a b)" ] || [ "$(comm -23 a b | wc -l)" -le 5 ]
    rec-train -q --model itemknn --features f.rec --threads 1 -o one r.rec
    rec-train -q --model itemknn --features f.rec --threads 3 r.rec | cmp - one
    rec-train -q --model userknn --features f.rec -o p.rec r.rec
}

@test "a hybrid is fitted on held-out ratings, and put together again with its weights" {
    rec-train -q --model ials --factors 8 -o ials r.rec
    rec-train -q --model popular -o popular r.rec
    rec-train --model hybrid --of ials --of popular -o h test.rec 2>err
    grep -q 'weight .*: ials (ials)' err
    rec-info h | grep -q 'model *hybrid'
    awk -v a="$(measure h ndcg@10)" -v b="$(measure ials ndcg@10)" 'BEGIN { exit !(a >= b - 0.01) }'
    rec-train -q --model hybrid --of ials --of popular --weights-of h -o again
    rec-cat --tensor user_factors h >a
    rec-cat --tensor user_factors again | cmp - a
    rec-recommend -q -u 1 h | grep -q '^1,'
    rec-train -q --model als --factors 4 -o als r.rec
    rec-train -q --model bias -o bias r.rec
    rec-train -q --model blend --of als --of bias test.rec | rec-info - | grep -q 'model *blend'
    rec-train -q --model blend --of als --of bias --weight 0.7 --weight 0.2 -o b
    [ "$(rec-predict -q b <<<'1,1' | wc -l)" -eq 2 ]
}

@test "a hybrid of nothing, of other ratings, or with too few weights is refused" {
    rec-train -q --model popular -o popular r.rec
    rec-train -q --model popular -o other test.rec
    run -2 rec-train --model hybrid test.rec
    run -2 rec-train --model hybrid --of popular --of popular --weight 1
    run -2 rec-train --model hybrid --of popular --weight 1 test.rec
    run -2 rec-train --model ials --of popular r.rec
    run -1 rec-train --model hybrid --of popular --of other -o h r.rec
    [[ $output == *"another history"* ]]
    run -1 rec-train --model hybrid --of popular --weights-of popular -o h
    [[ $output == *"no sum of models"* ]]
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
    refuses 2 'alpha: als has no such parameter; it is one of .*ials' rec-train --model als --alpha 3 r.rec
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

# The sample by time: an earlier part to train on first, a newer one that comes in afterwards, and what comes after both.
by_time() {
    rec-ingest -q -o sample.rec "$ROOT/data/sample/ratings.csv"
    rec-split -q -m time --test 0.1 --out-test test.rec -o train.rec sample.rec
    rec-split -q -m time --test 0.1 --out-test newer.rec -o earlier.rec train.rec
}

@test "--warm: two passes from an earlier model are as good as a whole training" {
    by_time
    for m in ials als; do
        rec-train -q -m $m -o old earlier.rec
        rec-train -q -m $m --passes 16 --trace cold.csv -o cold train.rec
        rec-train -q -m $m --passes 2 --trace warm.csv --warm old -o warm --threads 1 train.rec
        rec-train -q -m $m --passes 2 --warm old --threads 3 train.rec | cmp - warm
        awk -v a="$(measure warm ndcg@10)" -v b="$(measure cold ndcg@10)" 'BEGIN { print a, b; exit !(a >= 0.995 * b) }'
        # the loss that is made smaller is as small
        awk -F, -v a="$(tail -n 1 warm.csv | cut -d, -f2)" -v b="$(tail -n 1 cold.csv | cut -d, -f2)" 'BEGIN { print a, b; exit !(a <= 1.01 * b) }'
        rec-info warm | grep -q 'warm=crc32c:'
        # better than as many passes from nothing
        rec-train -q -m $m --passes 2 --trace two.csv train.rec >two
        awk -v a="$(tail -n 1 warm.csv | cut -d, -f2)" -v b="$(tail -n 1 two.csv | cut -d, -f2)" 'BEGIN { exit !(a < b) }'
    done
}

@test "--refresh: new users and new ratings count, items stay" {
    by_time
    for m in ials als bias; do
        rec-train -q -m $m -o old earlier.rec
        rec-train -q -m $m -o new train.rec
        rec-train -q --refresh old -o fresh --threads 1 train.rec
        rec-train -q --refresh old --threads 3 train.rec | cmp - fresh
        awk -v a="$(measure fresh ndcg@10)" -v b="$(measure old ndcg@10)" -v c="$(measure new ndcg@10)" -v m=$m \
            'BEGIN { print m, a, b, c; exit !(m == "bias" || (a > b && a >= 0.97 * c)) }'
        rec-info fresh | grep -q 'refresh=crc32c:'
        # what was rated since is not recommended
        rec-cat newer.rec | sed 1d | cut -d, -f1,2 | sort >rated
        cut -d, -f1 rated | sort -u >users
        rec-recommend -q -k 20 fresh <users | sed 1d | cut -d, -f1,2 | sort | comm -12 - rated | wc -l | grep -qx 0
    done
    # nothing new: what training has left, as users come last in it
    rec-train -q -m als -o old train.rec
    rec-train -q --refresh old -o fresh train.rec
    rec-cat train.rec | sed 1d | cut -d, -f1,2 | head -n 500 >pairs
    paste -d, <(rec-predict -q old <pairs | cut -d, -f3) <(rec-predict -q fresh <pairs | cut -d, -f3) |
        awk -F, 'NR > 1 && ($1 - $2 > 1e-3 || $2 - $1 > 1e-3) { print; bad = 1 } END { exit bad || NR < 500 }'
}

@test "--refresh: items that the model does not know are left out; users that are gone are gone" {
    printf '%s\n' userId,itemId,rating a,x,5 a,y,1 b,x,4 c,y,2 >one.csv
    printf '%s\n' userId,itemId,rating a,x,5 a,z,1 d,y,4 >two.csv
    rec-ingest -q one.csv >one.rec
    rec-ingest -q two.csv >two.rec
    rec-train -q --factors 2 one.rec -o m
    run -0 rec-train --refresh m -o fresh two.rec
    [ "$output" = 'rec-train: 1 ratings of items that m does not know are left out' ]
    [ "$(printf 'a\nd\n' | rec-recommend -q -k 5 fresh | sed 1d | cut -d, -f1,2 | tr '\n' ' ')" = 'a,y d,x ' ]
    rec-info fresh | grep -qE 'users +2'
    rec-info fresh | grep -qE 'items +2'
}

@test "--trace: a line a pass, as --plots want it; models without a loss leave it empty" {
    rec-train --passes 3 --trace t.csv r.rec 2>err >m
    [ "$(head -n 1 t.csv)" = pass,loss,seconds,rate ]
    [ "$(cut -d, -f1 t.csv | tr '\n' ' ')" = 'pass 1 2 3 ' ]
    awk -F, 'NR > 2 && !($2 < last) { exit 1 } NR > 1 && !($3 > 0 && $3 < 60) { exit 1 } { last = $2 }' t.csv
    rec-train -q --passes 3 r.rec | cmp - m
    rec-train -q -m popular --trace t.csv r.rec >m
    grep -qE '^1,,[0-9.e-]+,[0-9.e+]*$' t.csv || [ "$(wc -l <t.csv)" -eq 1 ]
    echo old >t.csv
    head -c 1000 r.rec >short.rec
    run ! rec-train -q --trace t.csv short.rec
    [ "$(cat t.csv)" = old ]
    run ! rec-train -q --trace /nowhere/t.csv -o m2 r.rec
    [ ! -e m2 ]
}

@test "--warm and --refresh refuse what does not fit" {
    rec-train -q --passes 2 --factors 4 -o i r.rec
    rec-train -q -m als --passes 2 --factors 4 -o a r.rec
    rec-train -q -m popular -o p r.rec
    refuses 1 '^rec-train: i: of type ials, and als is to be trained' rec-train -m als --factors 4 --warm i r.rec
    refuses 1 '^rec-train: i: 4 factors, and 8 are to be trained' rec-train --factors 8 --warm i r.rec
    refuses 2 '^rec-train: --warm: popular has nothing' rec-train -m popular --warm i r.rec
    refuses 1 '^rec-train: p: of type popular, which learns nothing of users' rec-train --refresh p r.rec
    refuses 2 '^rec-train: --factors: --refresh trains nothing' rec-train --refresh i --factors 8 r.rec
    refuses 2 '^rec-train: --warm: --refresh trains nothing' rec-train --refresh i --warm i r.rec
    refuses 1 '^rec-train: a: --positive: als learns from the values' rec-train --refresh a --positive 'rating>=4' r.rec
    refuses 1 '^rec-train: r.rec: ' rec-train --refresh r.rec r.rec
    refuses 1 '^rec-train: gone: ' rec-train --warm gone r.rec
    # settings of the next training do no harm
    printf 'train: {model: als, factors: 99}\n' >rec.yaml
    rec-train -q --refresh i r.rec | rec-info - | grep -qE 'model +ials'
}

# Ratings to learn from and to validate by.
validated() {
    rec-split -q --test 0.2 --seed 2 --out-test v.rec -o t.rec r.rec
}

@test "--validation: the best pass is written, as rec-eval measures it, and training ends" {
    validated
    for m in 'als rmse' 'ials ndcg@10' 'bias rmse'; do
        read -r model metric <<<"$m"
        rec-train -m "$model" --passes 60 --validation v.rec --patience 3 --trace trace.csv -o m t.rec 2>err
        [ "$(head -n 1 trace.csv)" = "pass,loss,$metric,seconds,rate" ]
        read -r best last value <<<"$(awk -F, -v less="$metric" 'NR > 1 { v = less == "rmse" ? -$3 : $3; if (NR == 2 || v > top) { top = v; best = $1; value = $3 } last = $1 }
            END { print best, last, value }' trace.csv)"
        [ "$last" -eq $((best + 3)) ] || [ "$last" -eq 60 ]
        rec-eval -q -m "$metric" m v.rec | grep -qF "\"$metric\": $value"
        grep -c 'ratings/s' err | grep -qx "$last"
        rec-info m | grep 'rec-train' | grep -q "metric=$metric.*validation=crc32c:.* pass=$best"
        # What it was after that pass is what so many passes make.
        rec-train -q -m "$model" --passes "$best" -o so-many t.rec
        rec-cat -q v.rec | cut -d, -f1,2 >pairs.csv
        rec-predict -q m pairs.csv >a
        rec-predict -q so-many pairs.csv | cmp - a
    done
}

@test "--validation: bytes do not hang on threads; without patience all passes are made; one that is not measured in between is at the end" {
    validated
    rec-train -q -m als --passes 20 --validation v.rec --threads 1 -o one t.rec
    rec-train -q -m als --passes 20 --validation v.rec --threads 3 -o three t.rec
    cmp one three
    rec-train -q --passes 9 --validation v.rec --patience 0 --validate-every 4 --metric recall@5 --trace trace.csv -o m t.rec
    [ "$(awk -F, 'NR > 1 && $3 != "" { printf "%s ", $1 }' trace.csv)" = "4 8 9 " ]
    rec-train -m popular --validation v.rec --trace trace.csv -o m t.rec 2>err
    grep -q "^1,,$(rec-eval -q -m ndcg@10 m v.rec | sed -n 's/.*"ndcg@10": //p' | tr -d ,)," trace.csv
}

@test "--validation refuses what does not fit" {
    validated
    refuses 2 'metric: needs --validation' rec-train -q --metric ndcg@5 t.rec
    refuses 2 'predicts no ratings' rec-train -q --validation v.rec --metric rmse t.rec
    refuses 2 'more than one' rec-train -q --validation v.rec --metric ndcg,recall t.rec
    refuses 2 'metric' rec-train -q --validation v.rec --metric nonesuch t.rec
    refuses 2 'cannot both be standard input' rec-train -q --validation -
    refuses 1 'nonesuch' rec-train -q --validation nonesuch t.rec
    printf 'user,item,rating\na,b,3\n' | rec-ingest -q -o other.rec
    rec-filter -q --min-rating 99 -o none.rec v.rec 2>/dev/null || rec-split -q -m global-random --test 0.000001 --out-test none.rec -o rest.rec v.rec
    refuses 1 'nothing in it' rec-train -q --validation none.rec t.rec
}

# interrupted OUTPUT OPTION...: trains with a checkpoint after every pass, killed again and again until it is done.
interrupted() {
    local out=$1 rounds=0 pid
    shift
    rm -f ck "$out"
    while [ ! -e "$out" ]; do
        rec-train --checkpoint ck --checkpoint-interval 0 -o "$out" "$@" 2>>log &
        pid=$!
        sleep 0.0$((RANDOM % 9 + 1))
        [ "$rounds" -ge 12 ] || kill -9 "$pid" 2>/dev/null || :
        wait "$pid" || :
        rounds=$((rounds + 1))
        [ "$rounds" -lt 40 ] || return 1
    done
    [ ! -e ck ]
}

@test "--checkpoint: killed at any pass, it goes on to the same bytes" {
    validated
    for m in 'als' 'ials' 'ials --solver=cholesky --factors=24' 'ials --solver=subspace --factors=24' 'bias --passes=1000' 'als --validation=v.rec --patience=90' sgd bpr; do
        read -ra model <<<"$m --passes=50"
        [[ $m != bias* ]] || model=(bias --passes=400)
        rec-train -q -m "${model[@]}" -o straight t.rec
        interrupted resumed -m "${model[@]}" t.rec
        cmp straight resumed
    done
    grep -q 'ck: goes on after pass' log
}

@test "--checkpoint: what it goes on from is told; the trace is whole; another training is refused" {
    validated
    # A training that cannot be written leaves its last checkpoint.
    run ! rec-train -q -m als --passes 9 --checkpoint ck --checkpoint-interval 0 --validation v.rec -o /nonesuch/m t.rec
    rec-info ck | grep -q rec.checkpoint/1
    refuses 1 'ck: of another training \(parameters: .*remove it' rec-train -q -m als --passes 10 --checkpoint ck --validation v.rec -o m t.rec
    refuses 1 'another training \(model' rec-train -q --passes 9 --checkpoint ck --validation v.rec -o m t.rec
    refuses 1 'another training \(seed' rec-train -q -m als --passes 9 --seed 1 --checkpoint ck --validation v.rec -o m t.rec
    refuses 1 'another training \(ratings' rec-train -q -m als --passes 9 --checkpoint ck --validation v.rec -o m r.rec
    refuses 1 'another training \(validation' rec-train -q -m als --passes 9 --checkpoint ck -o m --validation test.rec t.rec
    refuses 1 'another training \(metric' rec-train -q -m als --passes 9 --checkpoint ck -o m --validation v.rec --patience 2 t.rec
    [ ! -e m ]
    rec-train -m als --passes 9 --checkpoint ck --validation v.rec --trace trace.csv -o m t.rec 2>err
    grep -q 'ck: goes on after pass 8' err
    [ "$(cut -d, -f1 trace.csv | tr '\n' ' ')" = "pass 1 2 3 4 5 6 7 8 9 " ]
    [ ! -e ck ]
    rec-train -q -m als --passes 9 --validation v.rec -o straight t.rec
    cmp straight m
    head -c 3000 t.rec >ck
    refuses 1 'ck' rec-train -q --checkpoint ck -o m t.rec
    cp t.rec ck
    refuses 1 'ck: .*rec.ratings' rec-train -q --checkpoint ck -o m t.rec
}
