#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Paired tests of rec-registry and rec-eval --compare against scipy.stats, to 1e-9 of each p and limit that is no draw.

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

@test "rec-eval --compare: t, Wilcoxon, permutation, bootstrap and Holm, of a few users and of many" {
    rec-ingest -q <"$ROOT/data/sample/ratings.csv" | rec-split -q --test 0.2 --seed 42 --out-test test.rec >train.rec
    for f in 8 16 32; do
        rec-train -q --model ials --factors $f -o m.rec train.rec
        rec-eval -q -k 10,20 -m ndcg,recall --per-user $f.csv -o $f.json m.rec test.rec
        # Untied differences, few enough for the exact distribution of ranks.
        head -n 31 $f.csv >few-$f.csv
    done
    rec-eval --compare -f csv 8.csv 16.csv 32.csv >all.csv
    rec-eval --compare -f csv --test wilcoxon few-8.csv few-16.csv few-32.csv >few.csv
    "$PYTHON" - <<'P'
import csv
import numpy as np
from scipy import stats

def near(a, b, what, within=1e-9):
    assert abs(float(a) - b) <= within * max(abs(b), 1e-300) or abs(float(a) - b) < 1e-15, (what, a, b)

checked = 0
for name, column in (("all.csv", "p_t"), ("few.csv", "p_wilcoxon")):
    rows = list(csv.DictReader(open(name)))
    assert len(rows) == 12, rows
    for row in rows:
        a, b = (np.array([float(r[row["measure"]]) for r in csv.DictReader(open(row[k]))]) for k in "ab")
        what = (name, row["measure"], row["a"], row["b"])
        near(row["mean_a"], a.mean(), what)
        near(row["change"], (b - a).mean(), what, 1e-8)
        near(row["p_t"], stats.ttest_rel(b, a).pvalue, what)
        # Differences that are equal but for rounding share a rank on both sides only when they are equal bit for bit.
        near(row["p_wilcoxon"], stats.wilcoxon(b - a).pvalue, what, 1e-7)
        p = stats.permutation_test((b - a,), np.mean, permutation_type="samples", n_resamples=20000, rng=1).pvalue
        assert abs(float(row["p_permutation"]) - p) < 5 * np.sqrt(p * (1 - p) / 10000) + 2e-4, (what, row["p_permutation"], p)
        limits = stats.bootstrap((b - a,), np.mean, method="percentile", n_resamples=5000, rng=1).confidence_interval
        width = limits.high - limits.low
        assert abs(float(row["low"]) - limits.low) < 0.05 * width and abs(float(row["high"]) - limits.high) < 0.05 * width, what
        checked += 1
    p = np.array([float(r[column]) for r in rows])
    order, last = np.argsort(p, kind="stable"), 0
    for k, i in enumerate(order):
        last = max(last, min(1, p[i] * (len(p) - k)))
        near(rows[i]["p_holm"], last, (name, i, "holm"))
        assert rows[i]["significant"] == ("yes" if last < 0.05 else "no")
assert checked == 24
P
}
