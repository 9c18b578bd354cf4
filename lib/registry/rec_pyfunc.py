# SPDX-License-Identifier: MIT
"""A model of rec (rec.model/1 or /2) as a python_function of MLflow: it predicts as rec-predict does, and recommends as rec-recommend.

    model = mlflow.pyfunc.load_model("models:/rec@production")
    model.predict(pandas.DataFrame({"user": ["1", "1"], "item": ["50", "172"]}))    # a score for each pair
    model.predict(pandas.DataFrame({"user": ["1"]}), params={"k": 10})              # user, item, score, rank

Needs numpy and safetensors. A model is scored by the tensors that it has:

    score(u, i) = mean + user_bias[u] + item_bias[i] + <user_factors[u], item_factors[i]>
                + |H|^-e sum over j in H of links[j][i] + sum over (v, w) near u, v having i, of w

where H is what u has liked (all that was seen, unless the file tells them apart), e is the history_exponent, and what is absent, or unknown to the model, counts as nothing; scores that are ratings stay within those seen in training.
"""
import numpy as np
from safetensors import safe_open

_USER = ("user", "userid", "uid", "customer", "customerid")
_ITEM = ("item", "itemid", "iid", "movie", "movieid", "product", "productid")
_PART = 4096  # pairs at a time


def _text(value):
    """An id as the bytes that stand in a CSV, or None where there is none."""
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, (float, np.floating)):  # pandas makes them of whole numbers, where one is missing
        if value != value:
            return None
        if value == int(value):
            value = int(value)
    return str(value).encode()


def _flat(column):
    """A column as a list; MLflow makes one cell of a list in a dict."""
    cells = [column] if isinstance(column, (str, bytes)) or not hasattr(column, "__len__") else list(column)
    return [v for cell in cells for v in (cell if isinstance(cell, (list, tuple, np.ndarray)) else [cell])]


class _Ids:
    def __init__(self, data, offsets):
        data, offsets = data.tobytes(), offsets.tolist()
        self.names = [data[a:b] for a, b in zip(offsets, offsets[1:])]
        self.number = {name: i for i, name in enumerate(self.names)}

    def find(self, values):
        get = self.number.get
        return np.fromiter((get(_text(v), -1) for v in values), dtype=np.int64, count=len(values))


class _Rows:
    """Sparse rows: row r is index[ptr[r]:ptr[r + 1]], with weights or without."""

    def __init__(self, tensor, prefix, index):
        self.ptr, self.index, self.weight = (tensor.get(f"{prefix}_{name}") for name in ("ptr", index, "weight"))

    def __bool__(self):
        return self.ptr is not None

    def __getitem__(self, row):
        part = slice(self.ptr[row], self.ptr[row + 1])
        return self.index[part], None if self.weight is None else self.weight[part]


