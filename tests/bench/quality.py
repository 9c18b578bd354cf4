# SPDX-License-Identifier: MIT
"""What tests/bench/quality runs: our models and peers on the same pairs, and the tables."""
import json
import sys
import warnings

from train import GOWALLA, peer, run

# What validation found for Gowalla (train -> valid); None: the defaults.
TUNED = {
    "popular": [{}],
    "itemknn": [{}],
    "rp3beta": [{}],
    "ials": [{"factors": f, **GOWALLA} for f in (64, 128, 256)] + [{}],
    "gfcf": [{"factors": 600, "low-pass": 0.1, "low-pass-tilt": 0.5, "neighbours": 200}, {}],
    "bspm": [{"factors": 600, "low-pass": 0.1, "low-pass-tilt": 0.5, "sharpen-time": 0.3, "neighbours": 200}, {}],
}
EASE = {"regularization": 200, "user-exponent": 0.3}
# A sum whose weights are fitted on the validation part, with models of the training part; these parts of it did best there of those that were tried.
SUM = [("bspm", TUNED["bspm"][0]), ("bspm", {}), ("ials", {"factors": 256, **GOWALLA}),
       ("itemknn", {"normalization": 1, "exponent-to": 0.35, "damping": 0.8, "shrinkage": 1})]


def words(options):
    return [word for key, value in options.items() for word in ("--" + key, str(value))]


def ours(bin, model, options, train, test, out):
    """CPU seconds of training, recall@20, ndcg@20."""
    seconds = run([bin + "/rec-train", "-q", "--threads", "1", "--model", model, *words(options), "-o", out, train])[0]
    values = json.loads(run([bin + "/rec-eval", "-q", "-k", "20", out, test])[3])
    return seconds, values["recall@20"], values["ndcg@20"]


def show(label, seconds, recall, ndcg, parameters):
    print(f"{label:12} {seconds:8.1f} {recall:9.4f} {ndcg:9.4f}  {parameters}", flush=True)


def hybrid(bin, folder):
    """CPU seconds of all that is trained and fitted, recall@20, ndcg@20: weights from the validation part, then parts trained on all."""
    seconds, out = 0, folder + "/hybrid.rec"
    for ratings in ("gowalla-train", "gowalla"):
        parts = [f"{folder}/{ratings}-part{n}.rec" for n in range(len(SUM))]
        for part, (model, options) in zip(parts, SUM):
            seconds += run([bin + "/rec-train", "-q", "--threads", "1", "--model", model, *words(options), "-o", part, f"{folder}/{ratings}.rec"])[0]
        of = [word for part in parts for word in ("--of", part)]
        if ratings == "gowalla-train":
            weights = ["--weights-of", folder + "/weights.rec"]
            seconds += run([bin + "/rec-train", "-q", "--model", "hybrid", *of, "-o", weights[1], folder + "/gowalla-train-test.rec"])[0]
    seconds += run([bin + "/rec-train", "-q", "--model", "hybrid", *of, *weights, "-o", out])[0]
    values = json.loads(run([bin + "/rec-eval", "-q", "-k", "20", out, folder + "/gowalla-test.rec"])[3])
    return seconds, values["recall@20"], values["ndcg@20"]


def gowalla(bin, folder, ease):
    print(f"\nGowalla, train+valid -> test, one thread: all items ranked, seen ones left out\n{'':12} {'CPU s':>8} {'recall@20':>9} {'ndcg@20':>9}")
    train, test, out = folder + "/gowalla.rec", folder + "/gowalla-test.rec", folder + "/model"
    for model, variants in ({**TUNED, "ease": [EASE]} if ease else TUNED).items():
        for options in variants:
            show(model, *ours(bin, model, options, train, test, out), " ".join(words(options)) or "defaults")
    show("hybrid", *hybrid(bin, folder), " + ".join(model for model, _ in SUM) + ", weights by validation, trained twice")
    for name, factors in (("irspack", 128), ("irspack", 256), ("implicit", 128)):
        seen, _ = peer("implicit", name, train, factors, GOWALLA["passes"], 1, test)
        show(name, seen["cpu"], seen["recall"], seen["ndcg"], f"iALS, {factors} factors, tuned")


def validation(bin, folder, _ease):
    print("\nDefaults, on what was held out of the training data: recall@20 and ndcg@20")
    print(f"{'':12} {'ML-100K':>17} {'MovieTweetings':>17} {'Gowalla':>17}")
    for model in (*TUNED, "ease"):
        line = f"{model:12}"
        for part in ("ml", "mt", "gowalla-train"):
            if model == "ease" and part == "gowalla-train":
                continue
            _, recall, ndcg = ours(bin, model, {}, f"{folder}/{part}.rec", f"{folder}/{part}-test.rec", folder + "/model")
            line += f" {recall:8.4f} {ndcg:8.4f}"
        print(line, flush=True)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    sections = {"gowalla": gowalla, "validation": validation}
    named = [name for name in sys.argv[3:] if name != "--ease"]
    for section in named or sections:
        sections[section](sys.argv[1], sys.argv[2], "--ease" in sys.argv)
