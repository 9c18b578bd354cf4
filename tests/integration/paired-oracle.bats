#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The paired test of rec-registry against scipy.stats, to 1e-9 of each p and limit.

load ../helper
setup() { rec_setup; need_python; }

@test "compare and promote: t, p and limits equal to scipy's, of a few users and of many" {
    rec-ingest -q <"$ROOT/data/sample/ratings.csv" | rec-split -q --test 0.2 --seed 42 --out-test test.rec >train.rec
    rec-train -q --model ials --factors 16 -o a.rec train.rec
    rec-train -q --model ials --factors 12 -o b.rec train.rec
    for m in a b; do
        rec-eval -q -k 10,20 --per-user $m.csv -o $m.json $m.rec test.rec
        rec-registry add -q --metrics $m.json --users $m.csv --test test.rec $m.rec
    done
    rec-registry promote -q 1
    rec-registry compare --format csv 1 2 >compared.csv
    rec-registry promote -q --if 'ndcg@10 >= production*0.95' 2 || :
    rec-registry --registry few add -q --metrics a.json --users <(head -n 4 a.csv) a.rec
    rec-registry --registry few add -q --metrics b.json --users <(head -n 4 b.csv) b.rec
    rec-registry --registry few compare --format csv 1 2 >few.csv
    "$PYTHON" - <<'P'
import csv, json
from scipy import stats

def table(name, n=None):
    rows = list(csv.DictReader(open(name)))
    return {k: [float(r[k]) for r in rows[:n]] for k in rows[0] if k != "user"}

def near(a, b, what):
    assert abs(a - b) <= 1e-9 * max(abs(b), 1e-300) or abs(a - b) < 1e-15, (what, a, b)

checked = 0
for name, n in (("compared.csv", None), ("few.csv", 3)):
    a, b = table("a.csv", n), table("b.csv", n)
    for row in csv.DictReader(open(name)):
        key = row["metric"]
        if key not in a or not row["p"] or a[key] == b[key]:
            continue
        test = stats.ttest_rel(b[key], a[key])
        limits = test.confidence_interval(0.95)
        near(float(row["p"]), test.pvalue, (name, key, "p"))
        near(float(row["low"]), limits.low, (name, key, "low"))
        near(float(row["high"]), limits.high, (name, key, "high"))
        checked += 1
assert checked > 12, checked

line = json.loads(open("registry/journal.jsonl").read().splitlines()[-1])
found = line["reasons"]["conditions"][0]["test"]
a, b = table("a.csv")["ndcg@10"], table("b.csv")["ndcg@10"]
test = stats.ttest_1samp([y - 0.95 * x for x, y in zip(a, b)], 0, alternative="greater")
near(found["t"], test.statistic, "t")
near(found["p"], test.pvalue, "one-sided p")
near(found["low"], test.confidence_interval(0.95).low, "lower limit")
P
}
