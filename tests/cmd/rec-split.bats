#!/usr/bin/env bats
# SPDX-License-Identifier: MIT

load ../helper
setup() {
    rec_setup
    rec-synth -q --users 80 --items 90 --ratings 2000 --format rec -o r.rec
    rows r.rec >all
}

# rows FILE: userId,movieId,rating,timestamp, sorted, without the header
rows() { rec-cat "$1" | sed 1d | LC_ALL=C sort; }

# whole PART...: together they are all ratings, and each rating is in one
whole() {
    local f
    for f in "$@"; do rows "$f"; done | LC_ALL=C sort >together
    cmp together all
}

@test "every method leaves each rating in one part, with the ids of all" {
    for m in random global-random last time kfold; do
        rec-split -q -m $m --out-test test.rec r.rec >train.rec
        whole train.rec test.rec
        rec-split -q -m $m --out-test test2.rec --out-valid valid.rec --valid 0.1 <r.rec >train2.rec
        whole train2.rec test2.rec valid.rec
        # a validation part does not change the test part
        cmp <(rows test.rec) <(rows test2.rec)
        [ -n "$(rows valid.rec)" ]
        rec-info test.rec | grep -q '80'
    done
}

@test "random: the share of each user, and one rating kept" {
    rec-split -q --test 0.25 --out-test test.rec r.rec >train.rec
    # within one of the share of each user
    awk -F, 'NR == FNR { n[$1]++; next } { t[$1]++ }
        END { for (u in n) if (t[u] < 0.25 * n[u] - 1 || t[u] > 0.25 * n[u] + 1 || t[u] >= n[u]) { print u, n[u], t[u]; bad = 1 } exit bad }' \
        all <(rows test.rec)
    awk -v n="$(rows test.rec | wc -l)" 'BEGIN { exit !(n > 450 && n < 550) }'
    rec-split -q --test 0.99 --out-test test.rec r.rec >train.rec
    [ "$(rows train.rec | cut -d, -f1 | sort -u | wc -l)" -eq 80 ]
    rec-split -q --test 0.99 --min-train 5 --out-test test.rec r.rec >train.rec
    [ "$(rows train.rec | cut -d, -f1 | sort | uniq -c | awk '$1 < 5' | wc -l)" -eq 0 ]
}

@test "random: other users do not change a user's choice; the seed does" {
    rec-cat r.rec | awk -F, 'NR == 1 || $1 <= 40' >half.csv
    rec-ingest -q half.csv >half.rec
    rec-split -q --out-test test.rec r.rec >/dev/null
    rec-split -q --out-test half-test.rec half.rec >/dev/null
    cmp <(rows test.rec | awk -F, '$1 <= 40') <(rows half-test.rec)
    rec-split -q --seed 43 --out-test other.rec r.rec >/dev/null
    run ! cmp -s <(rows test.rec) <(rows other.rec)
    rec-split -q --out-test again.rec r.rec >/dev/null
    cmp test.rec again.rec
}

@test "last: the latest of each user, ties by item" {
    printf '%s\n' userId,movieId,rating,timestamp a,x,1,5 a,y,2,9 a,z,3,9 b,x,4,7 c,x,1,1 c,y,1,3 c,z,1,2 >t.csv
    rec-ingest -q t.csv >t.rec
    rec-split -q -m last --out-test test.rec t.rec >train.rec
    [ "$(rows test.rec | cut -d, -f1,2 | tr '\n' ' ')" = 'a,z c,y ' ]
    rec-split -q -m last --last 2 --out-test test.rec t.rec >train.rec
    [ "$(rows test.rec | cut -d, -f1,2 | tr '\n' ' ')" = 'a,y a,z c,y c,z ' ]
    rec-split -q -m last --out-test test.rec --out-valid valid.rec t.rec >train.rec
    [ "$(rows valid.rec | cut -d, -f1,2 | tr '\n' ' ')" = 'a,y c,z ' ]
    rec-split -q -m last --min-train 0 --out-test test.rec t.rec >train.rec
    [ "$(rows test.rec | cut -d, -f1,2 | tr '\n' ' ')" = 'a,z b,x c,y ' ]
}

