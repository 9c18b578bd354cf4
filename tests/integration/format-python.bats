#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The safetensors package reads what we write and writes what we read; the Python of rec-format(5) does what the page says.
bats_require_minimum_version 1.5.0

load ../helper
setup() {
    rec_setup
    need_python
}

# page N: the N-th display of the EXAMPLES of rec-format(5)
page() {
    awk -v n="$1" '/^\.Sh EXAMPLES/ { on = 1 } /^\.Ed/ { shown = 0 } shown { gsub(/\\e/, "\\"); print }
        on && /^\.Bd/ { shown = ++k == n }' "$ROOT/man/rec-format.5"
}

@test "the package reads ratings and models, and finds in them what the CSV says" {
    rec-synth -q --users 200 --items 150 --ratings 4000 --format rec -o ratings.rec
    rec-train -q --model ials --factors 8 -o model.rec ratings.rec
    rec-cat ratings.rec >ratings.csv
    rec-cat model.rec >model.csv
    cat >check.py <<'END'
import csv
import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

t = load_file("ratings.rec")
def ids(t, name):
    b, o = t[name + ".bytes"].tobytes(), t[name + ".offsets"]
    return [b[o[i]:o[i + 1]].decode() for i in range(len(o) - 1)]
users, items = ids(t, "users"), ids(t, "items")
assert users == sorted(users) and items == sorted(items)
rows = list(csv.DictReader(open("ratings.csv")))
assert len(rows) == len(t["item"]) == 4000
u = np.repeat(np.arange(len(users)), np.diff(t["user_ptr"]))
for p, row in enumerate(rows):
    assert row["userId"] == users[u[p]] and row["itemId"] == items[t["item"][p]]
    assert np.float32(row["rating"]) == t["value"][p] and int(row["timestamp"]) == t["time"][p]
with safe_open("model.rec", "numpy") as f:
    assert f.metadata()["format"] == "rec.model/1" and f.metadata()["type"] == "ials"
m = load_file("model.rec")
rows = [r for r in csv.DictReader(open("model.csv")) if r["table"] == "item"]
assert [r["id"] for r in rows] == ids(m, "items")
got = np.array([[r["f%d" % k] for k in range(8)] for r in rows], dtype=np.float32)
assert (got == m["item_factors"]).all()
assert all(m[k].flags.aligned for k in m)
END
    "$PYTHON" check.py
}

@test "we read what the package writes, in any order, with or without metadata" {
    "$PYTHON" - <<'END'
import numpy as np
from safetensors.numpy import save_file
def table(name, ids):
    ids = sorted(i.encode() for i in ids)
    return {name + ".bytes": np.frombuffer(b"".join(ids), np.uint8),
            name + ".offsets": np.cumsum([0] + [len(i) for i in ids])}
rng = np.random.default_rng(1)
users, items = ["u%d" % i for i in range(50)], ["größe %d" % i for i in range(40)]
dense = np.where(rng.random((50, 40)) < 0.2, rng.integers(1, 11, (50, 40)) / 2, 0).astype(np.float32)
r, c = dense.nonzero()
save_file({"value": dense[r, c], "item": c.astype(np.int32), "user_ptr": np.searchsorted(r, np.arange(51)),
           **table("items", items), **table("users", users)}, "r.rec", {"format": "rec.ratings/1", "note": 'ours: "quoted"\n'})
np.savetxt("want.csv", np.column_stack([np.array(sorted(users))[r], np.array(sorted(items, key=str.encode))[c],
                                        ["%g" % v for v in dense[r, c]]]), fmt="%s", delimiter=",", encoding="utf-8")
save_file({"half": np.ones((2, 3), np.float16), "flag": np.array([True, False]), "none": np.zeros((0, 4)), "one": np.array(7)}, "other.safetensors")
END
    rec-cat --no-header r.rec >got.csv
    diff want.csv got.csv
    run -0 rec-info r.rec
    grep -q 'checksum   none there' <<<"$output"
    rec-train -q --model bias r.rec | rec-info >/dev/null
    run -0 rec-info other.safetensors
    grep -q 'half *F16  \[2, 3\], 12 bytes' <<<"$output"
    grep -q 'none *F64  \[0, 4\], 0 bytes' <<<"$output"
    [ "$(rec-cat --tensor one other.safetensors)" = $'one\n7' ]
    refuses 1 'other.safetensors: a safetensors file that does not say' rec-split other.safetensors
}

@test "the Python of rec-format(5) reads ratings" {
    rec-synth -q --users 200 --items 150 --ratings 4000 --format rec -o ratings.rec
    page 1 >read.py
    echo 'assert R.nnz == 4000 and R.shape == (len(users), len(items)) and abs(R.data.sum() - t["value"].sum()) < 1' >>read.py
    "$PYTHON" read.py
}

@test "the Python of rec-format(5) checks files, and finds damage" {
    rec-synth -q --users 100 --items 100 --ratings 1000 --format rec -o r.rec
    rec-train -q --model bias -o m.rec r.rec
    page 2 >check.py
    [ "$("$PYTHON" check.py r.rec)" = "rec.ratings/1 is whole" ]
    [ "$("$PYTHON" check.py m.rec)" = "rec.model/1 is whole" ]
    printf x | dd of=r.rec bs=1 seek=5000 conv=notrunc status=none
    run -1 "$PYTHON" check.py r.rec
    [[ $output == *AssertionError* ]]
}

@test "the Python of rec-format(5) makes a file that the tools read" {
    page 3 >make.py
    "$PYTHON" make.py
    run -0 rec-cat made.rec
    [ "$output" = "userId,itemId,rating
ann,x,4
ann,z,3.5
bob,y,5" ]
    rec-train -q --model popular made.rec | rec-info >/dev/null
}
