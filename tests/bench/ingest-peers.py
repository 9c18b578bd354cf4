# SPDX-License-Identifier: MIT
"""ingest-peers.py PEER FILE: read userId,movieId,rating,timestamp as a user of that library would, to CSR by user.

Less work than rec-ingest's: ids become dense numbers in order, values a scipy CSR matrix. Ids are read as numbers, which is cheaper
than the strings that rec-ingest keeps; times are read, but not put in the order of the rows. With "polars-sorted" rows are in
the order of their items, and times too: what rec-ingest writes, but for the strings.
"""
import sys

import numpy as np
import scipy.sparse as sp

peer, path = sys.argv[1:3]
NAMES = ["userId", "movieId", "rating", "timestamp"]


def csr(users, items, values):
    def dense(ids):
        seen = np.zeros(int(ids.max()) + 1, np.int32)
        seen[ids] = 1
        return (np.cumsum(seen, dtype=np.int32) - 1)[ids]

    return sp.csr_matrix((values, (dense(users), dense(items))))


if peer.startswith("polars"):
    import polars as pl

    types = {"userId": pl.Int32, "movieId": pl.Int32, "rating": pl.Float32, "timestamp": pl.Int64}
    frame = pl.read_csv(path, schema_overrides=types)
    if peer == "polars-sorted":
        frame = frame.sort("userId", "movieId")
    columns = [frame[n].to_numpy() for n in NAMES]
elif peer == "pandas":
    import pandas as pd

    types = {"userId": np.int32, "movieId": np.int32, "rating": np.float32, "timestamp": np.int64}
    frame = pd.read_csv(path, dtype=types)
    columns = [frame[n].to_numpy() for n in NAMES]
elif peer == "duckdb":
    import duckdb

    types = "{'userId': 'INTEGER', 'movieId': 'INTEGER', 'rating': 'FLOAT', 'timestamp': 'BIGINT'}"
    frame = duckdb.sql(f"select * from read_csv('{path}', columns={types}, header=true)").fetchnumpy()
    columns = [frame[n] for n in NAMES]
else:
    raise SystemExit(f"no peer {peer}")
print(csr(*columns[:3]).nnz, file=sys.stderr)
