# SPDX-License-Identifier: MIT
"""What tests/bench/train runs: peers in processes of their own (train.py peer ...), and the tables."""
import json
import os
import re
import resource
import struct
import subprocess
import sys
import time
import warnings

import numpy as np
import scipy.sparse as sp

DTYPES = {"I64": "<i8", "I32": "<i4", "F32": "<f4", "U8": "u1"}
# Found on Gowalla's validation part; ours and irspack's losses are the same.
GOWALLA = {"unobserved": 0.012, "regularization": 0.002, "exponent": 1, "passes": 8, "deviation": 0.01}


def load(path):
    with open(path, "rb") as file:
        raw = file.read()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + size])
    header.pop("__metadata__")
    at = lambda t: slice(8 + size + t["data_offsets"][0], 8 + size + t["data_offsets"][1])
    return {k: np.frombuffer(raw[at(t)], DTYPES[t["dtype"]]).reshape(t["shape"]) for k, t in header.items()}


def ids(data, name):
    offsets, raw = data[name + ".offsets"], data[name + ".bytes"].tobytes()
    return [raw[a:b] for a, b in zip(offsets, offsets[1:])]


def csr(path):
    d = load(path)
    return sp.csr_matrix((d["value"], d["item"], d["user_ptr"]), shape=(len(d["user_ptr"]) - 1, len(d["items.offsets"]) - 1))


def triples(path):
    d = load(path)
    users, items = np.array(ids(d, "users")), np.array(ids(d, "items"))
    return users[np.repeat(np.arange(len(users)), np.diff(d["user_ptr"]))], items[d["item"]], d["value"]


def cpu():
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])


# ---- peers, each in a process of its own; they print a line of JSON ----

def fit(name, x, f, passes, threads):
    """Trains and returns (user factors, item factors)."""
    if name.startswith("implicit"):
        from implicit.als import AlternatingLeastSquares
        scale = 1 / GOWALLA["unobserved"]
        model = AlternatingLeastSquares(factors=f, regularization=2.2 * scale, alpha=scale, iterations=passes, num_threads=threads,
                                        use_cg="cholesky" not in name, random_state=1)
        model.fit(x, show_progress=False)
        return model.user_factors, model.item_factors
    if name.startswith("irspack"):
        from irspack import IALSRecommender
        solver = {"irspack": "CG", "irspack cholesky": "CHOLESKY", "irspack subspace": "IALSPP"}[name]
        model = IALSRecommender(x, n_components=f, alpha0=GOWALLA["unobserved"], reg=GOWALLA["regularization"], nu=GOWALLA["exponent"],
                                solver_type=solver, n_threads=threads, train_epochs=passes).learn()
        return model.get_user_embedding(), model.get_item_embedding()
    if name == "cmfrec":
        from cmfrec import CMF_implicit
        model = CMF_implicit(k=f, lambda_=220, alpha=100, niter=passes, nthreads=threads, precompute_for_predictions=False)
        model.fit(sp.coo_matrix(x))
        return model.A_, model.B_
    raise SystemExit("unknown peer " + name)


def rank(p, q, train, test):
    """Recall@20 and NDCG@20 as LightGCN defines them."""
    discount, sums, users = 1 / np.log2(np.arange(20) + 2), np.zeros(2), 0
    for b in range(0, len(p), 256):
        score = p[b:b + 256] @ q.T
        for j, row in enumerate(score):
            u = b + j
            relevant = test.indices[test.indptr[u]:test.indptr[u + 1]]
            if not len(relevant):
                continue
            row[train.indices[train.indptr[u]:train.indptr[u + 1]]] = -np.inf
            top = np.argpartition(-row, 20)[:20]
            hits = np.isin(top[np.argsort(-row[top], kind="stable")], relevant)
            sums += hits.sum() / len(relevant), (hits * discount).sum() / discount[:len(relevant)].sum()
            users += 1
    return list(sums / users)


