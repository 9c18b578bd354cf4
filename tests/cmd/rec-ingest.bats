#!/usr/bin/env bats
# SPDX-License-Identifier: MIT

load ../helper
setup() {
    rec_setup
    unset "${!REC_INGEST_@}"
}

# csv LINE...: ingests these lines and prints the rows, without the header
csv() {
    printf '%s\n' "$@" | rec-ingest -q "${options[@]}" | rec-cat - | sed 1d
}

# same FILE [option...]: whatever way the file is read, the bytes are the same
same() {
    local file=$1 way
    shift
    rec-ingest -q --threads 1 "$@" "$file" >one.rec
    rec-ingest -q --threads 7 "$@" "$file" >way.rec && cmp one.rec way.rec
    rec-ingest -q "$@" <"$file" >way.rec && cmp one.rec way.rec
    # shellcheck disable=SC2002
    cat "$file" | rec-ingest -q "$@" >way.rec && cmp one.rec way.rec
    gzip -c "$file" | rec-ingest -q "$@" >way.rec && cmp one.rec way.rec
    for way in 1 3; do
        rec-ingest -q --parser libcsv --threads $way "$@" "$file" >way.rec && cmp one.rec way.rec
    done
}

@test "layouts: the same ratings however they are written" {
    printf '%s\n' 'userId,movieId,rating,timestamp' 7,x,4.5,1000000001 7,y,3,1000000002 9,x,.5,1000000003 >a.csv
    rec-ingest -q --no-history a.csv >want.rec
    printf '%s\n' 'TIME;Item_ID;extra;Score;"User ID"' '1000000001;x;;4.5;7' '1000000002;y;,;3;7' '1000000003;x;"a;b";0.5;9' >b.csv
    sed '1d; s/,/::/g' a.csv >c.dat
    sed '1d; s/,/\t/g' a.csv >d.data
    sed '1d; s/,/ /g' a.csv >e.txt
    sed 's/,/|/g; s/$/\r/' a.csv >f.csv
    { printf '\357\273\277'; sed 's/,/ , /g; s/^/\t/' a.csv; printf '\n  \n'; } >g.csv
    sed 's/[^,]*/"&"/g' a.csv | tr '\n' '\r' >h.csv
    { sed 2d a.csv; sed -n 2p a.csv | tr -d '\n'; } >i.csv
    { head -1 a.csv; sed 1d a.csv | tac; } >j.csv
    for f in [b-j].*; do
        rec-ingest -q --no-history "$f" >got.rec
        cmp want.rec got.rec || { echo "$f"; rec-cat got.rec; return 1; }
    done
    rec-ingest -q --no-history --columns user=1,item=2,rating=3,time=4 --no-header d.data | cmp want.rec
    rec-ingest -q --no-history --columns 'user=User ID,item=Item_ID,rating=Score,time=1' b.csv | cmp want.rec
    zstd -q -c a.csv >a.zst 2>/dev/null || skip "no zstd(1)"
    rec-ingest -q --no-history a.zst | cmp want.rec
}

@test "what is detected is said, and -q keeps quiet" {
    printf '%s\n' userId,movieId,rating a,b,1 >a.csv
    rec-ingest a.csv 2>err >/dev/null
    grep -q 'a.csv: comma, header, user=userId item=movieId rating=rating$' err
    rec-ingest -q a.csv 2>err >/dev/null
    [ ! -s err ]
    printf '%s\n' 'a x y z p q' 'b x' >lists
    rec-ingest lists 2>err | rec-cat - | sed 1d >rows
    grep -q 'lists: lines `user item item' err
    [ "$(cut -d, -f1,2 rows | tr '\n' ' ')" = 'a,p a,q a,x a,y a,z b,x ' ]
}

