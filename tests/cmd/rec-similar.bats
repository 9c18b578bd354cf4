#!/usr/bin/env bats
# SPDX-License-Identifier: MIT

load ../helper
setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    rec-synth -q --users 300 --items 200 --ratings 6000 --seed 4 --format rec -o r.rec
    rec-train -q --model ials -o ials.rec r.rec
    rec-train -q --model popular -o popular.rec r.rec
}
setup() {
    rec_setup
    cp "$BATS_FILE_TMPDIR"/* .
}

@test "neighbours by cosine: descending, at most 1, never the item itself" {
    rec-similar --all -k 7 ials.rec >out
    [ "$(head -1 out)" = "item,similar,score,rank" ]
    awk -F, 'NR > 1 && ($1 == $2 || $3 > 1.000001 || $4 > 7 || ($4 > 1 && $3 > last)) { exit 1 } { last = $3 }' out
    rec-similar --all -k 7 --threads 3 ials.rec | cmp - out
}

@test "cosine and inner product as numpy has them" {
    need_python
    rec-similar --all -k 5 ials.rec >cosine
    rec-similar --all -k 5 --by dot ials.rec >inner
    "$PYTHON" - <<'END'
import csv
import numpy as np
from safetensors.numpy import load_file

t = load_file("ials.rec")
b, o = t["items.bytes"].tobytes(), t["items.offsets"]
ids = [b[o[i]:o[i + 1]].decode() for i in range(len(o) - 1)]
v = t["item_factors"].astype(float)
norm = np.linalg.norm(v, axis=1)
for name, s in (("inner", v @ v.T), ("cosine", (v @ v.T) / np.maximum(np.outer(norm, norm), 1e-30))):
    s[:, norm == 0] = -np.inf
    np.fill_diagonal(s, -np.inf)
    rows = list(csv.DictReader(open(name)))
    assert len(rows) == 5 * (norm > 0).sum(), name
    for r in rows:
        i, j = ids.index(r["item"]), ids.index(r["similar"])
        best = np.sort(s[i])[::-1][int(r["rank"]) - 1]
        assert abs(float(r["score"]) - s[i, j]) < 1e-5 and abs(best - s[i, j]) < 1e-5, (name, r)
END
}

@test "without factors: the cosine of who rated both" {
    rec-similar --all -k 3 popular.rec >out
    rec-cat r.rec | awk -F, '
        NR == FNR { if (FNR > 1) { n[$2]++; of[$1] = of[$1] " " $2; has[$1 "," $2] } next }
        FNR > 1 && ++looked < 200 {
            both = 0
            for (u in of) both += ((u "," $1) in has) && ((u "," $2) in has)
            d = $3 - both / sqrt(n[$1] * n[$2]); if (d > 1e-5 || d < -1e-5) { print; exit 1 }
        }' - out
    refuses 1 'a model without factors' rec-similar --by dot --all popular.rec
}

@test "unknown items have no list: a note, exit 0" {
    printf '3\r\n\nnothing\n' | rec-similar -k 2 ials.rec >out 2>err
    [ "$(wc -l <out)" -eq 3 ]
    [ "$(cat err)" = "rec-similar: of 1 item nothing is known (first: 'nothing'); left out" ]
}

@test "forms of the output" {
    rec-similar -k 1 -i 3 -f jsonl ials.rec | python3 -c 'import json, sys; r = json.loads(sys.stdin.read()); assert r["item"] == "3" and r["rank"] == 1 and "similar" in r'
    rec-similar -k 1 -i 3 -f trec ials.rec | grep -qE '^3 Q0 [0-9]+ 1 [0-9.]+ ials$'
    rec-similar -k 1 -i 3 -f table ials.rec | grep -q '^item 3$'
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
    rec-similar -i 3 -k 30 -c movies.rec ials.rec >out
    rec-similar -i 3 -k 30 ials.rec | cmp - <(python3 -c '
import csv, sys
for i, r in enumerate(csv.reader(open("out"))):
    assert len(r) == 7
    if i and int(r[1]) > 150: assert r[4:] == ["", "", ""], r
    elif i: assert r[4].startswith("Film, no. " + r[1]) and r[5] == str(1950 + int(r[1]) % 70) and "Drama" in r[6].split("|"), r
    print(",".join(r[:4]))')
    rec-similar -i 3 -k 30 -c movies.rec -f jsonl ials.rec | python3 -c '
import json, sys
for l in sys.stdin:
    r = json.loads(l)
    assert int(r["similar"]) > 150 or "Drama" in r["genres"] and r["year"] >= 1950'
    rec-similar -i 3 -k 3 -c movies.rec -f table ials.rec | grep -q 'Film, no\.'
}

@test "items by their titles" {
    catalogue
    rec-similar --title 'FILM, NO. 14 ' -k 2 -c movies.rec ials.rec | cmp - <(rec-similar -i 14 -k 2 -c movies.rec ials.rec)
    rec-similar --title 'no. 14 ' -k 1 -c movies.rec -f table ials.rec | grep -q '^item 14  Film, no. 14 (1964)'
    rec-similar --title 'nothing' -c movies.rec ials.rec 2>err >out
    grep -q "no item of the model has 'nothing' in its title" err
    refuses 2 '--title needs --catalogue' rec-similar --title x ials.rec
}

@test "only items of a genre, of some years" {
    catalogue
    rec-similar -i 3 -k 200 -c movies.rec --genre comedy --year 1960..1979 ials.rec | sed 1d | cut -d, -f2 >got
    [ -s got ]
    awk '$1 > 150 || $1 % 3 || 1950 + $1 % 70 < 1960 || 1950 + $1 % 70 > 1979 { exit 1 }' got
    rec-similar -i 3 -k 200 -c movies.rec --year 1960.. --genre drama --genre Comedy ials.rec | sed 1d | cut -d, -f2 >got
    awk '1950 + $1 % 70 < 1960 { exit 1 }' got
    refuses 1 "genre 'comdy': .* did you mean 'Comedy'" rec-similar -i 3 -c movies.rec --genre comdy ials.rec
    refuses 2 "'90..80': not a year" rec-similar -i 3 -c movies.rec --year 90..80 ials.rec
    refuses 2 'need --catalogue' rec-similar -i 3 --genre Comedy ials.rec
}

@test "wrong usage and bad files" {
    refuses 2 'exclude each other' rec-similar --all -i 7 ials.rec
    refuses 2 'cannot both be standard input' rec-similar - <ials.rec
    refuses 1 'none.rec: no such file' rec-similar --all none.rec
    refuses 1 'standard output: no space left' bash -c 'rec-similar --all ials.rec >/dev/full'
}

@test "in a model of links, what an item speaks for: the list of a visitor who has it alone" {
    rec-synth -q --users 60 --items 40 --ratings 900 --seed 2 --format rec -o links.rec
    rec-train -q --model itemknn -o links-model.rec links.rec
    for i in 1 7 20; do
        echo $i | rec-similar -k 5 links-model.rec | sed 1d | cut -d, -f2- >similar
        echo $i | rec-recommend -k 5 --items - links-model.rec | sed 1d | cut -d, -f2- | cmp - similar
        [ -s similar ]
    done
    echo 1 >one
    refuses 1 "no inner products" rec-similar --by dot links-model.rec one
}