def rank_by_test(p, q, x, train, test):
    """The same of the pairs of a file with ids of its own; x are those of train."""
    d, t = load(train), load(test)
    users, items = ({k: i for i, k in enumerate(ids(d, n))} for n in ("users", "items"))
    row = np.repeat([users[k] for k in ids(t, "users")], np.diff(t["user_ptr"]))
    column = np.array([items.get(k, -1) for k in ids(t, "items")])[t["item"]]
    # An item that is only in the test counts among the relevant, and is never found.
    relevant = sp.csr_matrix((np.ones(len(row)), (row, np.where(column < 0, len(items), column))), shape=(len(users), len(items) + 1))
    return rank(p, q, x, relevant)


def peer_implicit(name, train, f, passes, threads, test=None):
    x = csr(train)
    start, wall = cpu(), time.time()
    p, q = fit(name, x, int(f), int(passes), int(threads))
    out = {"cpu": cpu() - start, "wall": time.time() - wall}
    if test:
        out["recall"], out["ndcg"] = rank_by_test(np.asarray(p), np.asarray(q), x, train, test)
    print(json.dumps(out))


def judge(lists, train, test):
    """Recall@20 and NDCG@20 of lists of items, one for each user of train; of users and items in the order of train's tables."""
    d, t = load(train), load(test)
    users, items = ({k: i for i, k in enumerate(ids(d, n))} for n in ("users", "items"))
    number = np.array([items.get(k, -1) for k in ids(t, "items")])
    discount, sums, count = 1 / np.log2(np.arange(20) + 2), np.zeros(2), 0
    for name, a, b in zip(ids(t, "users"), t["user_ptr"], t["user_ptr"][1:]):
        if a == b:
            continue
        hits = np.isin(lists[users[name]][:20], number[t["item"][a:b]])
        sums += hits.sum() / (b - a), (hits * discount[:len(hits)]).sum() / discount[:b - a].sum()
        count += 1
    return list(sums / count)


def peer_neighbours(name, train, k, threads, test):
    from implicit import nearest_neighbours as near
    x, k, threads = csr(train), int(k), int(threads)
    model = {"cosine": near.CosineRecommender, "tf-idf": near.TFIDFRecommender, "bm25": near.BM25Recommender}[name](K=k, num_threads=threads)
    start, wall = cpu(), time.time()
    model.fit(x, show_progress=False)
    out = {"cpu": cpu() - start, "wall": time.time() - wall}
    start = cpu()
    lists, _ = model.recommend(np.arange(x.shape[0]), x, N=20)
    out["lists"] = cpu() - start
    out["recall"], out["ndcg"] = judge(lists, train, test)
    print(json.dumps(out))


def peer_ratings(name, folder, part):
    (u, i, v), (a, b, c) = triples(f"{folder}/{part}.rec"), triples(f"{folder}/{part}-test.rec")
    if name == "cmfrec":
        import pandas as pd
        from cmfrec import CMF
        how = {"lambda_": 0.2, "scale_lam": True} if part == "mt" else {"lambda_": 14}
        model = CMF(k=40, use_cg=False, niter=15, nthreads=1, verbose=False, **how)
        frame = pd.DataFrame({"UserId": u, "ItemId": i, "Rating": v})
        start = cpu()
        model.fit(frame)
        seconds, guess = cpu() - start, model.predict(a, b)
    else:
        from libmf import mf
        users, items = ({k: n for n, k in enumerate(np.unique(x))} for x in (u, i))
        rows = np.column_stack([[users[k] for k in u], [items[k] for k in i], v]).astype(np.float32)
        model = mf.MF(k=32, lambda_p1=0, lambda_q1=0, lambda_p2=0.1, lambda_q2=0.1, eta=0.1, nr_iters=20, nr_threads=1, quiet=True)
        start = cpu()
        model.fit(np.ascontiguousarray(rows))
        seconds, m = cpu() - start, model.model
        # Its Python predict() gives other numbers than its factors do; the factors are right.
        p = np.ctypeslib.as_array(m.P, (m.m * m.k,)).reshape(m.m, m.k)
        q = np.ctypeslib.as_array(m.Q, (m.n * m.k,)).reshape(m.n, m.k)
        guess = np.array([p[users[x]] @ q[items[y]] if x in users and y in items else np.nan for x, y in zip(a, b)])
    guess = np.clip(np.where(np.isnan(guess), v.mean(), guess), v.min(), v.max())
    print(json.dumps({"cpu": seconds, "rmse": float(np.sqrt(np.mean((guess - c) ** 2)))}))


