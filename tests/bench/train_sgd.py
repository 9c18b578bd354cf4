# SPDX-License-Identifier: MIT
"""The section sgd of tests/bench/train: rec-train --model sgd against LIBMF, and --model bpr against implicit's.

LIBMF is built from the C++ sources of its Python package for this processor, with its AVX code, and called without the package's parsing; where that cannot be
done, the package's own build serves. Its time is that of mf_train alone; ours is that of rec-train from start to end, model written.
"""
import ctypes
import glob
import json
import os
import re
import subprocess
import sys
import time

import numpy as np

from train import cpu, csr, load, peer, rank_by_test, run


class Parameter(ctypes.Structure):
    _fields_ = [(n, ctypes.c_int) for n in ("fun", "k", "nr_threads", "nr_bins", "nr_iters")] + \
               [(n, ctypes.c_float) for n in ("lambda_p1", "lambda_p2", "lambda_q1", "lambda_q2", "eta")] + \
               [(n, ctypes.c_bool) for n in ("do_nmf", "quiet", "copy_data")]


class Problem(ctypes.Structure):
    _fields_ = [("m", ctypes.c_int), ("n", ctypes.c_int), ("nnz", ctypes.c_longlong), ("R", ctypes.c_void_p)]


class Model(ctypes.Structure):
    _fields_ = [(n, ctypes.c_int) for n in ("fun", "m", "n", "k")] + [("b", ctypes.c_float)] + \
               [(n, ctypes.POINTER(ctypes.c_float)) for n in "PQ"]


def build_libmf(folder):
    """The path of LIBMF as a shared library, and how it was built."""
    path = folder + "/libmf.so"
    try:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "--no-build-isolation", "-d", folder, "libmf==0.9.2"]
        subprocess.run(pip, check=True, capture_output=True)
        subprocess.run(["tar", "xzf", glob.glob(folder + "/libmf-*.tar.gz")[0], "-C", folder], check=True)
        subprocess.run(["g++", "-O3", "-march=native", "-DUSEAVX", "-std=c++11", "-fPIC", "-shared", "-pthread", "-o", path,
                        *glob.glob(folder + "/libmf-*/src_cpp/*.cpp")], check=True, capture_output=True)
        return path, "-O3 -march=native -DUSEAVX"
    except (OSError, IndexError, subprocess.CalledProcessError):
        import libmf
        return glob.glob(os.path.dirname(os.path.dirname(libmf.__file__)) + "/libmf*.so")[0], "as the Python package builds it"


def nodes(d):
    out = np.empty(len(d["item"]), dtype=[("u", "<i4"), ("v", "<i4"), ("r", "<f4")])
    out["u"] = np.repeat(np.arange(len(d["user_ptr"]) - 1), np.diff(d["user_ptr"]))
    out["v"], out["r"] = d["item"], d["value"]
    return out


