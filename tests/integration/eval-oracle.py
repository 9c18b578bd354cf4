# SPDX-License-Identifier: MIT
"""Figures of rec-eval against ranx, ir-measures, and a brute-force ranking in numpy.

eval-oracle.py make DIR          runs and qrels with ties, missing and unjudged queries, graded relevance
eval-oracle.py run DIR           compares DIR/*.json with ir-measures and ranx
eval-oracle.py model MODEL TEST METRICS [THRESHOLD]   compares with all items ranked by numpy
"""
import json
import sys

import numpy as np

KS = (1, 5, 10, 20)
TOLERANCE = 1e-6


def compare(name, ours, theirs):
    if abs(ours - theirs) > TOLERANCE:
        sys.exit(f"{name}: rec-eval says {ours}, the oracle {theirs}")


def make(folder):
    rng = np.random.default_rng(7)
    with open(f"{folder}/qrels", "w") as qrels, open(f"{folder}/run", "w") as run:
        for q in range(300):
            docs = rng.choice(500, 120, replace=False)
            judged = rng.choice(500, rng.integers(1, 40), replace=False)
            if q % 10 != 3:
                for d in judged:
                    print(f"q{q} 0 d{d} {rng.integers(0, 4)}", file=qrels)
            if q % 17 == 5:
                continue
            scores = rng.normal(size=len(docs)).round(1 if q % 2 else 9)  # many ties in every other query
            for r in rng.permutation(len(docs)):
                text = str(scores[r])
                if q % 6 == 1:  # scores that are equal as floats, or nearly, in many spellings
                    near = np.float32(1.7) + np.float32(2.0**-23) * rng.integers(0, 3)
                    exact = float(near) + 2.0**-23 * rng.choice([0, 0.1, 0.49999999, 0.5, 0.50000001])
                    text = rng.choice(["%.17g", "%.20f", "%.9f", "%.12g", "%.16f", "%e", "%.7f"]) % exact
                print(f"q{q} Q0 d{docs[r]} {r} {text} tag", file=run)


def check_run(folder):
    import ir_measures
    from ir_measures import AP, P, R, RR, Success, nDCG

    # RR@k comes from another program than the rest, with an order of ties of its own; RR alone is trec_eval's.
    measures = {"ndcg": nDCG, "precision": P, "recall": R, "map": AP, "hitrate": Success}
    qrels = list(ir_measures.read_trec_qrels(f"{folder}/qrels"))
    run = list(ir_measures.read_trec_run(f"{folder}/run"))
    binary = [q._replace(relevance=int(q.relevance > 0)) for q in qrels]
    relevant = {q.query_id for q in binary if q.relevance}
    for file, judged in (("binary.json", binary), ("graded.json", qrels)):
        ours = json.load(open(f"{folder}/{file}"))
        judged = [q for q in judged if q.query_id in relevant]
        wanted = {f"{name}@{k}": m @ k for name, m in measures.items() for k in KS}
        wanted["mrr@1000"] = RR
        theirs = ir_measures.calc_aggregate(wanted.values(), judged, run)
        for key, measure in wanted.items():
            compare(f"ir-measures {file} {key}", ours[key], theirs[measure])
        assert ours["users"] == len(relevant), ours

    # ranx wants the same queries in both, and does not define the order of ties: the tidy half of the queries is left.
    from ranx import Qrels, Run, evaluate

    ours = json.load(open(f"{folder}/tidy.json"))
    q = Qrels.from_file(f"{folder}/tidy.qrels", kind="trec")
    r = Run.from_file(f"{folder}/tidy.run", kind="trec")
    names = {"ndcg": "ndcg", "precision": "precision", "recall": "recall", "mrr": "mrr", "hitrate": "hit_rate", "f1": "f1"}
    wanted = {f"{name}@{k}": f"{ranx}@{k}" for name, ranx in names.items() for k in KS}
    theirs = evaluate(q, r, list(wanted.values()))
    for key, ranx in wanted.items():
        compare(f"ranx {key}", ours[key], theirs[ranx])
    compare("ranx rbp", ours["rbp@1000"], evaluate(q, r, "rbp.80"))


def tidy(folder):
    """Binary judgements and a run without ties, of the queries that both have."""
    qrels = [line.split() for line in open(f"{folder}/qrels")]
    run = [line.split() for line in open(f"{folder}/run")]
    answered = {r[0] for r in run if int(r[0][1:]) % 2 == 0}
    relevant = {q[0] for q in qrels if int(q[3]) > 0} & answered
    with open(f"{folder}/tidy.qrels", "w") as f:
        f.writelines(f"{q[0]} 0 {q[2]} 1\n" for q in qrels if q[0] in relevant and int(q[3]) > 0)
    with open(f"{folder}/tidy.run", "w") as f:
        f.writelines(" ".join(r) + "\n" for r in run if r[0] in relevant)


def table(tensors, name):
    data, offset = tensors[name + ".bytes"].tobytes(), tensors[name + ".offsets"]
    return [data[offset[i]:offset[i + 1]] for i in range(len(offset) - 1)]


def scores_of(model, meta):
    n_users, n_items = len(model["users.offsets"]) - 1, len(model["items.offsets"]) - 1
    scores = np.full((n_users, n_items), float(meta["mean"]))
    if "user_factors" in model:
        scores += model["user_factors"].astype(np.float64) @ model["item_factors"].astype(np.float64).T
    if "user_bias" in model:
        scores += model["user_bias"][:, None]
    if "item_bias" in model:
        scores += model["item_bias"]
    return scores


