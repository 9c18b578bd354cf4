#!/usr/bin/env bats
# SPDX-License-Identifier: MIT

load ../helper
setup() {
    rec_setup
    SAMPLE=$ROOT/data/sample
}

make_files() {
    rec-ingest -q "$SAMPLE/ratings.csv" >all.rec
    # 15 films nobody rated, and some that the catalogue does not know
    awk -F, 'NR == 1 || ($2 > 15 && $2 < 480)' "$SAMPLE/ratings.csv" | rec-ingest -q >r.rec
    head -n 451 "$SAMPLE/movies.csv" | tee m.csv | rec-ingest -q --movies >m.rec
}

@test "columns are what the page says, computed anew from the CSV" {
    need_python
    make_files
    rec-features -q --catalogue m.rec r.rec >f.rec
    rec-cat r.rec >r.csv
    "$PYTHON" - <<'PY'
import collections, csv, datetime, re
import numpy as np
from safetensors.numpy import load_file
t = load_file("f.rec")
def ids(name):
    b, o = t[name + ".bytes"].tobytes(), t[name + ".offsets"]
    return [b[o[i]:o[i + 1]].decode() for i in range(len(o) - 1)]
items, users, ic, uc = ids("items"), ids("users"), ids("item_columns"), ids("user_columns")
R = [(r["userId"], r["itemId"], float(r["rating"]), int(r["timestamp"])) for r in csv.DictReader(open("r.csv"))]
M = {m["movieId"]: m for m in csv.DictReader(open("m.csv", newline=""))}
year = {i: int(re.search(r"\((\d{4})\)$", m["title"])[1]) for i, m in M.items()}
assert items == sorted({r[1] for r in R} | set(M), key=str.encode) and users == sorted({r[0] for r in R})
genres = sorted({g for m in M.values() for g in m["genres"].split("|")})
new, old, mean = max(r[3] for r in R), min(r[3] for r in R), np.mean([r[2] for r in R])
by_item, by_user = collections.defaultdict(list), collections.defaultdict(list)
for u, i, v, s in R:
    by_item[i].append((v, s, u))
    by_user[u].append((v, s, i))
counts = [len(by_item[i]) for i in items]

def common(rows):
    v, s = [r[0] for r in rows], [r[1] for r in rows] or [old]
    return {"count": len(rows), "log_count": np.log1p(len(rows)), "share": len(rows) / len(R), "mean": np.mean(v) if v else mean,
            "std": np.std(v) if v else 0, "days_since_first": (new - min(s)) / 86400, "days_since_last": (new - max(s)) / 86400,
            "days_active": (max(s) - min(s)) / 86400}

def item(i):
    f = common(by_item[i])
    y = year.get(i, 0)
    f.update(rank=1 + sum(c > len(by_item[i]) for c in counts), year=y, year_known=int(y > 0), decade=y // 10 * 10,
             age=datetime.datetime.fromtimestamp(new, datetime.UTC).year - y if y else 0)
    f.update({"genre=" + g: int(i in M and g in M[i]["genres"].split("|")) for g in genres})
    return f

def user(u):
    rows = by_user[u]
    f = common(rows)
    f["mean_log_count"] = np.mean([np.log1p(len(by_item[i])) for _, _, i in rows])
    for g in genres:
        d = [v - f["mean"] for v, _, i in rows if i in M and g in M[i]["genres"].split("|")]
        f["share=" + g], f["affinity=" + g] = len(d) / len(rows), sum(d) / (len(d) + 5)
    return f

for names, rows, columns, of, table in (("item", items, ic, item, t["item_dense"]), ("user", users, uc, user, t["user_dense"])):
    assert table.shape == (len(rows), len(columns)) and columns == sorted(columns, key=str.encode)
    for k, row in enumerate(rows):
        want = of(row)
        assert set(want) == set(columns), set(want) ^ set(columns)
        np.testing.assert_allclose(table[k], [want[c] for c in columns], rtol=1e-5, atol=1e-6, err_msg=f"{names} {row} {columns}")
assert sum(c == 0 for c in counts) > 10 and len(set(items) - set(M)) > 10
PY
}

