# SPDX-License-Identifier: MIT
"""What mlflow.pyfunc loads predicts as rec-predict and recommends as rec-recommend: registry-mlflow.py NAME=MODEL...

NAME is what the registered model is called whose alias production is to be MODEL."""
import io
import subprocess
import sys

import mlflow
import numpy as np
import pandas as pd

USERS = [str(u) for u in range(1, 61)] + ["nobody", ""]


def table(command, text):
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    return pd.read_csv(io.StringIO(done.stdout), dtype={"user": str, "item": str}, keep_default_na=False)


for argument in sys.argv[1:]:
    name, path = argument.split("=")
    model = mlflow.pyfunc.load_model(f"models:/{name}@production")
    pairs = pd.DataFrame([(u, i) for u in USERS for i in ["1", "2", "7", "50", "71", "nothing"]], columns=["user", "item"])
    theirs = table(["rec-predict", "-q", path], pairs.to_csv(index=False)).prediction
    np.testing.assert_allclose(model.predict(pairs), theirs, rtol=2e-6, atol=2e-6)
    # whole numbers, other names, an array, a dict: the same
    few = pairs[pairs.user.isin(["1", "2"]) & (pairs.item != "nothing")]
    expected = model.predict(few)
    for same in (few.astype(int), {"user": few.user.tolist(), "item": few.item.tolist()}):
        np.testing.assert_array_equal(model.predict(same), expected)
    for k in (1, 10, 100000):
        theirs = table(["rec-recommend", "-q", "-k", str(k), path], "".join(u + "\n" for u in USERS if u))
        ours = model.predict(pd.DataFrame({"user": [u for u in USERS if u]}), params={"k": k})
        assert list(ours.columns) == ["user", "item", "score", "rank"]
        assert len(ours) == len(theirs), (len(ours), len(theirs))
        np.testing.assert_allclose(ours.score, theirs.score, rtol=2e-6, atol=2e-6)
        assert (ours["rank"] == theirs["rank"]).all() and (ours.user == theirs.user).all()
        # in the same order, but for neighbours whose scores are equal within rounding
        other = np.flatnonzero((ours.item != theirs.item).to_numpy())
        assert len(other) <= len(ours) // 100, len(other)
    seen = model.predict(pd.DataFrame({"user": ["1"]}), params={"k": 100000, "include_seen": True})
    assert len(seen) > len(model.predict(pd.DataFrame({"user": ["1"]}), params={"k": 100000}))
print("alike")