# ---- measuring ----

def run(command):
    """(CPU seconds, wall seconds, peak MB, standard output) of a child."""
    start = time.time()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    text = child.stdout.read()
    complaint = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise RuntimeError(f"{command}: {complaint[-500:]}")
    return usage.ru_utime + usage.ru_stime, time.time() - start, usage.ru_maxrss / 1024, text


def peer(*args):
    *_, megabytes, text = run([sys.executable, __file__, "peer", *map(str, args)])
    return json.loads(text[text.rindex("{"):]), megabytes   # after what the peer itself prints


def ours(bin, solver, train, f, passes, threads, out):
    # Linux counts what a process held before exec among its peak: hence the shell between, and our own word for the figures.
    said = subprocess.run(["sh", "-c", '"$@"; exit $?', "sh", bin + "/rec-train", "-q", "--stats", "--solver", solver, "--factors", str(f),
                           "--passes", str(passes), "--threads", str(threads), "-o", out, train], check=True, capture_output=True, text=True)
    wall, cpu_seconds, megabytes = map(float, re.search(r"([\d.]+) s, ([\d.]+) s of CPU, peak memory ([\d.]+) MB", said.stderr).groups())
    return {"cpu": cpu_seconds, "wall": wall}, megabytes - os.path.getsize(train) / 2**20


def a_pass(measure, short, long, turns):
    """CPU and wall seconds of one pass: the least of some turns of a long run, less that of a short one."""
    least = {n: {"cpu": 1e9, "wall": 1e9} for n in (short, long)}
    for _ in range(turns):
        for n in least:
            seen, megabytes = measure(n)
            least[n] = {key: min(least[n][key], seen[key]) for key in seen}
    return *((least[long][key] - least[short][key]) / (long - short) for key in ("cpu", "wall")), megabytes


def speed(bin, folder, peak):
    sets = [("gowalla", 3, 1, 6, ["irspack", "implicit", "cmfrec", "irspack cholesky"])]
    if os.path.exists(folder + "/large.rec"):
        sets.append(("large", 1, 1, 2, ["irspack", "implicit"]))
    for name, turns, short, long, peers in sets:
        path, d = f"{folder}/{name}.rec", load(f"{folder}/{name}.rec")
        nnz, rows = len(d["item"]), len(d["user_ptr"]) + len(d["items.offsets"]) - 2
        print(f"\nials, one pass over {name}: {nnz} pairs; sgemm peak {peak:.0f} GFLOP/s. MB: peak, ours less the mapped input")
        print(f"{'':22} {'f':>4} {'threads':>7} {'CPU s':>8} {'wall s':>8} {'MB':>7} {'GFLOP/s':>8} {'of peak':>7}")
        for f in (64, 128):
            flops = 2 * nnz * f * f + rows * f ** 3 / 3
            todo = [("rec " + s, t, lambda n, s=s, t=t: ours(bin, s, path, f, n + 1, t, folder + "/model"))
                    for s in (("cg", "cholesky") if name == "large" else ("cg", "cholesky", "subspace")) for t in (1, 2)]
            todo += [(p, 1, lambda n, p=p: peer("implicit", p, path, f, n, 1)) for p in peers]
            for label, threads, measure in todo:
                seconds, wall, megabytes = a_pass(measure, short, long, turns)
                rate = f"{flops / seconds / 1e9:8.1f} {100 * flops / seconds / 1e9 / peak:6.0f}%" if "cholesky" in label else ""
                print(f"{label:22} {f:4} {threads:7} {seconds:8.3f} {wall:8.3f} {megabytes:7.0f} {rate}", flush=True)
    print("GFLOP/s are nominal: pairs x f^2 a side + rows x f^3/3; the dual form of short rows does fewer operations.")


