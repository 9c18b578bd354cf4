#!/usr/bin/env bats
# SPDX-License-Identifier: MIT

load ../helper
setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    rec-synth -q --users 100 --items 80 --ratings 2000 --seed 4 --format rec -o r.rec
    rec-train -q --model als -o als.rec r.rec
    rec-train -q --model ials -o ials.rec r.rec
}
setup() {
    rec_setup
    cp "$BATS_FILE_TMPDIR"/* .
}

@test "columns are found by their names, whatever their order and case" {
    printf 'user,item\n7,3\n8,5\n' | rec-predict als.rec >want
    [ "$(head -1 want)" = "user,item,prediction" ]
    [ "$(wc -l <want)" -eq 3 ]
    printf 'movieId,timestamp,userId\n3,1,7\n5,2,8\n' | rec-predict als.rec | cmp - want
    printf 'Item_ID,USER_ID\r\n3,7\r\n5,8' | rec-predict als.rec | cmp - want
    printf '7,3\n8,5\n' | rec-predict als.rec | cmp - want
    printf '"user","item"\n"7","3"\n8,5\n' >pairs.csv
    rec-predict als.rec pairs.csv | cmp - want
    rec-predict - pairs.csv <als.rec | cmp - want
}

@test "a rating is passed on, and predictions stay within the range of training" {
    rec-cat r.rec | rec-predict als.rec >out
    [ "$(head -1 out)" = "user,item,rating,prediction" ]
    cut -d, -f1-3 out | sed 1d | cmp - <(rec-cat r.rec | sed 1d | cut -d, -f1-3)
    awk -F, 'NR > 1 && ($4 < 0.5 || $4 > 5) { exit 1 }' out
    awk -F, 'NR > 1 { s += ($3 - $4) ^ 2; n++ } END { exit !(n == 2000 && sqrt(s / n) < 1) }' out
}

@test "what is unknown is predicted from what is known" {
    printf 'user,item\nnew,3\n7,new\nnew,new\n' | rec-predict als.rec >out 2>err
    [ "$(cat err)" = "rec-predict: of 3 pairs 2 have an unknown user, 2 an unknown item; predicted from what is known" ]
    awk -F, 'NR > 1 && ($3 < 0.5 || $3 > 5) { exit 1 }' out
    [ "$(sed -n '2,4p' out | cut -d, -f3 | sort -u | wc -l)" -eq 3 ]
    printf 'new,new\n' | rec-predict -q ials.rec 2>&1 | grep -qx 'new,new,0'
}

@test "nothing in, a header out" {
    : | rec-predict als.rec >out
    [ "$(cat out)" = "user,item,prediction" ]
    printf 'user,item\n' | rec-predict als.rec | cmp - out
}

@test "bad lines and files" {
    refuses 1 'line 2: 1 field where 2 are needed' bash -c 'printf "user,item\n7\n" | rec-predict -o x als.rec'
    refuses 1 'pairs.csv:2:' bash -c 'printf "user,item\n\"7,3\n" >pairs.csv; rec-predict -o x als.rec pairs.csv'
    refuses 2 'cannot both be standard input' rec-predict - <als.rec
    refuses 1 'r.rec: .*rec.ratings' bash -c 'echo 7,3 | rec-predict r.rec'
    refuses 1 'standard output: no space left' bash -c 'echo 7,3 | rec-predict als.rec >/dev/full'
}

@test "--deviation: how sure bmf is; its times are heeded" {
    rec-synth -q --users 80 --items 60 --ratings 2500 --seed 3 --format rec | rec-split -q --seed 1 --out-test t.rec >r.rec
    rec-train -q --model bmf --passes 40 --burn-in 10 --kept 8 --factors 4 -o bmf.rec r.rec
    rec-cat t.rec >t.csv
    rec-predict -q --deviation bmf.rec t.csv >d.csv
    [ "$(head -n 1 d.csv)" = user,item,rating,prediction,deviation ]
    # Positive everywhere, and the same predictions as without; the mean of their squares is what rec-eval says.
    awk -F, 'NR > 1 && !($5 > 0 && $5 < 5) { exit 1 }' d.csv
    rec-predict -q bmf.rec t.csv | cmp - <(cut -d, -f1-4 d.csv)
    awk -F, 'NR > 1 { s += ($3 - $4) ^ 2 } END { printf "%.5f\n", sqrt(s / (NR - 1)) }' d.csv >want
    rec-eval -q -m rmse bmf.rec t.rec | jq .rmse | awk '{ printf "%.5f\n", $1 }' | cmp - want
    cut -d, -f1-3 t.csv | rec-predict -q bmf.rec >untimed.csv
    run ! cmp -s untimed.csv <(cut -d, -f1-4 d.csv)
    [ "$(printf 'user,item\nnobody,1\n' | rec-predict -q --deviation bmf.rec | tail -n 1 | cut -d, -f4)" = "" ]
    rec-train -q --model bias -o bias.rec r.rec
    refuses 1 'bias does not know how sure it is' rec-predict --deviation bias.rec t.csv
    printf 'user,item,time\n1,1,soon\n' >bad.csv
    refuses 1 "bad.csv: line 2: time 'soon' is no whole number" rec-predict bmf.rec bad.csv
}