@test "words of titles have the weights of their definition" {
    need_python
    make_files
    for o in '' '--no-stop-words --min-df 1 --max-df 1' '--min-df 3 --max-df 0.02'; do
        # shellcheck disable=SC2086 # options are words
        rec-features -q $o --catalogue m.rec r.rec >f.rec
        "$PYTHON" - "$o" <<'PY'
import collections, csv, math, re, sys, unicodedata
import numpy as np
from safetensors.numpy import load_file
t = load_file("f.rec")
def ids(name):
    b, o = t[name + ".bytes"].tobytes(), t[name + ".offsets"]
    return [b[o[i]:o[i + 1]].decode() for i in range(len(o) - 1)]
o = sys.argv[1]
min_df = int((re.search(r"min-df (\d+)", o) or [0, 2])[1])
max_df = float((re.search(r"max-df (\S+)", o) or [0, 0.5])[1])
stop = set() if "no-stop" in o else set("""a an and at by das de del der des die du el for from i il in is la las le les lo los no of
on or part the to und vs with y""".split())
M = {m["movieId"]: re.sub(r" ?\(\d{4}\)$", "", m["title"]) for m in csv.DictReader(open("m.csv", newline="", encoding="utf-8"))}
def words(title):
    title = "".join(c.lower() if len(c.lower()) == 1 else c for c in re.sub("['’]", "", title))
    title = "".join(c if unicodedata.category(c)[0] in "LM" or unicodedata.category(c) == "Nd" else " " for c in title)
    return [w for w in title.split() if len(w.encode()) > 1 and w not in stop]
W = {i: collections.Counter(words(x)) for i, x in M.items()}
df = collections.Counter(w for c in W.values() for w in c)
terms = sorted((w for w in df if min_df <= df[w] <= max_df * len(M)), key=str.encode)
assert ids("terms") == terms, set(ids("terms")) ^ set(terms)
idf = {w: math.log((1 + len(M)) / (1 + df[w])) + 1 for w in terms}
np.testing.assert_allclose(t["term_idf"], [idf[w] for w in terms], rtol=1e-6)
for k, i in enumerate(ids("items")):
    row = {terms[t["title_term"][p]]: t["title_weight"][p] for p in range(t["title_ptr"][k], t["title_ptr"][k + 1])}
    want = {w: n * idf[w] for w, n in W.get(i, {}).items() if w in idf}
    length = math.sqrt(sum(x * x for x in want.values()))
    assert set(row) == set(want), (i, row, want)
    for w in want:
        assert abs(row[w] - want[w] / length) < 1e-6
PY
    done
}

@test "without a catalogue, and without times" {
    printf '%s\n' userId,movieId,rating a,x,3 a,y,5 b,x,4 | rec-ingest -q >r.rec
    rec-features -q r.rec >f.rec
    [ "$(rec-cat --ids item_columns f.rec | tr '\n' ' ')" = 'count log_count mean rank share std ' ]
    [ "$(rec-cat --ids user_columns f.rec | tr '\n' ' ')" = 'count log_count mean mean_log_count share std ' ]
    [ "$(rec-cat f.rec | sed -n 2p | cut -d, -f1,2,4,5,7)" = x,2,3.5,1,0.5 ]
}

@test "only the most common genres get columns" {
    make_files
    rec-features -q --max-genres 2 --catalogue m.rec r.rec >f.rec
    [ "$(rec-cat --ids item_columns f.rec | grep -c '^genre=')" -eq 2 ]
    rec-cat --ids item_columns f.rec | grep -qx genre=Drama
    rec-features -q --max-genres 0 --catalogue m.rec r.rec >f.rec
    [ "$(rec-cat --ids user_columns f.rec | grep -c '=')" -eq 0 ]
}

@test "the same input gives the same bytes; history names what mattered" {
    make_files
    rec-features -q --catalogue m.rec r.rec >f.rec
    rec-features -q --catalogue m.rec <r.rec | cmp - f.rec
    rec-info f.rec | grep -qE 'rec-features [0-9.]+ min-df=2 max-df=0.5 stop-words=true max-genres=100 input=crc32c:[0-9a-f]{8} input='
    rec-features -q r.rec >g.rec
    rec-info g.rec | grep -qE 'rec-features [0-9.]+ input=crc32c:[0-9a-f]{8}$'
}

@test "damage, wrong kinds and outputs that cannot be written" {
    make_files
    refuses 1 '^rec-features: r.rec: .*rec.catalogue' rec-features --catalogue r.rec r.rec
    refuses 1 '^rec-features: m.rec: .*rec.ratings' rec-features m.rec
    refuses 1 '^rec-features: nowhere: no such file' rec-features --catalogue nowhere r.rec
    head -c 5000 r.rec >short.rec
    refuses 1 '^rec-features: short.rec: ' rec-features short.rec
    refuses 2 '^rec-features: --max-df: ' rec-features --max-df 2 r.rec
    run -1 bash -c 'rec-features -q r.rec >/dev/full'
}