@test "ratings, times and ids" {
    options=()
    [ "$(csv u,i,4 u,j,-1e-1 u,k,+2.50 v,i,7.)" = 'u,i,4
u,j,-0.1
u,k,2.5
v,i,7' ]
    [ "$(csv userId,movieId,rating,date a,b,1,2001-09-09 a,c,1,'2001-09-09 01:46:40' a,d,1,2001-09-09T03:46:40.99+02:00 a,e,1,-5 |
        cut -d, -f4 | tr '\n' ' ')" = '999993600 1000000000 1000000000 -5 ' ]
    # ids are strings, of any length, and sorted by their bytes
    [ "$(csv 10,x,1 9,x,1 007,x,1 7,x,1 abcdefgh,x,1 abcdefghi,x,1 Ä,x,1 | cut -d, -f1 | tr '\n' ' ')" = '007 10 7 9 abcdefgh abcdefghi Ä ' ]
    # implicit: no column of ratings
    [ "$(csv user,item a,b | cut -d, -f1-3)" = a,b,1 ]
}

@test "duplicates: the last by time whatever the order, else the greatest" {
    rows=("u,i,r,t" "a,x,1,10" "a,x,5,20" "a,x,4,20" "a,x,3,15" "a,y,2,1")
    options=(--columns "user=u,item=i,rating=r,time=t")
    [ "$(csv "${rows[@]}")" = "$(csv "${rows[0]}" "${rows[5]}" "${rows[3]}" "${rows[2]}" "${rows[4]}" "${rows[1]}")" ]
    [ "$(csv "${rows[@]}" | head -1)" = a,x,5,20 ]
    options+=(--duplicates first)
    [ "$(csv "${rows[@]}" | head -1)" = a,x,1,10 ]
    options+=(--duplicates mean)
    [ "$(csv "${rows[@]}" | head -1)" = a,x,3.25,20 ]
    printf '%s\n' "${rows[@]}" >d.csv
    refuses 1 'd.csv: user "a" has item "x" 4 times' rec-ingest -q "${options[@]}" --duplicates error d.csv
    options=()
    [ "$(csv a,x,1 a,x,5 a,x,4)" = a,x,5 ]
    rec-ingest d.csv 2>&1 >/dev/null | grep -q '3 rows gave way'
}

@test "a bad row is refused with line, field and cause, and nothing is written" {
    printf '%s\n' userId,movieId,rating '1,"two
lines",3' 1,x,4abc >a.csv
    refuses 1 'rec-ingest: a.csv:2:2: movieId: .*control character' rec-ingest -q a.csv
    printf '%s\n' userId,movieId,rating '1,"x",3' '' '1,"y",4abc' >a.csv
    refuses 1 'rec-ingest: a.csv:4:3: rating: "4abc" is not a number' rec-ingest -q a.csv
    refuses 1 'rec-ingest: a.csv:4:3: rating: "4abc" is not a number' rec-ingest -q --threads 4 --parser libcsv a.csv
    echo old >out
    refuses 1 'not a number' rec-ingest -q -o out a.csv
    [ "$(cat out)" = old ]
    # the first of them, wherever the threads met theirs
    { echo userId,movieId,rating; seq 200000 | sed 's/$/,x,3/'; } | sed '150001s/3$/?/; 30001s/3$/!/; 199999s/,/;/' >b.csv
    for t in 1 2 5; do refuses 1 'b.csv:30001:3: rating: "!" is not' rec-ingest -q --threads $t b.csv; done
}

@test "--max-errors and --rejects: the same rows for any number of threads" {
    { echo userId,movieId,rating; seq 200000 | sed 's/$/,x,3/'; } | sed '150001s/3$/?/; 30001s/3$/"!/; 199999s/,x,/,,/; 200000s/,x,3//' >b.csv
    refuses 1 'b.csv:200000:1: row has 1 field, not 3' rec-ingest -q --max-errors 3 b.csv
    for t in 1 2 5; do
        rec-ingest -q --max-errors 4 --rejects bad$t.csv --threads $t b.csv >out$t.rec
        cmp out1.rec out$t.rec
        cmp bad1.csv bad$t.csv
    done
    [ "$(rec-cat out1.rec | sed 1d | wc -l)" -eq 199996 ]
    [ "$(cat bad1.csv)" = 'line,column,cause,record
30001,3,quoted field does not end within 65536 bytes,"30000,x,""!"
150001,3,"rating: ""?"" is not a number","150000,x,?"
199999,2,movieId: is empty,"199998,,3"
200000,1,"row has 1 field, not 3",199999' ]
    rec-ingest --max-errors 9 b.csv 2>&1 >/dev/null | grep -q '4 bad rows left out'
}

@test "a line end inside quotes, where threads might cut" {
    # every field of the last column holds one, so that any cut by line ends is wrong half the time
    { echo userId,movieId,rating,note; seq 60000 | sed 's/.*/&,m&,4,"a,b\nc,d,e"/'; } >q.csv
    rec-ingest -q --threads 1 --columns user=1,item=2,rating=3 q.csv >1.rec
    for t in 2 3 8; do
        rec-ingest -q --threads $t --columns user=1,item=2,rating=3 q.csv >t.rec
        cmp 1.rec t.rec
    done
    [ "$(rec-cat 1.rec | sed 1d | wc -l)" -eq 60000 ]
    sed '80000s/,4,/,x,/' q.csv >r.csv
    refuses 1 'r.csv:80000:3: rating: "x" is not' rec-ingest -q --threads 4 --columns user=1,item=2,rating=3 r.csv
}

@test "input that is cut, damaged, foreign or absent" {
    { echo userId,movieId,rating; seq 5000 | sed 's/.*/&,m&,4/'; } >a.csv
    gzip -c a.csv >a.gz
    head -c 5000 a.gz >cut.gz
    refuses 1 'cut.gz: compressed data is cut short' rec-ingest -q cut.gz
    { cat a.gz; echo tail; } >tail.gz
    refuses 1 'tail.gz: trailing bytes after gzip data' rec-ingest -q tail.gz
    { head -c 3000 a.gz; head -c 100 /dev/zero; tail -c +3101 a.gz; } >hole.gz
    refuses 1 'hole.gz: (damaged|compressed)' rec-ingest -q hole.gz
    cat a.gz a.gz >twice.gz
    refuses 1 'twice.gz:5002:3: rating: "rating" is not' rec-ingest -q twice.gz
    : >empty
    refuses 1 'empty: holds no ratings' rec-ingest -q empty
    refuses 1 'standard input: holds no ratings' rec-ingest -q </dev/null
    echo userId,movieId,rating >head.csv
    refuses 1 'head.csv: holds no ratings' rec-ingest -q head.csv
    iconv -t UTF-16 a.csv >u16.csv
    refuses 1 'u16.csv: is UTF-16' rec-ingest -q u16.csv
    refuses 1 'nothing.csv: no such file' rec-ingest -q nothing.csv
    refuses 1 '/: is a directory' rec-ingest -q /
    head -c 100000 /dev/urandom >noise
    run rec-ingest -q noise
    [ "$status" -eq 1 ]
    printf '%s\n' a,b,c,d,e,1 x,y,z,p,q,2 >six.csv
    refuses 1 'six.csv: 6 columns and no header' rec-ingest -q six.csv
    printf '%s\n' uid,song,plays a,b,3 >odd.csv
    refuses 1 'odd.csv: the first line seems to be a header' rec-ingest -q odd.csv
}

@test "fields and rows have a ceiling" {
    { echo user,item,rating; printf 'a,b,'; head -c 70000 /dev/zero | tr '\0' 1; echo; } >long.csv
    refuses 1 'long.csv:2:3: field is longer than 65536 bytes' rec-ingest -q long.csv
    { echo user,item,rating; printf 'a,"b'; head -c 100000000 /dev/zero | tr '\0' 1; } >open.csv
    refuses 1 'open.csv:2:[12]: ' rec-ingest -q open.csv
    # the sanitizers' own memory has no ulimit
    case $REC_BIN in *san-*) return 0 ;; esac
    # shellcheck disable=SC2002
    cat open.csv | (ulimit -v 400000; refuses 1 'standard input:2:[12]: ' rec-ingest -q --threads 1)
}

@test "wrong usage" {
    refuses 2 'unknown option' rec-ingest --nonsense
    refuses 2 '' rec-ingest a b
    refuses 2 '' rec-ingest --duplicates best
    refuses 2 'layout' rec-ingest --movies --layout lists
    echo a,b,1 >a.csv
    refuses 1 '--columns: "usr=1"' rec-ingest -q --columns usr=1 a.csv
    refuses 1 'has no column "9" for item=' rec-ingest -q --columns user=1,item=9 a.csv
    refuses 1 'found no column for the item' rec-ingest -q --columns user=1 a.csv
    refuses 1 '--delimiter' rec-ingest -q --delimiter '"' a.csv
}

@test "outputs that cannot be written" {
    echo a,b,1 >a.csv
    refuses 1 'no space left' bash -c 'rec-ingest -q a.csv >/dev/full'
    refuses 1 'no such file' rec-ingest -q a.csv -o nowhere/out
    run bash -c 'rec-ingest -q a.csv >&-'
    [ "$status" -eq 1 ]
    refuses 1 'no space left' rec-ingest -q a.csv --max-errors 1 --rejects /dev/full
}

@test "catalogues: movies.csv, movies.dat, u.item" {
    printf '%s\n' movieId,title,genres '1,"Matrix, The (1999)",Action|Sci-Fi' '10,Untitled,(no genres listed)' \
        '2,"""Great Performances"" Cats (1998)",Musical|Musical' '3,Fawlty Towers (1975-1979),Comedy' '4,É.T. (1982) ,' >m.csv
    rec-ingest --movies m.csv >m.rec 2>err
    grep -q 'm.csv: comma, header, item=movieId title=title genres=genres' err
    grep -q '5 items, 4 with a year, of 4 genres' err
    sed 's/^1,.*/1,x (1999),Action/' m.csv | rec-ingest -q --movies >n.rec
    printf '%s\n' '0002844::Fantômas: À (1913)::Crime|Drama' '1::Other (1914)::' >m.dat
    rec-ingest --movies m.dat 2>&1 >/dev/null | grep -q '2 items, 2 with a year, of 2 genres'
    printf '%s\n' 'isbn;"Book-Title";"Year-Of-Publication"' '"1";"A; B";"1999"' '2;C;0' |
        rec-ingest --movies 2>&1 >/dev/null | grep -q '2 items, 1 with a year, of 0 genres'
}

@test "catalogues: bad rows and encodings" {
    printf 'movieId,title\n1,Caf\351 (1990)\n' >l1.csv
    refuses 1 "l1.csv:2:2: title: byte 4 \(0xe9\) is not UTF-8; .*--encoding latin-1" rec-ingest -q --movies l1.csv
    rec-ingest -q --no-history --movies --encoding latin-1 l1.csv >a.rec
    iconv -f latin1 -t utf8 l1.csv | rec-ingest -q --no-history --movies | cmp a.rec
    printf '%s\n' movieId,title 1,a 2,b 1,c >dup.csv
    refuses 1 'dup.csv:4:1: movieId: "1" is there already' rec-ingest -q --movies dup.csv
    rec-ingest -q --movies --max-errors 1 --rejects bad.csv dup.csv >/dev/null
    grep -q '^4,1,' bad.csv
    printf '%s\n' movieId,title,year 1,a,MCMXC >y.csv
    refuses 1 'y.csv:2:3: year: "MCMXC" is no year' rec-ingest -q --movies y.csv
}

@test "settings from the environment and rec.yaml" {
    printf '%s\n' a,x,1,5 a,x,2,6 >a.csv
    REC_INGEST_DUPLICATES=first rec-ingest -q a.csv | rec-cat - | grep -q a,x,1
    printf 'ingest:\n  duplicates: mean\n' >rec.yaml
    rec-ingest -q a.csv | rec-cat - | grep -q a,x,1.5
}

@test "real ratings: MovieLens 100K, with numpy's counts" {
    need_data ml-100k
    same "$REC_TEST_DATA/ml-100k/u.data"
    cut -f1-4 "$REC_TEST_DATA/ml-100k/u.data" | tr '\t' , | LC_ALL=C sort >want
    rec-cat one.rec | sed 1d | LC_ALL=C sort | cmp - want
    shuf --random-source=<(yes) "$REC_TEST_DATA/ml-100k/u.data" >shuffled
    rec-ingest -q --no-history shuffled | cmp - <(rec-ingest -q --no-history "$REC_TEST_DATA/ml-100k/u.data")
    rec-ingest --movies "$REC_TEST_DATA/ml-100k/u.item" 2>&1 >/dev/null | grep -q '1682 items, 1681 with a year, of 18 genres'
}

@test "real ratings: MovieTweetings" {
    need_data movietweetings-100k
    same "$REC_TEST_DATA/movietweetings-100k/ratings.dat"
    sed 's/::/,/g' "$REC_TEST_DATA/movietweetings-100k/ratings.dat" | LC_ALL=C sort >want
    rec-cat one.rec | sed 1d | LC_ALL=C sort | cmp - want
    rec-ingest --movies "$REC_TEST_DATA/movietweetings-100k/movies.dat" 2>&1 >/dev/null | grep -q '10506 items, 10506 with a year'
}

@test "real ratings: Gowalla" {
    need_data gowalla
    same "$REC_TEST_DATA/gowalla/train.txt"
    awk '{ for (i = 2; i <= NF; i++) print $1 "," $i }' "$REC_TEST_DATA/gowalla/train.txt" | LC_ALL=C sort >want
    rec-cat one.rec | sed 1d | cut -d, -f1,2 | LC_ALL=C sort | cmp - want
}