def quality(bin, folder, _peak):
    print(f"\nGowalla, train+valid -> test, f = 128, {GOWALLA['passes']} passes: all items ranked, seen ones left out")
    print(f"{'':22} {'CPU s':>8} {'recall@20':>9} {'ndcg@20':>9}")
    show = lambda label, seconds, r, n: print(f"{label:22} {seconds:8.1f} {r:9.4f} {n:9.4f}", flush=True)
    train, test, model = folder + "/gowalla.rec", folder + "/gowalla-test.rec", folder + "/model"
    for label, options in (("rec, tuned", [x for k, v in GOWALLA.items() for x in ("--" + k, str(v))]), ("rec, defaults", [])):
        for f in (64, 128, 256):
            seconds = run([bin + "/rec-train", "-q", "--factors", str(f), "--threads", "1", "-o", model, *options, train])[0]
            values = json.loads(run([bin + "/rec-eval", "-q", "-k", "20", model, test])[3])
            show(f"{label}, f={f}", seconds, values["recall@20"], values["ndcg@20"])
    for name in ("irspack", "implicit"):
        out, _ = peer("implicit", name, train, 128, GOWALLA["passes"], 1, test)
        show(name + ", f=128", out["cpu"], out["recall"], out["ndcg"])


def reach(bin, folder, _peak):
    """Time to equal quality: CPU s until NDCG@20 on Gowalla's validation part is within half a per cent of the best that a peer gets to."""
    print(f"\nGowalla, train -> valid: CPU s of a training that reaches 99.5 % of a peer's best NDCG@20, by number of passes")
    print(f"{'':22} {'f':>4} {'ndcg@20':>8} {'passes':>6} {'CPU s':>7} {'rec CPU s':>9} {'rec / peer':>10} {'rec passes':>10}")
    train, valid, model = folder + "/gowalla-train.rec", folder + "/gowalla-valid.rec", folder + "/model"
    tries = (2, 3, 4, 5, 6, 8, 12)
    for f in (64, 128, 256):
        own = []
        for passes in tries:
            options = [x for k, v in {**GOWALLA, "passes": passes}.items() for x in ("--" + k, str(v))]
            seconds = run([bin + "/rec-train", "-q", "--factors", str(f), "--threads", "1", "-o", model, *options, train])[0]
            own.append((seconds, json.loads(run([bin + "/rec-eval", "-q", "-k", "20", model, valid])[3])["ndcg@20"], passes))
        for name in ("irspack", "implicit", "cmfrec"):
            seen = []
            for passes in tries:
                out, _ = peer("implicit", name, train, f, passes, 1, valid)
                seen.append((out["cpu"], out["ndcg"], passes))
            wanted = 0.995 * max(n for _, n, _ in seen)
            theirs = min(s for s in seen if s[1] >= wanted)
            ours_ = min((s for s in own if s[1] >= wanted), default=(float("nan"), 0, 0))
            print(f"{name:22} {f:4} {wanted:8.4f} {theirs[2]:6} {theirs[0]:7.2f} {ours_[0]:9.2f} {ours_[0] / theirs[0]:10.2f} {ours_[2]:10}", flush=True)


def ratings(bin, folder, _peak):
    print(f"\nals: RMSE and CPU s of training a model\n{'':22} {'ML-100K u1-u5':>22} {'MovieTweetings':>22}")
    folds = [f"u{n}" for n in range(1, 6)]

    def row(label, one):
        values = [one(part) for part in folds + ["mt"]]
        r, s = np.mean([v["rmse"] for v in values[:5]]), np.mean([v["cpu"] for v in values[:5]])
        print(f"{label:22} {r:12.4f} {s:7.2f} s {values[5]['rmse']:12.4f} {values[5]['cpu']:7.2f} s", flush=True)

    def own(model, part, *options):
        seconds = run([bin + "/rec-train", "-q", "--model", model, "--threads", "1", *options, "-o", folder + "/model",
                       f"{folder}/{part}.rec"])[0]
        return {"cpu": seconds, "rmse": json.loads(run([bin + "/rec-eval", "-q", folder + "/model", f"{folder}/{part}-test.rec"])[3])["rmse"]}

    row("rec bias", lambda part: own("bias", part))
    row("rec als", lambda part: own("als", part))
    row("rec als, f=16", lambda part: own("als", part, "--factors", "16"))
    row("cmfrec", lambda part: peer("ratings", "cmfrec", folder, part)[0])
    row("LIBMF", lambda part: peer("ratings", "libmf", folder, part)[0])


