#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# data/sample: what is committed is what scripts/make-sample makes, and its two files fit each other.

load ../helper
setup() {
    rec_setup
    SAMPLE=$ROOT/data/sample
}

@test "the committed ratings are what the script makes, whatever the number of threads" {
    "$ROOT/scripts/make-sample" again.csv
    cmp again.csv "$SAMPLE/ratings.csv"
    REC_THREADS=1 "$ROOT/scripts/make-sample" - | cmp - "$SAMPLE/ratings.csv"
}

@test "500 films, 600 users, 40,000 ratings of films that were out" {
    python3 - "$SAMPLE" <<'PY'
import csv, re, sys, time, unicodedata
sample = sys.argv[1]
genres = set("Action Adventure Animation Children Comedy Crime Documentary Drama Fantasy Film-Noir Horror IMAX Musical Mystery "
             "Romance Sci-Fi Thriller War Western".split())
films = list(csv.DictReader(open(f"{sample}/movies.csv", encoding="utf-8", newline="")))
assert list(films[0]) == ["movieId", "title", "genres"]
assert [f["movieId"] for f in films] == [str(i) for i in range(1, 501)]
assert len({f["title"] for f in films}) == 500
year = {}
for f in films:
    year[f["movieId"]] = int(re.search(r" \((\d{4})\)$", f["title"])[1])
    assert unicodedata.is_normalized("NFC", f["title"]), f
    g = f["genres"].split("|")
    assert set(g) <= genres and g == sorted(set(g)), f
assert min(year.values()) == 1920 and max(year.values()) == 2023
ratings = list(csv.DictReader(open(f"{sample}/ratings.csv", newline="")))
assert list(ratings[0]) == ["userId", "movieId", "rating", "timestamp"] and len(ratings) == 40000
assert len({(r["userId"], r["movieId"]) for r in ratings}) == 40000
assert len({r["userId"] for r in ratings}) == 600 and {r["movieId"] for r in ratings} == set(year)
for r in ratings:
    assert float(r["rating"]) * 2 in range(1, 11)
    assert time.gmtime(int(r["timestamp"])).tm_year >= year[r["movieId"]]
PY
}