@test "time: training is before validation is before test" {
    rec-split -q -m time --test 0.2 --valid 0.2 --out-test test.rec --out-valid valid.rec r.rec >train.rec
    last=$(rows train.rec | cut -d, -f4 | sort -n | tail -1)
    [ "$last" -lt "$(rows valid.rec | cut -d, -f4 | sort -n | head -1)" ]
    last=$(rows valid.rec | cut -d, -f4 | sort -n | tail -1)
    [ "$last" -lt "$(rows test.rec | cut -d, -f4 | sort -n | head -1)" ]
    awk -v n="$(rows test.rec | wc -l)" 'BEGIN { exit !(n >= 395 && n <= 405) }'
    run -0 rec-split -m time --before 2020-01-01 --out-test test.rec r.rec -o train.rec
    [ "${lines[0]}" = 'rec-split: test begins on 2020-01-01' ]
    # 2020-01-01
    cmp <(rows test.rec) <(awk -F, '$4 >= 1577836800' all)
    whole train.rec test.rec
}

@test "kfold: every rating is held out once" {
    for f in 1 2 3; do
        rec-split -q -m kfold --folds 3 --fold $f --out-test test$f.rec r.rec >/dev/null
        awk -v n="$(rows test$f.rec | wc -l)" 'BEGIN { exit !(n == 666 || n == 667) }'
    done
    whole test1.rec test2.rec test3.rec
}

@test "the pairs of a file, by their ids" {
    printf 'userId,movieId,rating,timestamp\n' >p.csv
    awk -F, 'NR % 9 == 1' all >>p.csv
    echo 'nobody,1,3,4' >>p.csv
    rec-ingest -q p.csv >p.rec
    run -0 rec-split --test-pairs p.rec --out-test test.rec r.rec -o train.rec
    [ "${lines[0]}" = "rec-split: 1 of $(($(wc -l <p.csv) - 1)) pairs of p.rec are not among the ratings" ]
    cmp <(rows test.rec) <(awk -F, 'NR % 9 == 1' all)
    whole train.rec test.rec
}

@test "the test part is in place before standard output ends" {
    rec-split -q --out-test test.rec <r.rec | { cat >/dev/null; rec-info test.rec >/dev/null; }
}

@test "a failure leaves the old test part" {
    echo old >test.rec
    run ! bash -c 'rec-split -q --out-test test.rec r.rec >/dev/full'
    [ "$(cat test.rec)" = old ]
    run ! rec-split -q --out-test test.rec r.rec -o missing/train.rec
    [ "$(cat test.rec)" = old ]
    head -c 1000 r.rec >short.rec
    refuses 1 '^rec-split: short.rec: ' rec-split --out-test test.rec short.rec
    [ "$(cat test.rec)" = old ]
    run ! compgen -G ".*rec-tmp*"
}

@test "empty and tiny inputs" {
    printf 'userId,movieId,rating,timestamp\na,x,1,5\n' >one.csv
    rec-ingest -q one.csv >one.rec
    for m in random last global-random time kfold; do
        run -0 rec-split -m $m --out-test test.rec one.rec -o train.rec
    done
    run -0 rec-split --out-test test.rec one.rec -o train.rec
    [[ $output == *"; nothing to test with" ]]
}

@test "history names the method, the seed and the part" {
    rec-split -q --test 0.2 --seed 7 --out-test test.rec r.rec >train.rec
    rec-info test.rec | grep -qE 'rec-split [0-9.]+ method=random test=0.2 seed=7 input=crc32c:[0-9a-f]{8} part=test'
    rec-info train.rec | grep -q 'part=train'
    rec-split -q -m last --no-history --out-test test.rec r.rec >train.rec
    [ "$(rec-info test.rec | grep -c 'rec-split 0')" -eq 0 ]
}

@test "wrong usage is exit 2" {
    refuses 2 '^rec-split: --test: ' rec-split --test 1.5 r.rec
    refuses 2 'nothing is left to train on' rec-split --test 1 r.rec
    refuses 2 '^rec-split: --fold 6: there are 5 folds' rec-split -m kfold --fold 6 r.rec
    refuses 2 'standard output is for the training part' rec-split --out-test - r.rec
    refuses 2 '^rec-split: --out-valid FILE and --valid SHARE go together' rec-split --out-valid v.rec r.rec
    refuses 2 '^rec-split: --before: for --method time only' rec-split --before 2020 r.rec
    refuses 1 '^rec-split: --before: "x" is no date' rec-split -m time --before x r.rec
    rec-synth -q --users 5 --items 20 --ratings 30 | cut -d, -f1-3 >n.csv
    rec-ingest -q n.csv >n.rec
    refuses 1 '^rec-split: n.rec: no times' rec-split -m time --out-test t.rec n.rec
    refuses 1 '^rec-split: n.rec: no times' rec-split -m last --out-test t.rec n.rec
}

