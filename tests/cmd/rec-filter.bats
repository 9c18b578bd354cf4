#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# rec-filter: results against awk's, each step by itself, exit statuses. Random files: tests/unit/data/test_merge.c, test_prune.c.

load ../helper

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    rec-synth -q --users 900 --items 200 --ratings 9000 --seed 3 >r.csv
    rec-ingest -q --no-history r.csv >r.rec
}

setup() {
    rec_setup
    cp "$BATS_FILE_TMPDIR"/r.* .
}

# rows FILE: user,item,rating,timestamp without the header, sorted.
rows() { rec-cat "$1" | sed 1d | LC_ALL=C sort; }

filter() { rec-filter -q --no-history "$@"; }

@test "without options a file stays as it is, and loses the ids that have no ratings" {
    filter r.rec >same.rec
    cmp same.rec r.rec
    rec-split -q --method time --test 0.01 --out-test test.rec r.rec >train.rec
    filter test.rec >test2.rec
    cmp <(rows test.rec) <(rows test2.rec)
    [ "$(rec-info test2.rec | awk '$1 == "users" { print $2 }')" -eq "$(rows test.rec | cut -d, -f1 | sort -u | wc -l)" ]
    filter --keep-ids test.rec >test3.rec
    [ "$(rec-info test3.rec | awk '$1 == "users" { print $2 }')" -eq 900 ]
}

@test "parts become one file again, in any order, for any number of threads" {
    rec-split -q --out-test test.rec --out-valid valid.rec --valid 0.1 r.rec >train.rec
    filter --merge train.rec test.rec valid.rec >whole.rec
    cmp whole.rec r.rec
    filter --merge --threads 4 valid.rec test.rec train.rec | cmp - r.rec
    filter --merge --threads 1 r.rec r.rec | cmp - r.rec
}

@test "of a pair in several files the later rating holds, or the greatest" {
    printf '%s\n' userId,movieId,rating,timestamp a,x,5,10 a,y,1,10 b,x,2,10 >one.csv
    printf '%s\n' userId,movieId,rating,timestamp a,x,3,11 a,y,4,10 c,z,2,10 >two.csv
    rec-ingest -q one.csv >one.rec
    rec-ingest -q two.csv >two.rec
    filter --merge one.rec two.rec >all.rec
    [ "$(rows all.rec | tr '\n' ' ')" = 'a,x,3,11 a,y,4,10 b,x,2,10 c,z,2,10 ' ]
    # as it was before the second one changed it
    filter --merge --until 11 one.rec two.rec >then.rec
    [ "$(rows then.rec | tr '\n' ' ')" = 'a,x,5,10 a,y,4,10 b,x,2,10 c,z,2,10 ' ]
    # who has changed their mind does not count
    filter --merge --min-value 4 one.rec two.rec >liked.rec
    [ "$(rows liked.rec | tr '\n' ' ')" = 'a,y,4,10 ' ]
    cut -d, -f1-3 two.csv | rec-ingest -q >timeless.rec
    refuses 1 '^rec-filter: timeless.rec: no times, while one.rec has them' rec-filter --merge one.rec timeless.rec
    filter --merge --drop-times one.rec timeless.rec >all.rec
    [ "$(rows all.rec | tr '\n' ' ')" = 'a,x,5 a,y,4 b,x,2 c,z,2 ' ]
}

@test "dates and values as awk has them" {
    from=$(date -ud 2020-03-01 +%s)
    to=$(date -ud 2022-07-01 +%s)
    filter --since 2020-03-01 --until 2022-07-01 --min-value 3.5 r.rec >some.rec
    cmp <(rows some.rec) <(rows r.rec | awk -F, -v a="$from" -v b="$to" '$4 >= a && $4 < b && $3 >= 3.5')
    [ "$(rows some.rec | wc -l)" -gt 100 ]
    filter --binarize --drop-times --min-value 3.5 r.rec >ones.rec
    cmp <(rows ones.rec) <(rows r.rec | awk -F, '$3 >= 3.5 { print $1 "," $2 ",1" }')
}

