#!/usr/bin/env bats
# SPDX-License-Identifier: MIT

load ../helper
setup() { rec_setup; }

# found CHECK: value and verdict of a check in the JSON in $output
found() { python3 -c 'import json, sys; c = [c for c in json.load(sys.stdin)["checks"] if c["check"] == sys.argv[1]][0]; print(c["value"], c["verdict"])' "$1" <<<"$output"; }

make_ratings() {
    rec-synth -q --users 60 --items 80 --ratings 1500 >r.csv
    rec-ingest -q r.csv >r.rec
}

@test "good ratings pass, with a table for people" {
    make_ratings
    run -0 --separate-stderr rec-validate --low 0.5 --high 5 --step 0.5 r.rec
    [ -z "$stderr" ]
    [[ ${lines[0]} == check*value*wanted*verdict*found ]]
    grep -qE '^step +0  at most 0 +ok +steps of 0.5$' <<<"$output"
    grep -qE '^ratings +1500  at least 1 +ok +60 users, [0-9]+ items$' <<<"$output"
    [[ ${lines[-1]} == "0 failed, "* ]]
    # no colours but on a terminal
    [[ $output != *$'\033'* ]]
    [ "$(rec-validate <r.rec | tail -1)" = "$(rec-validate r.rec | tail -1)" ]
}

@test "the figures are those of another program" {
    make_ratings
    run -0 rec-validate --json --cold 20 --now 2025-01-01 r.rec
    python3 - "$output" <<'PY'
import collections, csv, json, sys
report = json.loads(sys.argv[1])
got = {c["check"]: c["value"] for c in report["checks"]}
rows = list(csv.DictReader(open("r.csv")))
users = collections.Counter(r["userId"] for r in rows)
items = collections.Counter(r["movieId"] for r in rows)
near = lambda a, b: abs(a - b) < 1e-9
assert report["ratings"] == got["ratings"] == 1500 and report["users"] == len(users) and report["items"] == len(items)
assert got["values"] == len({r["rating"] for r in rows})
assert near(got["density"], 1500 / len(users) / len(items))
assert near(got["cold-users"], sum(n < 20 for n in users.values()) / len(users))
assert near(got["cold-items"], sum(n < 20 for n in items.values()) / len(items))
x = sorted(items.values())
n = len(x)
assert near(got["skew"], sum((2 * i - n - 1) * v for i, v in enumerate(x, 1)) / (n * sum(x)))
by = collections.defaultdict(list)
for r in rows:
    by[r["userId"]].append(r["rating"])
warm = [v for v in by.values() if len(v) >= 20]
assert near(got["one-value"], sum(len(set(v)) == 1 for v in warm) / len(warm))
assert got["range"] is None and report["verdict"] in ("ok", "warn")
PY
}

@test "each fault is found: exit 3" {
    printf '%s\n' userId,movieId,rating,timestamp a,x,3,1000000000 a,y,7,1000000000 b,x,2.3,1000000000 b,y,4,-5 >bad.csv
    rec-ingest -q bad.csv >bad.rec
    run -3 rec-validate --json --low 1 --high 5 --step 0.5 bad.rec
    [ "$(found range)" = '1 fail' ]
    [ "$(found step)" = '1 fail' ]
    [ "$(found times-early)" = '1 fail' ]
    run -3 rec-validate --low 1 --high 5 --step 0.5 bad.rec
    [[ ${lines[-1]} == "3 failed, "* ]]
    # in the year 2200
    printf '%s\n' userId,movieId,rating,timestamp a,x,3,7258118400 >late.csv
    rec-ingest -q late.csv >late.rec
    run -3 rec-validate --json late.rec
    [ "$(found times-late)" = '1 fail' ]
    run -3 rec-validate --json --now 2001-01-01 --skip times-early bad.rec
    [ "$(found times-late)" = '3 fail' ]
    [ "$(found times-early)" = '1 skipped' ]
}

@test "programs and users of one value are noticed" {
    { echo userId,movieId,rating,timestamp
      for i in $(seq 30); do echo "bot,$i,3,$((1600000000 + i))"; echo "man,$i,$((i % 5 + 1)),$((1600000000 + 86400 * i))"; done; } >r.csv
    rec-ingest -q r.csv >r.rec
    run -0 rec-validate --json --per-day 20 r.rec
    [ "$(found bots)" = '1 warn' ]
    [ "$(found one-value)" = '0.5 warn' ]
    grep -q '30 by \\"bot\\"' <<<"$output"
    run -3 rec-validate --per-day 20 --fail bots r.rec
    run -3 rec-validate --strict r.rec
    run -0 rec-validate --strict --max-cold-items 1 --max-one-value 0.5 r.rec
    run -0 rec-validate --strict --skip one-value --skip cold-items r.rec
}

@test "thresholds stand in rec.yaml" {
    make_ratings
    printf 'validate:\n  max-cold-users: 0\n  cold: 1000\n  fail: cold-users\n' >rec.yaml
    run -3 rec-validate --json r.rec
    [ "$(found cold-users)" = '1 fail' ]
    run -0 rec-validate --cold 1 r.rec
}

@test "items that are not in the catalogue" {
    make_ratings
    { echo movieId,title,genres; seq 2 90 | sed 's/.*/&,Film & (1990),Drama/'; } >m.csv
    rec-ingest -q --movies m.csv >m.rec
    run -3 rec-validate --json --catalogue m.rec r.rec
    grep -q '1 rated items are not in the catalogue, such as \\"1\\"' <<<"$output"
    run -0 rec-validate --max-orphans 0.1 --catalogue m.rec r.rec
    refuses 1 '^rec-validate: r.rec: ' rec-validate --catalogue r.rec r.rec
}

@test "no ratings, and ratings without values or times" {
    printf '%s\n' userId,movieId a,x b,y >i.csv
    rec-ingest -q i.csv >i.rec
    run -0 rec-validate --json i.rec
    [ "$(found one-value)" = 'None skipped' ]
    [ "$(found times-missing)" = '1.0 warn' ] || [ "$(found times-missing)" = '1 warn' ]
    [ "$(found bots)" = 'None skipped' ]
    run -3 rec-validate --min-ratings 3 i.rec
}

@test "colours on a terminal, unless NO_COLOR" {
    command -v script >/dev/null || skip "no script(1)"
    make_ratings
    script -qec 'rec-validate r.rec' /dev/null | grep -q $'\033\[32mok'
    [ "$(NO_COLOR=1 script -qec 'rec-validate r.rec' /dev/null | grep -c $'\033')" -eq 0 ]
}

@test "wrong usage, and outputs that cannot be written" {
    make_ratings
    refuses 2 '^rec-validate: bats is no check' rec-validate --skip bats r.rec
    refuses 2 '^rec-validate: --max-cold-users: ' rec-validate --max-cold-users 2 r.rec
    run -1 bash -c 'rec-validate r.rec >/dev/full'
    head -c 900 r.rec >short.rec
    refuses 1 '^rec-validate: short.rec: ' rec-validate short.rec
}