# pairs FILE: user,item without the header line.
pairs() { rec-cat "$1" | sed 1d | cut -d, -f1,2 | LC_ALL=C sort; }

@test "user-time: each user's test part is later than what they have in training" {
    rec-split -q -m user-time --test 0.3 --valid 0.1 --out-valid v.rec --leaks l.json --out-test t.rec r.rec >train.rec
    [ "$(jq -c '[.test_behind_share, .cold_users]' l.json)" = '[0,0]' ]
    cmp <(cat <(pairs train.rec) <(pairs v.rec) <(pairs t.rec) | LC_ALL=C sort) <(pairs r.rec)
    for f in train v t; do rec-cat $f.rec | sed 1d | sed "s/^/$f,/"; done | awk -F, '
        $1 == "train" && $5 > train[$2] { train[$2] = $5 }
        $1 == "v" { if (!($2 in first) || $5 < first[$2]) first[$2] = $5; if ($5 > last[$2]) last[$2] = $5 }
        $1 == "t" && (!($2 in test) || $5 < test[$2]) { test[$2] = $5 }
        END { for (u in test) if (test[u] < train[u] || test[u] < last[u]) exit 1; for (u in first) if (first[u] < train[u]) exit 1 }'
    rec-filter -q --drop-times -o none.rec r.rec
    refuses 1 'none.rec: no times' rec-split -m user-time none.rec
}

@test "users and items: those held out have nothing in training; with --min-train a little" {
    for m in users items; do
        rec-split -q -m $m --test 0.25 --seed 5 --leaks l.json --out-test t.rec r.rec >train.rec
        column=$([ $m = users ] && echo 1 || echo 2)
        pairs train.rec | cut -d, -f"$column" | LC_ALL=C sort -u >known
        pairs t.rec | cut -d, -f"$column" | LC_ALL=C sort -u >cold
        [ -z "$(LC_ALL=C comm -12 known cold)" ]
        [ "$(jq ".cold_$m" l.json)" -eq "$(wc -l <cold)" ]
        [ "$(jq .cold_share l.json)" = 1 ]
        rec-split -q -m $m --test 0.25 --seed 5 --warm --leaks l.json --out-test t.rec r.rec >again.rec
        cmp <(pairs train.rec) <(pairs again.rec)
        [ "$(jq .test l.json)" -eq 0 ]
    done
    rec-split -q -m users --test 0.25 --seed 5 --min-train 2 --out-test t.rec r.rec >train.rec
    pairs t.rec | cut -d, -f1 | LC_ALL=C sort -u >cold
    [ "$(pairs train.rec | cut -d, -f1 | grep -Fxf cold | sort | uniq -c | awk '{ print $1 }' | sort -u)" = 2 ]
}

@test "--warm by time: what is left of the test part is of known users and items; the rest is in no part" {
    rec-split -q -m time --leaks l.json --out-test all.rec r.rec >train.rec
    rec-split -q -m time --warm --leaks w.json --out-test warm.rec r.rec >again.rec
    cmp <(pairs train.rec) <(pairs again.rec)
    pairs train.rec | cut -d, -f1 | sort -u >users
    pairs train.rec | cut -d, -f2 | sort -u >items
    pairs all.rec | awk -F, 'FILENAME == "users" { u[$1] } FILENAME == "items" { i[$1] } FILENAME == "-" && $1 in u && $2 in i' users items - |
        cmp - <(pairs warm.rec)
    [ "$(jq .test l.json)" -eq $(($(jq .test w.json) + $(jq '.left_out // 0' w.json))) ]
    [ "$(jq -c '[.cold_users, .cold_items, .cold_share, .train_ahead_share]' w.json)" = '[0,0,0,0]' ]
    # The leaks of a random split are those that awk counts.
    rec-split -q --test 0.2 --leaks l.json --out-test t.rec r.rec >train.rec
    first=$(rec-cat t.rec | sed 1d | cut -d, -f4 | sort -n | head -n 1)
    rec-cat train.rec | awk -F, -v first="$first" 'NR > 1 { n++; ahead += $4 > first } END { printf "%.9f\n", ahead / n }' |
        diff - <(jq .train_ahead_share l.json | awk '{ printf "%.9f\n", $1 }')
}
