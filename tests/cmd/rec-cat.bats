#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
bats_require_minimum_version 1.5.0

load ../helper
setup() {
    rec_setup
    printf '%s\n' userId,movieId,rating,timestamp 1,10,4,978300760 1,9,3,978300761 2,10,5,978300762 >r.csv
    rec-ingest -q r.csv >r.rec
}

@test "ratings as CSV, and back to the same file" {
    run -0 rec-cat r.rec
    [ "$output" = "userId,itemId,rating,timestamp
1,10,4,978300760
1,9,3,978300761
2,10,5,978300762" ]
    rec-ingest -q --no-history r.csv >a.rec
    rec-cat a.rec | rec-ingest -q --no-history >b.rec
    cmp a.rec b.rec
}

@test "a larger set survives the way there and back" {
    rec-synth -q --users 300 --items 200 --ratings 5000 --no-history --format rec -o a.rec
    rec-cat a.rec | rec-ingest -q --no-history >b.rec
    cmp a.rec b.rec
    rec-synth -q --users 300 --items 200 --ratings 5000 --implicit --no-history --format rec -o a.rec
    rec-cat a.rec | rec-ingest -q --no-history >b.rec
    cmp a.rec b.rec
}

@test "odd ids are quoted and come back" {
    printf 'userId,movieId,rating\n"a,b","say ""x""",1\nc d,\xe4\xb8\x83,2\n' >odd.csv
    rec-ingest -q --no-history odd.csv >a.rec
    run -0 rec-cat --no-header a.rec
    [ "$output" = $'"a,b","say ""x""",1\nc d,七,2' ]
    rec-cat a.rec | rec-ingest -q --no-history >b.rec
    cmp a.rec b.rec
}

@test "delimiters" {
    run -0 rec-cat -d '\t' --no-header r.rec
    [ "${lines[0]}" = $'1\t10\t4\t978300760' ]
    run -0 rec-cat --delimiter ';' r.rec
    [ "${lines[0]}" = "userId;itemId;rating;timestamp" ]
    refuses 2 '^rec-cat: --delimiter: :: is not one character' rec-cat -d :: r.rec
    refuses 2 '^rec-cat: --delimiter:  is not one character' rec-cat -d '' r.rec
}

@test "MatrixMarket" {
    run -0 rec-cat -f mtx r.rec
    [ "$output" = "%%MatrixMarket matrix coordinate real general
2 2 3
1 1 4
1 2 3
2 1 5" ]
}

@test "TREC judgements, which refuse halves" {
    run -0 rec-cat -f trec r.rec
    [ "$output" = "1 0 10 4
1 0 9 3
2 0 10 5" ]
    printf 'userId,movieId,rating\n1,2,3.5\n' | rec-ingest -q >half.rec
    run -1 --separate-stderr rec-cat -f trec half.rec
    [ "$stderr" = "rec-cat: rating 1 is 3.5, and a relevance of TREC is a whole number" ]
}

@test "ids and arrays" {
    run -0 rec-cat --ids items r.rec
    [ "$output" = $'10\n9' ]
    run -0 rec-cat --tensor user_ptr r.rec
    [ "$output" = $'user_ptr\n0\n2\n3' ]
    run -0 rec-cat --tensor value --no-header r.rec
    [ "$output" = $'4\n3\n5' ]
    refuses 1 '^rec-cat: r.rec: no tensor people.bytes' rec-cat --ids people r.rec
    refuses 1 '^rec-cat: r.rec: no tensor nothing; rec-info lists them' rec-cat --tensor nothing r.rec
    refuses 2 'only one of them' rec-cat --tensor item --ids users r.rec
    refuses 2 'an array is written as csv or npy, not mtx' rec-cat --tensor item -f mtx r.rec
    refuses 1 '^rec-cat: r.rec: --format npy writes one array' rec-cat -f npy r.rec
}

@test ".npy as numpy reads it" {
    need_python
    rec-train -q --model ials --factors 4 r.rec >m.rec
    rec-cat -t item_factors -f npy -o f.npy m.rec
    rec-cat -t item -f npy r.rec >i.npy
    rec-cat -t users.bytes -f npy r.rec >u.npy
    rec-cat -t item_factors --no-header m.rec >f.csv
    "$PYTHON" -c '
import numpy as np
f, i = np.load("f.npy"), np.load("i.npy")
assert f.shape == (2, 4) and f.dtype == np.float32
assert i.dtype == np.int32 and list(i) == [0, 1, 0]
assert np.load("u.npy").tobytes() == b"12"
assert (np.loadtxt("f.csv", delimiter=",", dtype=np.float32) == f).all()'
}

@test "a model as CSV" {
    rec-train -q --model ials --factors 3 r.rec >m.rec
    run -0 rec-cat m.rec
    [ "${lines[0]}" = "table,id,popularity,bias,f0,f1,f2" ]
    [ "${#lines[@]}" -eq 5 ]
    [[ ${lines[1]} =~ ^user,1,,,[-0-9.e]+,[-0-9.e]+,[-0-9.e]+$ ]]
    [[ ${lines[3]} =~ ^item,10,2,,[-0-9.e]+,[-0-9.e]+,[-0-9.e]+$ ]]
    rec-train -q --model bias r.rec | rec-cat >bias.csv
    grep -qx 'table,id,popularity,bias' bias.csv
    run -1 --separate-stderr rec-cat -f mtx m.rec
    [ "$stderr" = "rec-cat: m.rec: a model has no form as mtx" ]
}

@test "one table of a model" {
    rec-train -q --model ials --factors 3 r.rec >m.rec
    [ "$(rec-cat --table users --no-header m.rec | wc -l)" -eq 2 ]
    [ "$(rec-cat --table items --no-header m.rec | cut -d, -f1,2)" = $'item,10\nitem,9' ]
}

@test "a catalogue as CSV, and back to the same file" {
    printf '%s\n' movieId,title,genres '1,Heat (1995),Action|Crime' '2,"Odd, the ""Movie""",' '10,Amélie (2001),Comedy' '3,,Drama' |
        rec-ingest -q --movies --no-history >c.rec
    run -0 rec-cat c.rec
    [ "${lines[0]}" = itemId,title,year,genres ]
    [ "${lines[2]}" = "10,Amélie,2001,Comedy" ] || [ "${lines[2]}" = "10,Amélie (2001),2001,Comedy" ]
    rec-cat c.rec | rec-ingest -q --movies --no-history >d.rec
    diff <(rec-cat c.rec) <(rec-cat d.rec)
    cmp c.rec d.rec
    refuses 1 'c.rec: a catalogue has no form as mtx' rec-cat -f mtx c.rec
}

@test "features as CSV" {
    rec-features -q r.rec >f.rec
    run -0 rec-cat f.rec
    [ "${#lines[@]}" -eq 3 ]
    [[ ${lines[0]} == id,* ]]
    [[ ${lines[1]} == 10,* ]]
    run -0 rec-cat --table users f.rec
    [[ ${lines[1]} == 1,* ]]
    refuses 1 'f.rec: a file of features has no form as trec' rec-cat -f trec f.rec
}

@test "damage is found before a line is written" {
    printf x | dd of=r.rec bs=1 seek="$(($(stat -c %s r.rec) - 1))" conv=notrunc status=none
    refuses 1 '^rec-cat: r.rec: damaged: the checksum of its data is' rec-cat r.rec
    head -c 100 r.rec >cut.rec
    refuses 1 '^rec-cat: cut.rec: truncated at byte 100' rec-cat cut.rec
}

@test "-o keeps the old file when the input is bad, and leaves no litter" {
    echo old >out.csv
    head -c 100 r.rec >cut.rec
    run -1 rec-cat -o out.csv cut.rec
    [ "$(cat out.csv)" = old ]
    printf 'userId,movieId,rating\n1,1,3\n1,2,3.5\n' | rec-ingest -q >half.rec
    run -1 rec-cat -f trec -o out.csv half.rec
    [ "$(cat out.csv)" = old ]
    [ -z "$(find . -name '*.rec-tmp')" ]
    rec-cat -o out.csv r.rec
    cmp out.csv <(rec-cat r.rec)
}

@test "a full or closed standard output is an error, a closed pipe is quiet" {
    run -1 bash -c "rec-cat r.rec >/dev/full"
    [ "$output" = "rec-cat: standard output: no space left on device" ]
    run -1 bash -c "rec-cat r.rec >&-"
    [ "$output" = "rec-cat: standard output: bad file descriptor" ]
    rec-synth -q --format rec -o big.rec
    run -0 --separate-stderr bash -c "rec-cat big.rec | head -n 1"
    [ "$output" = userId,itemId,rating,timestamp ]
    [ -z "$stderr" ]
}

@test "links and neighbours of a model" {
    rec-synth -q --users 50 --items 30 --ratings 600 --seed 1 --format rec -o s.rec
    rec-train -q --model itemknn --neighbours 3 --keep from --damping 0 --exponent-from 0.5 --exponent-to 0.5 --shrinkage 0 --normalization 0 -o i.rec s.rec
    rec-train -q --model userknn --neighbours 4 -o u.rec s.rec
    rec-cat --table links i.rec >l.csv
    [ "$(head -1 l.csv)" = from,to,weight ]
    [ "$(sed 1d l.csv | cut -d, -f1 | sort | uniq -c | awk '$1 != 3' | wc -l)" -eq 0 ]
    # The cosine, counted here.
    rec-cat s.rec >ratings
    awk -F, 'NR == FNR { if (FNR > 1) { has[$1, $2] = 1; n[$2]++; user[$1] = 1 } next }
        FNR > 1 { both = 0; for (u in user) both += ((u, $1) in has) && ((u, $2) in has)
            w = both / sqrt(n[$1] * n[$2]); if (w - $3 > 1e-6 || $3 - w > 1e-6) exit 1; rows++ } END { exit rows < 30 }' ratings l.csv
    rec-cat --table neighbours --no-header u.rec | awk -F, '{ n[$1]++; if ($1 == $2 || $3 <= 0) exit 1 } END { for (u in n) if (n[u] > 4) exit 1 }'
    refuses 1 "a model of type itemknn has none" rec-cat --table neighbours i.rec
    n=$(wc -l <l.csv)
    rec-info i.rec | grep -qx "  links      $((n - 1))"
}