@test "k-core: everybody has enough, and it is the greatest such part" {
    # awk leaves out who has too few until nothing changes
    cp <(rows r.rec) left
    before=x
    while [ "$before" != "$(wc -l <left)" ]; do
        before=$(wc -l <left)
        awk -F, 'NR == FNR { u[$1]++; i[$2]++; next } u[$1] >= 8 && i[$2] >= 20' left left >next
        mv next left
    done
    [ "$before" -gt 1000 ] && [ "$before" -lt 8900 ]
    filter --k-core 8,20 r.rec >core.rec
    cmp <(rows core.rec) left
    filter --k-core 8,20 core.rec | cmp - core.rec
    run -0 rec-filter --k-core 100000 -o none.rec r.rec
    [[ $output == *'0 of 9000 ratings, 0 users, 0 items; nothing is left' ]]
    rec-info -q none.rec >/dev/null
}

@test "a sample holds about its share, the same each time, and grows with the file" {
    filter --sample 0.2 --threads 3 r.rec >some.rec
    filter --sample 0.2 --threads 1 r.rec | cmp - some.rec
    n=$(rows some.rec | wc -l)
    [ "$n" -gt 1650 ] && [ "$n" -lt 1950 ]
    filter --sample 0.2 --seed 43 r.rec >other.rec
    run ! cmp -s some.rec other.rec
    filter --until 2021 r.rec | filter --sample 0.2 >early.rec
    [ "$(comm -13 <(rows some.rec) <(rows early.rec) | wc -l)" -eq 0 ]
    # a user stays with all ratings, or goes
    filter --sample 0.3 --sample-by users r.rec >users.rec
    cmp <(rows users.rec) <(awk -F, 'NR == FNR { u[$1]; next } $1 in u' <(rows users.rec) <(rows r.rec))
    n=$(rows users.rec | cut -d, -f1 | sort -u | wc -l)
    [ "$n" -gt 220 ] && [ "$n" -lt 320 ]
    filter --sample 0.3 --sample-by items r.rec >items.rec
    cmp <(rows items.rec) <(awk -F, 'NR == FNR { i[$2]; next } $2 in i' <(rows items.rec) <(rows r.rec))
    [ -n "$(rows items.rec)" ]
}

@test "history tells how each file came to be, once" {
    rec-ingest -q r.csv >h.rec
    rec-split -q --out-test test.rec h.rec >train.rec
    rec-filter -q --merge train.rec test.rec >m.rec
    [ "$(rec-info m.rec | grep -c 'rec-ingest ')" -eq 1 ]
    [ "$(rec-info m.rec | grep -c 'rec-split ')" -eq 2 ]
    rec-info m.rec | grep -qE 'rec-filter [0-9.]+ binarize=false drop-times=false keep-ids=false input=crc32c:[0-9a-f]{8} input=crc32c:[0-9a-f]{8}$'
    rec-filter -q --sample 0.5 --seed 9 h.rec | rec-info - | grep -q 'sample=0.5 sample-by=ratings .*seed=9'
}

@test "a failure leaves the old file" {
    echo old >out.rec
    head -c 2000 r.rec >short.rec
    refuses 1 '^rec-filter: short.rec: ' rec-filter --merge -o out.rec r.rec short.rec
    [ "$(cat out.rec)" = old ]
    run ! bash -c 'rec-filter -q r.rec >/dev/full'
}

@test "wrong usage is exit 2" {
    refuses 2 '^rec-filter: b.rec: one operand is enough, unless --merge' rec-filter r.rec b.rec
    refuses 2 '^rec-filter: --k-core 5,: a number' rec-filter --k-core 5, r.rec
    refuses 2 '^rec-filter: --k-core 0: a number' rec-filter --k-core 0 r.rec
    refuses 2 '^rec-filter: --since: "x" is no date' rec-filter --since x r.rec
    refuses 2 '^rec-filter: --since 2021: is not before' rec-filter --since 2021 --until 2020 r.rec
    refuses 2 '^rec-filter: --sample: ' rec-filter --sample 1.5 r.rec
    refuses 1 '^rec-filter: gone.rec: ' rec-filter gone.rec
    rec-cat r.rec | cut -d, -f1-3 | rec-ingest -q >n.rec
    refuses 1 '^rec-filter: n.rec: no times, and a range of dates needs them' rec-filter --since 2020 n.rec
}