class Model:
    def __init__(self, path):
        with safe_open(path, framework="numpy") as file:
            meta = file.metadata() or {}
            names = set(file.keys())
            tensor = {name: file.get_tensor(name) for name in names}
        kind, _, version = meta.get("format", "").partition("/")
        if kind != "rec.model" or version not in ("1", "2"):
            raise ValueError(f"{path}: is not of format rec.model/1 or rec.model/2")
        self.type = meta["type"]
        self.mean = float(meta.get("mean", 0))
        self.low, self.high = float(meta.get("low", 0)), float(meta.get("high", 0))
        self.ratings = meta.get("scale") == "ratings"
        self.users = _Ids(tensor["users.bytes"], tensor["users.offsets"])
        self.items = _Ids(tensor["items.bytes"], tensor["items.offsets"])
        self.popularity = tensor["popularity"]
        self.seen_ptr, self.seen_item = tensor["seen_ptr"], tensor["seen_item"]
        self.history = _Rows(tensor, "liked", "item") or _Rows(tensor, "seen", "item")
        self.exponent = float(meta.get("history_exponent", 0))
        self.links, self.sparse_links, self.near = tensor.get("links"), _Rows(tensor, "link", "item"), _Rows(tensor, "near", "user")
        self.user_bias, self.item_bias = tensor.get("user_bias"), tensor.get("item_bias")
        self.user_factors, self.item_factors = tensor.get("user_factors"), tensor.get("item_factors")

    def predict(self, model_input, params=None):
        """Scores for pairs (columns user and item), or recommendations (column user alone; params k, include_seen)."""
        users, items = self._columns(model_input)
        if items is not None:
            return self.scores(users, items)
        params = params or {}
        return self.recommend(users, int(params.get("k", 10)), bool(params.get("include_seen", False)))

    @staticmethod
    def _columns(model_input):
        if isinstance(model_input, dict) or hasattr(model_input, "columns"):
            names = {str(name).replace("_", "").lower(): name for name in (model_input if isinstance(model_input, dict) else model_input.columns)}
            user = next((names[n] for n in _USER if n in names), None)
            item = next((names[n] for n in _ITEM if n in names), None)
            if user is None:
                raise ValueError("no column user")
            columns = [model_input[user], None if item is None else model_input[item]]
        else:
            table = np.asarray(model_input, dtype=object)
            table = table.reshape(-1, 1) if table.ndim < 2 else table
            columns = [table[:, 0], table[:, 1] if table.shape[1] > 1 else None]
        users, items = (None if c is None else _flat(c) for c in columns)
        if items is not None and len(items) != len(users):
            raise ValueError(f"{len(users)} users and {len(items)} items")
        return users, items

    def scores(self, users, items):
        users, items = self.users.find(users), self.items.find(items)
        known_user, known_item = users >= 0, items >= 0
        score = np.full(len(users), self.mean)
        if self.user_bias is not None:
            score[known_user] += self.user_bias[users[known_user]]
        if self.item_bias is not None:
            score[known_item] += self.item_bias[items[known_item]]
        if self.user_factors is not None and self.item_factors is not None:
            both = np.flatnonzero(known_user & known_item)
            for part in (both[i : i + _PART] for i in range(0, len(both), _PART)):
                score[part] += np.einsum("ij,ij->i", self.user_factors[users[part]], self.item_factors[items[part]], dtype=np.float64)
        if self._linked:
            for user in np.unique(users[known_user & known_item]):
                rows = np.flatnonzero((users == user) & known_item)
                score[rows] += self._from_history(user)[items[rows]]
        if self.ratings:
            score = np.clip(score, self.low, self.high)
        return score.astype(np.float32)

    @property
    def _linked(self):
        return self.links is not None or bool(self.sparse_links) or bool(self.near)

    def _from_history(self, user):
        """What links and neighbours add to the score of each item."""
        score = np.zeros(len(self.items.names))
        history = self.history[user][0]
        for item in history if self.sparse_links else ():
            to, weight = self.sparse_links[item]
            score[to] += weight
        if self.links is not None:
            score += self.links[history].sum(axis=0, dtype=np.float64)
        if len(history):
            score *= len(history) ** -self.exponent
        if self.near:
            for other, weight in zip(*self.near[user]):
                score[self.history[other][0]] += weight
        return score

    def _known(self, user):
        if user < 0:
            return False
        if self._linked:
            history = self.history[user][0]
            ptr = self.sparse_links.ptr
            if (self.links is not None and len(history)) or (self.near and len(self.near[user][0])) or (
                    self.sparse_links and np.any(ptr[history + 1] > ptr[history])):
                return True
            if self.user_factors is None:
                return False
        if self.user_factors is None:
            return self.seen_ptr[user + 1] > self.seen_ptr[user]
        return bool(np.any(self.user_factors[user]))

    def _list(self, user, k, include_seen):
        """Numbers and scores of the k best items, by score and then by number."""
        add = np.float32(0)
        if not self._known(user):  # of whom nothing was learnt: the most popular
            score = self.popularity
        else:
            add = np.float32(self.mean + (0.0 if self.user_bias is None else float(self.user_bias[user])))
            if self.user_factors is not None:
                score = self.item_factors @ self.user_factors[user]
                if self.item_bias is not None:
                    score = score + self.item_bias
            elif self._linked:
                score = np.zeros(len(self.items.names)) if self.item_bias is None else self.item_bias
            else:
                score = self.popularity if self.item_bias is None else self.item_bias
            if self._linked:
                score = (score + self._from_history(user)).astype(np.float32)
        allowed = np.ones(len(self.items.names), dtype=bool)
        if user >= 0 and not include_seen:
            allowed[self.seen_item[self.seen_ptr[user] : self.seen_ptr[user + 1]]] = False
        items = np.flatnonzero(allowed)
        if len(items) > k > 0:  # all that are as good as the k-th, or better
            least = np.partition(score[items], len(items) - k)[len(items) - k]
            items = items[score[items] >= least]
        items = items[np.argsort(-score[items], kind="stable")][:k]
        return items, score[items].astype(np.float32) + add

    def recommend(self, users, k=10, include_seen=False):
        if k < 1:
            raise ValueError(f"k: {k} is less than 1")
        rows = {"user": [], "item": [], "score": [], "rank": []}
        for name, user in zip(users, self.users.find(users)):
            items, scores = self._list(int(user), k, include_seen)
            rows["user"] += [(_text(name) or b"").decode(errors="replace")] * len(items)
            rows["item"] += [self.items.names[i].decode(errors="replace") for i in items]
            rows["score"] += scores.tolist()
            rows["rank"] += range(1, len(items) + 1)
        try:
            import pandas
        except ImportError:
            return {name: np.array(column) for name, column in rows.items()}
        return pandas.DataFrame(rows)


def _load_pyfunc(path):
    return Model(path)