def neighbours(bin, folder, _peak):
    train, test, model = folder + "/gowalla.rec", folder + "/gowalla-test.rec", folder + "/model"
    cosine = "--keep to --damping 0 --exponent-from 0.5 --exponent-to 0.5 --shrinkage 0 --normalization 0"
    bm25 = "--keep to --weights bm25 --exponent-from 0 --exponent-to 0 --shrinkage 0 --normalization 0"
    said = lambda command: subprocess.run(["sh", "-c", '"$@"; exit $?', "sh", *command], check=True, capture_output=True, text=True)
    spent = lambda text: (*map(float, re.search(r"([\d.]+) s, ([\d.]+) s of CPU, peak memory ([\d.]+) MB", text).groups()),)
    print(f"\nGowalla, train+valid -> test: neighbours of items, 200 of each; CPU s of training and of the 20 best items for all users")
    print(f"{'':34} {'threads':>7} {'train CPU s':>11} {'wall s':>7} {'MB':>6} {'lists CPU s':>11} {'recall@20':>9} {'ndcg@20':>8}")

    def ours_(label, threads, *options):
        wall, seconds, mb = spent(said([bin + "/rec-train", "-q", "--stats", "--threads", str(threads), "--neighbours", "200", *options, "-o", model, train]).stderr)
        lists = spent(said([bin + "/rec-recommend", "-q", "--stats", "--threads", "1", "--all", "-k", "20", "-o", folder + "/lists", model]).stderr)[1]
        v = json.loads(run([bin + "/rec-eval", "-q", "-k", "20", model, test])[3])
        print(f"{label:34} {threads:7} {seconds:11.2f} {wall:7.2f} {mb:6.0f} {lists:11.2f} {v['recall@20']:9.4f} {v['ndcg@20']:8.4f}", flush=True)

    for label, options in (("rec itemknn, cosine", "--model itemknn " + cosine), ("rec itemknn, bm25", "--model itemknn " + bm25)):
        for threads in (1, 2):
            ours_(label, threads, *options.split())
    for name in ("cosine", "tf-idf", "bm25"):
        out, mb = peer("neighbours", name, train, 200, 1, test)
        print(f"{'implicit ' + name:34} {1:7} {out['cpu']:11.2f} {out['wall']:7.2f} {mb:6.0f} {out['lists']:11.2f} {out['recall']:9.4f} {out['ndcg']:8.4f}", flush=True)
    # Found on the validation part.
    for label, options in (("rec itemknn, defaults", "--model itemknn"),
                           ("rec itemknn, tuned", "--model itemknn --normalization 1 --exponent-to 0.35 --damping 0.8 --shrinkage 1"),
                           ("rec rp3beta, defaults", "--model rp3beta"), ("rec rp3beta, tuned", "--model rp3beta --normalization 1"),
                           ("rec P3alpha", "--model rp3beta --beta 0 --alpha 0.8 --normalization 0 --keep to"), ("rec userknn, defaults", "--model userknn")):
        ours_(label, 1, *options.split())


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    import train_sgd
    if sys.argv[1] == "peer":
        {"libmf": train_sgd.peer_libmf, "bpr": train_sgd.peer_bpr, "implicit": peer_implicit, "neighbours": peer_neighbours, "ratings": peer_ratings}[sys.argv[2]](*sys.argv[3:])
    else:
        sections = {"speed": speed, "quality": quality, "reach": reach, "ratings": ratings, "neighbours": neighbours, "sgd": train_sgd.sgd}
        for section in sys.argv[4:] or sections:
            sections[section](sys.argv[1], sys.argv[2], float(sys.argv[3]))