def check_model(model_path, test_path, metrics_path, threshold=None):
    from safetensors import safe_open

    def load(path):
        with safe_open(path, "np") as file:
            return {k: file.get_tensor(k) for k in file.keys()}, file.metadata()

    model, meta = load(model_path)
    test, _ = load(test_path)
    ours = json.load(open(metrics_path))
    scores = scores_of(model, meta)
    users = {u: i for i, u in enumerate(table(model, "users"))}
    items = {x: i for i, x in enumerate(table(model, "items"))}
    test_items = table(test, "items")
    sums, n, errors = {}, 0, []
    for t, name in enumerate(table(test, "users")):
        row = slice(test["user_ptr"][t], test["user_ptr"][t + 1])
        u = users.get(name)
        seen = set(model["seen_item"][model["seen_ptr"][u]:model["seen_ptr"][u + 1]]) if u is not None else set()
        known = u is not None and ("user_factors" not in model or np.any(model["user_factors"][u])) and (
            "user_factors" in model or seen)
        relevant = set()
        for item, value in zip(test["item"][row], test["value"][row]):
            i = items.get(test_items[item])
            guess = float(meta["mean"])
            if u is not None and i is not None:
                guess = scores[u, i]
            elif u is not None and "user_bias" in model:
                guess += model["user_bias"][u]
            elif i is not None and "item_bias" in model:
                guess += model["item_bias"][i]
            errors.append(min(max(guess, float(meta["low"])), float(meta["high"])) - value)
            if (threshold is None or value >= float(threshold)) and i not in seen:
                relevant.add(i if i is not None else test_items[item])
        if not relevant:
            continue
        n += 1
        score = (scores[u] if known else model["popularity"]).astype(np.float64).copy()
        score[list(seen)] = -np.inf
        best = np.argsort(-score, kind="stable")[:max(KS)]
        hit = np.array([i in relevant and score[i] > -np.inf for i in best])
        discount = 1 / np.log2(np.arange(len(hit)) + 2)
        for k in KS:
            h = hit[:k]
            got = {
                "precision": h.sum() / k,
                "recall": h.sum() / len(relevant),
                "ndcg": (h * discount[:k]).sum() / discount[:min(k, len(relevant))].sum(),
                "map": (h * (np.cumsum(h) / np.arange(1, len(h) + 1))).sum() / len(relevant),
                "mrr": 1 / (np.argmax(h) + 1) if h.any() else 0,
                "hitrate": float(h.any()),
            }
            for key, value in got.items():
                sums[f"{key}@{k}"] = sums.get(f"{key}@{k}", 0) + value
    assert n == ours["users"], (n, ours["users"])
    for key, value in sums.items():
        compare(f"numpy {key}", ours[key], value / n)
    if meta.get("scale") == "ratings":
        errors = np.array(errors)
        compare("numpy rmse", ours["rmse"], np.sqrt((errors ** 2).mean()))
        compare("numpy mae", ours["mae"], np.abs(errors).mean())


def check_shown(run, train, catalogue, test, metrics):
    """Measures of what is shown, from the CSV twins of run, training ratings and catalogue, for users that have something in test."""
    import csv
    from itertools import combinations
    from math import log, log2

    ours, k = json.load(open(metrics)), 10
    had, users_of = {}, {}
    for r in csv.DictReader(open(train)):
        had.setdefault(r["userId"], set()).add(r["itemId"])
        users_of.setdefault(r["itemId"], set()).add(r["userId"])
    genres = {r["itemId"]: r["genres"].split("|") for r in csv.DictReader(open(catalogue)) if r["genres"]}
    judged = {r["userId"] for r in csv.DictReader(open(test))}
    lists = {}
    for r in csv.DictReader(open(run)):
        if r["user"] in judged:
            lists.setdefault(r["user"], []).append(r["item"])

    def shares(items):
        share, items = {}, [i for i in items if i in genres]
        for i in items:
            for g in genres[i]:
                share[g] = share.get(g, 0) + 1 / len(genres[i]) / len(items)
        return share

    def kl(user, items):
        p, q = shares(had[user]), shares(items)
        return sum(x * log(x / (0.99 * q.get(g, 0) + 0.01 * x)) for g, x in p.items())

    def ild(items):
        pairs = [(set(genres[a]), set(genres[b])) for a, b in combinations(items, 2) if a in genres and b in genres]
        return np.mean([1 - len(a & b) / len(a | b) for a, b in pairs])

    top = {u: x[:k] for u, x in lists.items()}
    shown = [i for x in top.values() for i in x]
    count = np.sort([shown.count(i) for i in users_of])
    n = len(count)
    mean = lambda f: np.mean([f(u, x) for u, x in top.items()])
    for name, value in {
        "coverage": len(set(shown)) / n,
        "gini": 2 * np.sum(np.arange(1, n + 1) * count) / (n * count.sum()) - (n + 1) / n,
        "novelty": mean(lambda u, x: np.mean([log2(len(had) / len(users_of[i])) for i in x])),
        "arp": mean(lambda u, x: np.mean([len(users_of[i]) / len(had) for i in x])),
        "ild": mean(lambda u, x: ild(x)),
        "calibration": mean(kl),
    }.items():
        compare(name, ours[f"{name}@{k}"], value)


if __name__ == "__main__":
    {"make": make, "tidy": tidy, "run": check_run, "model": check_model, "shown": check_shown}[sys.argv[1]](*sys.argv[2:])
