#!/usr/bin/env bats
# SPDX-License-Identifier: MIT

bats_require_minimum_version 1.5.0
load ../helper
setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    rec-synth -q --users 300 --items 200 --ratings 6000 --seed 4 --format rec -o r.rec
    rec-train -q --model ials -o ials.rec r.rec
    rec-train -q --model bias -o bias.rec r.rec
    rec-train -q --model popular -o popular.rec r.rec
    for m in als itemknn userknn rp3beta; do rec-train -q --model $m -o $m.rec r.rec; done
    rec-cat r.rec | awk -F, 'NR > 1 { print $1 "," $2 }' >seen
}
setup() {
    rec_setup
    cp "$BATS_FILE_TMPDIR"/* .
}

@test "k rows a user, ranks from 1, scores descending, nothing seen" {
    for m in ials bias popular itemknn userknn; do
        printf '7\n3\n250\n' | rec-recommend -k 12 $m.rec >out
        [ "$(head -1 out)" = "user,item,score,rank" ]
        [ "$(sed 1d out | cut -d, -f1 | uniq | tr '\n' ' ')" = "7 3 250 " ]
        awk -F, 'NR > 1 { if ($4 != (NR - 2) % 12 + 1 || ($4 > 1 && $3 > last)) exit 1; last = $3 } END { exit NR != 37 }' out
        [ -z "$(sed 1d out | cut -d, -f1,2 | sort | comm -12 - <(sort seen))" ]
    done
}

@test "a list does not depend on the other users, their order, or threads" {
    for m in ials itemknn userknn; do
        rec-recommend --all --threads 1 $m.rec >all
        rec-recommend --all --threads 3 $m.rec | cmp - all
        [ "$(sed 1d all | cut -d, -f1 | uniq | wc -l)" -eq 300 ]
        for u in 1 77 300; do
            rec-recommend --user $u $m.rec | sed 1d | cmp - <(grep "^$u," all)
        done
        seq 300 -1 1 | rec-recommend $m.rec | sort | cmp - <(sort all)
    done
}

@test "blank lines and CR LF do no harm; the last line needs no end" {
    printf '7\r\n\r\n\n3' | rec-recommend ials.rec >a
    rec-recommend -u 7 -u 3 ials.rec | cmp - a
    printf '7\n3\n' >users
    rec-recommend ials.rec users | cmp - a
    rec-recommend - users <ials.rec | cmp - a
    : | rec-recommend ials.rec >out
    [ "$(cat out)" = "user,item,score,rank" ]
}

@test "unknown users are offered what is popular, with a note and exit 0" {
    printf 'nobody\n7\nnot there\n' | rec-recommend -k 3 ials.rec >out 2>err
    [ "$(cat err)" = "rec-recommend: of 2 users nothing is known (first: 'nobody'); offered the most popular items" ]
    rec-cat r.rec | awk -F, 'NR > 1 { n[$2]++ } END { for (i in n) print n[i] }' | sort -rn | head -3 >popular
    cmp popular <(grep ^nobody, out | cut -d, -f3)
    [ "$(grep -c '^not there,' out)" -eq 3 ]
    printf 'nobody\n' | rec-recommend -q ials.rec 2>err >out
    [ ! -s err ]
}

@test "more items than there are: all that were not seen, or all" {
    rec-recommend -u 7 -k 1000 --include-seen ials.rec >out
    sed 1d out | cut -d, -f2 | sort >items
    [ "$(uniq items | wc -l)" -eq "$(wc -l <items)" ]
    [ "$(cut -d, -f2 seen | sort -u | comm -23 - items | wc -l)" -eq 0 ]
    rec-recommend -u 7 -k 1000 ials.rec >out
    [ "$(sed 1d out | wc -l)" -eq $(($(wc -l <items) - $(grep -c ^7, seen))) ]
}

@test "answers come as users come" {
    mkfifo to from
    rec-recommend -k 1 ials.rec <to >from &
    exec 8>to 9<from
    read -t 10 -r line <&9
    [ "$line" = "user,item,score,rank" ] || { read -t 10 -r line <&9; false; }
    echo 7 >&8
    read -t 10 -r line <&9
    [[ $line == 7,* ]]
    echo 3 >&8
    read -t 10 -r line <&9
    [[ $line == 3,* ]]
    exec 8>&-
    wait $!
}

@test "jsonl, trec and table say the same as csv" {
    rec-recommend -k 2 -u 7 ials.rec >csv
    rec-recommend -k 2 -u 7 -f jsonl ials.rec | python3 -c '
import json, sys
print("user,item,score,rank")
for l in sys.stdin:
    r = json.loads(l)
    print(r["user"], r["item"], "%r" % r["score"], r["rank"], sep=",")' >json
    cut -d, -f1,2,4 csv >a
    cut -d, -f1,2,4 json | cmp - a
    rec-recommend -k 2 -u 7 -f trec ials.rec >run
    cmp <(awk '{ print $1 "," $3 "," $5 "," $4 }' run) <(sed 1d csv)
    [ "$(awk '{ print $2, $6 }' run | sort -u)" = "Q0 ials" ]
    rec-recommend -k 2 -u 7 -f table ials.rec | grep -q '^user 7$'
}

@test "ids that need quotes" {
    printf 'user,item,rating\n"a, ""b""",x,5\n"a, ""b""",y,4\nc,x,3\nc,"z z",3\n' | rec-ingest -q | rec-train -q --model popular -o q.rec
    printf 'a, "b"\n' | rec-recommend q.rec >out
    [ "$(sed -n 2p out)" = '"a, ""b""",z z,1,1' ]
    refuses 1 "id 'a, \"b\"': a TREC run has no room for blanks" rec-recommend -f trec --all q.rec
}

catalogue() {
    printf 'movieId,title,genres\n' >movies.csv
    for i in $(seq 150); do
        printf '%s,"Film, no. %s (%s)",%s\n' "$i" "$i" $((1950 + i % 70)) "$([ $((i % 3)) = 0 ] && echo 'Comedy|Drama' || echo Drama)"
    done >>movies.csv
    rec-ingest -q --movies movies.csv -o movies.rec
}

@test "a catalogue adds titles, years and genres; items it does not have get none" {
    catalogue
    rec-recommend -u 7 -k 30 -c movies.rec ials.rec >out
    rec-recommend -u 7 -k 30 ials.rec | cmp - <(python3 -c '
import csv, sys
for i, r in enumerate(csv.reader(open("out"))):
    assert len(r) == 7
    if i and int(r[1]) > 150: assert r[4:] == ["", "", ""], r
    elif i: assert r[4].startswith("Film, no. " + r[1]) and r[5] == str(1950 + int(r[1]) % 70) and "Drama" in r[6].split("|"), r
    print(",".join(r[:4]))')
    rec-recommend -u 7 -k 30 -c movies.rec -f jsonl ials.rec | python3 -c '
import json, sys
for l in sys.stdin:
    r = json.loads(l)
    assert int(r["item"]) > 150 or "Drama" in r["genres"] and r["year"] >= 1950'
    rec-recommend -u 7 -k 3 -c movies.rec -f table ials.rec | grep -q 'Film, no\.'
}

@test "only items of a genre, of some years" {
    catalogue
    rec-recommend -u 7 -k 200 -c movies.rec --genre comedy --year 1960..1979 ials.rec | sed 1d | cut -d, -f2 >got
    [ -s got ]
    awk '$1 > 150 || $1 % 3 || 1950 + $1 % 70 < 1960 || 1950 + $1 % 70 > 1979 { exit 1 }' got
    rec-recommend -u 7 -k 200 -c movies.rec --year 1960.. --genre drama --genre Comedy ials.rec | sed 1d | cut -d, -f2 >got
    awk '1950 + $1 % 70 < 1960 { exit 1 }' got
    refuses 1 "genre 'comdy': .* did you mean 'Comedy'" rec-recommend -u 7 -c movies.rec --genre comdy ials.rec
    refuses 2 "'90..80': not a year" rec-recommend -u 7 -c movies.rec --year 90..80 ials.rec
    refuses 2 'need --catalogue' rec-recommend -u 7 --genre Comedy ials.rec
}

@test "wrong usage and bad files" {
    refuses 2 'operand|MODEL' rec-recommend
    refuses 2 'exclude each other' rec-recommend --all -u 7 ials.rec
    refuses 2 'cannot both be standard input' rec-recommend - <ials.rec
    refuses 2 '-k: 0 is out of range' rec-recommend -k 0 ials.rec
    refuses 1 'none.rec: no such file' rec-recommend --all none.rec
    refuses 1 'none.txt: no such file' rec-recommend ials.rec none.txt
    refuses 1 'r.rec: .*rec.ratings' rec-recommend --all r.rec
    head -c 5000 ials.rec >cut.rec
    refuses 1 '^rec-recommend: cut.rec: ' rec-recommend --all cut.rec
    refuses 1 'standard output: no space left' bash -c 'rec-recommend --all ials.rec >/dev/full'
    refuses 1 'standard output: bad file' bash -c 'rec-recommend --all ials.rec >&-'
    head -c 2000000 /dev/zero | tr '\0' x >long
    refuses 1 'line 1: longer than' bash -c 'rec-recommend -o out.csv ials.rec long'
    [ ! -e out.csv ]
}

@test "-o writes all or nothing, and --stats counts users" {
    rec-recommend --all --stats -o out.csv ials.rec 2>err
    grep -q '300 users' err
    rec-recommend --all ials.rec | cmp - out.csv
}

@test "allow and deny lists, minimum popularity: only what they leave, and the best of that" {
    rec-recommend -q -u 7 -k 200 ials.rec | sed 1d | cut -d, -f2 >all
    sed -n '3p;9p;20p' all >three
    [ "$(rec-recommend -q -u 7 --allow three ials.rec | sed 1d | cut -d, -f2)" = "$(cat three)" ]
    [ "$(rec-recommend -q -u 7 -k 200 --deny three ials.rec | sed 1d | cut -d, -f2)" = "$(grep -vxFf three all)" ]
    rec-recommend -q -u 7 -k 200 --min-popularity 40 ials.rec | sed 1d | cut -d, -f2 | sort >got
    cut -d, -f2 seen | sort | uniq -c | awk '$1 >= 40 { print $2 }' | sort >often
    cmp got <(sort all | comm -12 - often)
    printf 'nonesuch\n\n' >none
    rec-recommend -u 7 --allow none ials.rec 2>err >out
    grep -q 'does not have 1 of its 1 items' err
    [ "$(wc -l <out)" -eq 1 ]
    run -1 rec-recommend -q -u 7 --deny missing ials.rec
}

@test "diversity, calibration, novelty: another order of the pool, the same for any threads; none at 0" {
    rec-recommend -q --all -k 20 ials.rec >plain
    rec-recommend -q --all -k 20 --diversity 0 --novelty 0 ials.rec | cmp - plain
    for how in '--diversity 0.5' '--novelty 0.5' '--diversity 0.5 --alike audiences'; do
        read -ra options <<<"$how"
        rec-recommend -q --all -k 5 --pool 20 "${options[@]}" --threads 1 ials.rec >one
        rec-recommend -q --all -k 5 --pool 20 "${options[@]}" --threads 3 ials.rec | cmp - one
        run ! cmp -s one <(rec-recommend -q --all -k 5 ials.rec)
        [ -z "$(cut -d, -f1,2 one | sort | comm -23 - <(cut -d, -f1,2 plain | sort))" ]
        [ "$(sed 1d one | cut -d, -f1,2 | sort | uniq -d | wc -l)" -eq 0 ]
    done
    rec-recommend -q -u 7 -f trec --diversity 0.5 ials.rec | awk '{ if (NR > 1 && $5 >= last) exit 1; last = $5 }'
    run -1 rec-recommend -q -u 7 --diversity 0.5 --alike factors popular.rec
    run -2 rec-recommend -q -u 7 --calibration 0.5 ials.rec
    run -2 rec-recommend -q -u 7 --where 'genre=Drama' ials.rec
    run -2 rec-recommend -q -u 7 -c any --where 'genre>Drama' ials.rec
}

@test "expressions and genres come from a catalogue" {
    printf 'movieId,title,genres\n' >movies.csv
    cut -d, -f2 seen | sort -u | awk '{ print $1 ",Film (" 1980 + $1 % 20 ")," ($1 % 2 ? "Drama" : "Comedy|War") }' >>movies.csv
    rec-ingest -q --movies movies.csv -o movies.rec
    rec-recommend -q -u 7 -k 200 -c movies.rec --where 'genre=War, year>=1990' ials.rec | sed 1d | cut -d, -f2 >got
    [ -s got ]
    awk '$1 % 2 || 1980 + $1 % 20 < 1990 { exit 1 }' got
    rec-recommend -q --all -c movies.rec --calibration 0.9 --diversity 0.2 --alike genres --threads 1 ials.rec >one
    rec-recommend -q --all -c movies.rec --calibration 0.9 --diversity 0.2 --alike genres --threads 3 ials.rec | cmp - one
    run -1 rec-recommend -q -u 7 -c movies.rec --where 'genre=Wor' ials.rec
    [[ $output == *"did you mean"* ]]
}

@test "a visitor known by some items is folded in" {
    rec-cat r.rec | awk -F, '$1 == 7 { print $2 }' >has
    for m in ials itemknn userknn rp3beta; do
        rec-recommend -k 20 --items - $m.rec <has >out
        [ "$(sed 1d out | cut -d, -f1 | uniq)" = visitor ]
        [ "$(sed 1d out | wc -l)" -eq 20 ]
        [ -z "$(sed 1d out | cut -d, -f2 | sort | comm -12 - <(sort has))" ]
    done
    # The same history says the same, whoever has it.
    for m in itemknn rp3beta; do
        rec-recommend -k 20 --items has $m.rec | sed 1d | cut -d, -f2- >visitor
        rec-recommend -k 20 -u 7 $m.rec | sed 1d | cut -d, -f2- | cmp - visitor
    done
}

@test "a visitor's items: header, ratings, CR LF, twice, unknown, none" {
    rec-recommend --items <(printf '5\n12\n40\n') itemknn.rec >a
    printf 'item,rating\r\n40,1\r\n5\r\n12\r\n5,3\r\n\r\n' | rec-recommend --items - itemknn.rec | cmp - a
    printf '5\nnope\n12\n40\n' | rec-recommend --items - itemknn.rec 2>err | cmp - a
    [ "$(cat err)" = "rec-recommend: 1 item is not in the model (first: 'nope'), left out" ]
    : | rec-recommend -k 3 --items - itemknn.rec 2>err >out
    [ "$(cat err)" = "rec-recommend: these items say nothing to a model of type itemknn; offered the most popular items" ]
    rec-recommend -q -k 3 -u nobody itemknn.rec | sed 's/^nobody/visitor/' | cmp - out
    printf '5,5\n12,1\n' | rec-recommend --items - als.rec >high
    printf '5,1\n12,5\n' | rec-recommend --items - als.rec >low
    run ! cmp -s high low
    printf '5,x\n' >bad
    refuses 1 "bad:1: rating 'x' is not a number" rec-recommend --items bad als.rec
    refuses 2 "exclude each other" rec-recommend --items bad --all als.rec
    refuses 2 "cannot both be standard input" rec-recommend --items - -
}

# What stands in the columns because and rest sums to the score.
sums() {
    awk -F, 'NR > 1 {
        n = split($(NF - 1), part, "|"); sum = $NF
        for (i = 1; i <= n; i++) { sub(/.*:/, "", part[i]); sum += part[i] }
        if (sum - $3 > 1e-5 || $3 - sum > 1e-5) { print "not the sum: " $0; bad = 1 }
    } END { exit bad || NR < 2 }'
}

@test "scores are explained by what sums to them" {
    for m in ials itemknn userknn rp3beta; do
        rec-recommend -k 7 --all --explain $m.rec >out
        [ "$(head -1 out)" = "user,item,score,rank,because,rest" ]
        sums <out
        awk -F, 'NR > 1 { if ($4 > 1 && $3 > last) exit 1; last = $3 }' out
        rec-recommend -k 7 --all --explain --reasons 2 $m.rec | sums
        rec-recommend -k 7 --all --explain --reasons 2 $m.rec | awk -F, 'NR > 1 && split($5, part, "|") > 2 { exit 1 }'
    done
    # With links the list is the one that is not explained.
    for m in itemknn userknn rp3beta; do
        rec-recommend -k 7 --all --explain $m.rec | cut -d, -f1,2 >out
        rec-recommend -k 7 --all $m.rec | cut -d, -f1,2 | cmp - out
    done
    printf '5,5\n12,1\n40,4\n' | rec-recommend --items - --explain als.rec | sums
    rec-recommend -q -u nobody --explain itemknn.rec | awk -F, 'NR > 1 && ($5 != "" || $6 != $3) { exit 1 }'
    rec-recommend -k 1 -u 7 --explain --reasons 1 -f jsonl itemknn.rec | grep -q '"because":\[{"item":"[0-9]*","contribution":[0-9.]*}\],"rest":[-0-9.e]*}$'
    rec-recommend -k 1 -u 7 --explain --reasons 1 -f table itemknn.rec | grep -q '  the rest$'
}

@test "what cannot be explained says so" {
    refuses 1 "does not keep the ratings of its users" rec-recommend -u 7 --explain als.rec
    refuses 1 "do not come from a history" rec-recommend -u 7 --explain popular.rec
    refuses 1 "do not come from a history" rec-recommend -u 7 --explain bias.rec
    refuses 2 "no room for reasons" rec-recommend -u 7 --explain -f trec ials.rec
}
