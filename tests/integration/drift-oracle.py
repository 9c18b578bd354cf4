# SPDX-License-Identifier: MIT
"""A report of rec-drift, recomputed with numpy and scipy from the CSV of both files: drift-oracle.py REPORT REFERENCE CURRENT."""
import csv
import json
import sys
from collections import Counter

import numpy as np
from scipy import stats
from scipy.spatial.distance import jensenshannon


def near(a, b, what, relative=1e-9, absolute=1e-12):
    assert (a is None and np.isnan(b)) or abs(a - b) <= max(relative * abs(b), absolute), (what, a, b)


def rows(name):
    return list(csv.DictReader(open(name)))


def columns(name):
    """The numbers that each column of a file has."""
    base = name.removesuffix(".rec")
    out = {}
    try:
        for side in ("item", "user"):
            table = rows(f"{base}.{side}.csv")
            for key in list(table[0])[1:]:
                out[f"{side}.{key}"] = np.array([np.float32(r[key]) for r in table], float)
        return out
    except FileNotFoundError:
        table = rows(base + ".csv")
    out["rating"] = np.array([float(r["rating"]) for r in table])
    out["activity"] = np.array(list(Counter(r["userId"] for r in table).values()), float)
    return out


def binned(c):
    p, q = (np.array([b[k] for b in c["bins"]], float) for k in ("reference", "current"))
    share = [np.where(x > 0, x / x.sum(), 1e-4) for x in (p, q)]
    used = p + q > 0
    near(c["psi"], float(np.sum(((share[1] - share[0]) * np.log(share[1] / share[0]))[used])), (c["column"], "psi"))
    near(c["js"], float(jensenshannon(p, q)) if (p / p.sum() != q / q.sum()).any() else 0, (c["column"], "js"), 1e-7, 1e-7)
    if used.sum() > 1:
        test = stats.chi2_contingency(np.array([p[used], q[used]]), correction=False)
        near(c["chi2"], test.statistic, (c["column"], "chi2"), absolute=1e-9)
        near(c["chi2_p"], test.pvalue, (c["column"], "chi2 p"))
        assert c["chi2_df"] == test.dof


def check_bins(c, x, y):
    at = 0
    for b in c["bins"]:
        assert b["reference"] == np.sum((x >= b["low"]) & (x <= b["high"])), (c["column"], b)
        assert b["current"] == np.sum((y >= b["low"]) & (y <= b["high"])), (c["column"], b)
        at += b["reference"]
    assert at == len(x)


def check_popularity(c, report, a, b):
    then, now = (Counter(r["itemId"] for r in rows(n.removesuffix(".rec") + ".csv")) for n in (a, b))
    ids = sorted(set(then) | set(now))
    near(report["items_js"], float(jensenshannon([then[i] for i in ids], [now[i] for i in ids])), "items_js", 1e-9, 1e-9)
    group, before, total = {}, 0, sum(then.values())
    for i in sorted(then, key=lambda i: (-then[i], i)):
        group[i] = int(10 * before / total)
        before += then[i]
    for g, bin in enumerate(c["bins"]):
        assert bin["reference"] == sum(n for i, n in then.items() if group[i] == g), bin
        assert bin["current"] == sum(n for i, n in now.items() if group.get(i, 10) == g), bin
    assert report["items"] == {"reference": len(then), "current": len(now), "new": len(set(now) - set(then)), "vanished": len(set(then) - set(now))}
    for name, counts in (("reference", then), ("current", now)):
        x = np.sort(np.array(list(counts.values()), float))
        near(report[name]["gini"], 2 * np.sum(np.arange(1, len(x) + 1) * x) / (len(x) * x.sum()) - (len(x) + 1) / len(x), "gini", absolute=1e-12)


report, a, b = json.load(open(sys.argv[1])), sys.argv[2], sys.argv[3]
then, now = columns(a), columns(b)
checked = 0
for c in report["columns"]:
    binned(c)
    if c["column"] == "popularity":
        check_popularity(c, report, a, b)
        continue
    x, y = then[c["column"]], now[c["column"]]
    check_bins(c, x, y)
    ks = stats.ks_2samp(x, y, method="asymp")
    near(c["ks"], ks.statistic, (c["column"], "ks"))
    near(c["ks_p"], ks.pvalue, (c["column"], "ks p", len(x), len(y)), 1e-8, 1e-12)
    near(c["wasserstein"], stats.wasserstein_distance(x, y) / max(np.std(x), 1e-3), (c["column"], "wasserstein"), 1e-6, 1e-9)
    near(c["reference"]["mean"], x.mean(), (c["column"], "mean"))
    near(c["current"]["deviation"], y.std(), (c["column"], "deviation"), absolute=1e-9)
    checked += 1
assert checked >= 2, checked