def peer_libmf(library, path, k, passes, threads, penalty, test=None):
    """The parts of rec-split have the same tables of ids, which is why numbers do."""
    lib, d = ctypes.CDLL(library), load(path)
    lib.mf_train.restype, lib.mf_train.argtypes = ctypes.POINTER(Model), [ctypes.POINTER(Problem), Parameter]
    r = nodes(d)
    users, items = len(d["user_ptr"]) - 1, len(d["items.offsets"]) - 1
    problem = Problem(users, items, len(r), r.ctypes.data)
    start, wall = cpu(), time.time()
    model = lib.mf_train(problem, Parameter(0, int(k), int(threads), max(20, 2 * int(threads)), int(passes), 0, float(penalty), 0, float(penalty),
                                            0.1, False, True, False)).contents
    out = {"cpu": cpu() - start, "wall": time.time() - wall}
    if test:
        t = nodes(load(test))
        p, q = (np.ctypeslib.as_array(a, (n * model.k,)).reshape(n, model.k) for a, n in ((model.P, users), (model.Q, items)))
        guess = np.concatenate([np.einsum("nk,nk->n", p[x["u"]], q[x["v"]]) for x in np.array_split(t, max(1, len(t) // 100000))])
        guess = np.clip(np.where(np.isnan(guess), r["r"].mean(), guess), r["r"].min(), r["r"].max())
        out["rmse"] = float(np.sqrt(np.mean((guess.astype(float) - t["r"]) ** 2)))
    print(json.dumps(out))


def peer_bpr(path, k, passes, threads, test=None):
    from implicit.bpr import BayesianPersonalizedRanking
    x = csr(path).copy()  # of its own: it may not be read-only
    model = BayesianPersonalizedRanking(factors=int(k), iterations=int(passes), num_threads=int(threads), random_state=1)
    start, wall = cpu(), time.time()
    model.fit(x, show_progress=False)
    out = {"cpu": cpu() - start, "wall": time.time() - wall}
    if test:
        out["recall"], out["ndcg"] = rank_by_test(np.asarray(model.user_factors), np.asarray(model.item_factors), x, path, test)
    print(json.dumps(out))


def ours(bin, folder, model, path, *options, test=None):
    said = subprocess.run(["sh", "-c", '"$@"; exit $?', "sh", bin + "/rec-train", "-q", "--stats", "--model", model, "-o", folder + "/model", *options, path],
                          check=True, capture_output=True, text=True)
    wall, seconds = map(float, re.search(r"([\d.]+) s, ([\d.]+) s of CPU", said.stderr).groups())
    out = {"cpu": seconds, "wall": wall}
    if test:
        out.update(json.loads(run([bin + "/rec-eval", "-q", "-k", "20", folder + "/model", test])[3]))
    return out


def a_pass(one, turns, short=1, long=4):
    """CPU and wall seconds of a pass."""
    least = {n: {"cpu": 1e9, "wall": 1e9} for n in (short, long)}
    for _ in range(turns):
        for n in least:
            seen = one(n)
            least[n] = {key: min(least[n][key], seen[key]) for key in ("cpu", "wall")}
    return tuple((least[long][key] - least[short][key]) / (long - short) for key in ("cpu", "wall"))


def rates(bin, folder, library, path):
    nnz = len(load(path)["item"])
    print(f"{'':10} {'k':>4} {'threads':>7} {'M ratings/CPU s':>15} {'M ratings/s':>12} {'ratio, CPU':>10} {'wall':>6}")
    for k in (32, 64, 128):
        for threads in (1, 2):
            a = a_pass(lambda n: peer("libmf", library, path, k, n, threads, 0.1)[0], 2)
            b = a_pass(lambda n: ours(bin, folder, "sgd", path, "--factors", str(k), "--passes", str(n), "--threads", str(threads)), 2)
            for label, x, ratio in (("LIBMF", a, ""), ("rec sgd", b, f"{a[0] / b[0]:10.2f} {a[1] / b[1]:6.2f}")):
                print(f"{label:10} {k:4} {threads:7} {nnz / x[0] / 1e6:15.1f} {nnz / x[1] / 1e6:12.1f} {ratio}", flush=True)


def to_equal_rmse(bin, folder, library, name, path, test, k, penalty, options):
    """Passes of both, and at what time we are where LIBMF ends best."""
    steps = (1, 2, 4, 8, 12, 20, 30)
    theirs = [peer("libmf", library, path, k, n, 1, penalty, test)[0] for n in steps]
    mine = [ours(bin, folder, "sgd", path, "--factors", str(k), "--passes", str(n), "--threads", "1", *options, test=test) for n in steps]
    print(f"\n{name}, k = {k}, one thread: RMSE and CPU s after so many passes")
    for n, a, b in zip(steps, theirs, mine):
        print(f"{n:4}  LIBMF {a['rmse']:.4f} {a['cpu']:7.2f} s   rec sgd {b['rmse']:.4f} {b['cpu']:7.2f} s", flush=True)
    best = min(theirs, key=lambda a: a["rmse"])
    reached = [b["cpu"] for b in mine if b["rmse"] <= best["rmse"]]
    print(f"LIBMF's best {best['rmse']:.4f} after {best['cpu']:.2f} s; rec sgd is there after " +
          (f"{reached[0]:.2f} s, {best['cpu'] / reached[0]:.1f} times as fast" if reached else "more passes than these"))


def bpr(bin, folder):
    train, valid = folder + "/gowalla-train.rec", folder + "/gowalla-valid.rec"
    nnz = len(load(train)["item"])
    print(f"\nbpr, Gowalla train -> valid, f = 64\n{'':14} {'passes':>6} {'CPU s':>7} {'M pairs/CPU s':>13} {'recall@20':>9} {'ndcg@20':>8}")
    for passes in (60, 100):
        a = peer("bpr", train, 64, passes, 1, valid)[0]
        b = ours(bin, folder, "bpr", train, "--factors", "64", "--passes", str(passes), "--threads", "1", test=valid)
        for label, x, r, n in (("implicit", a, a["recall"], a["ndcg"]), ("rec bpr", b, b["recall@20"], b["ndcg@20"])):
            print(f"{label:14} {passes:6} {x['cpu']:7.2f} {nnz * passes / x['cpu'] / 1e6:13.1f} {r:9.4f} {n:8.4f}", flush=True)


def sgd(bin, folder, _peak):
    library, how = build_libmf(folder)
    print(f"\nsgd against LIBMF ({how})")
    large = folder + "/large-sgd.rec"
    if os.path.exists(large):
        rates(bin, folder, library, large)
        to_equal_rmse(bin, folder, library, "20 million made-up ratings, 1 % of them held out", large, folder + "/large-sgd-test.rec", 32, 0.05, [])
    to_equal_rmse(bin, folder, library, "ML-100K, random 80/20", folder + "/ml.rec", folder + "/ml-test.rec", 32, 0.1, [])
    to_equal_rmse(bin, folder, library, "MovieTweetings, random 90/10", folder + "/mt.rec", folder + "/mt-test.rec", 32, 0.1, [])
    bpr(bin, folder)
