#!/usr/bin/env bats
# SPDX-License-Identifier: MIT

load ../helper
setup() { rec_setup; }

@test "exactly so many ratings, half stars, no duplicates, sorted as MovieLens sorts" {
    rec-synth --users 300 --items 200 --ratings 9000 >r.csv
    [ "$(head -1 r.csv)" = userId,movieId,rating,timestamp ]
    tail -n +2 r.csv >rows
    [ "$(wc -l <rows)" -eq 9000 ]
    [ "$(cut -d, -f1 rows | sort -u | wc -l)" -eq 300 ]
    [ "$(cut -d, -f1,2 rows | sort -u | wc -l)" -eq 9000 ]
    sort -t, -k1,1n -k2,2n -c rows
    awk -F, '$1 < 1 || $1 > 300 || $2 < 1 || $2 > 200 || $3 !~ /^([0-4]\.5|[1-5]\.0)$/ { print; bad = 1 } END { exit bad }' rows
    awk -F, '$4 < 1104537600 || $4 > 1735603200 { print; bad = 1 } END { exit bad }' rows
}

@test "the same seed gives the same bytes whatever the threads; another seed others" {
    rec-synth --users 500 --items 300 --ratings 20000 --threads 1 >a
    rec-synth --users 500 --items 300 --ratings 20000 --threads 5 >b
    cmp a b
    rec-synth --users 500 --items 300 --ratings 20000 --seed 43 >c
    run ! cmp -s a c
}

@test "popularity and activity are skewed, the mean is that of ratings" {
    rec-synth --users 2000 --items 1000 --ratings 100000 >r.csv
    tail -n +2 r.csv | cut -d, -f2 | sort | uniq -c | sort -rn |
        awk '{ n += $1; if (NR <= 100) top += $1 } END { exit !(top / n > 0.25) }'
    tail -n +2 r.csv | cut -d, -f1 | sort | uniq -c | sort -rn | awk 'NR == 1 { top = $1 } END { exit !(top > 200) }'
    awk -F, 'NR > 1 { s += $3 } END { m = s / (NR - 1); exit !(m > 3.2 && m < 3.9) }' r.csv
}

@test "a factor model finds the structure, biases do not" {
    need_python
    rec-synth --users 800 --items 400 --ratings 40000 >r.csv
    "$PYTHON" - <<'PY'
import numpy as np
d = np.loadtxt("r.csv", delimiter=",", skiprows=1)
u, i, r = d[:, 0].astype(int) - 1, np.unique(d[:, 1], return_inverse=True)[1], d[:, 2]
U, I, f = u.max() + 1, i.max() + 1, 8
rng = np.random.default_rng(0)
te = rng.random(len(r)) < 0.2
tr = ~te
mu, bu, bi = r[tr].mean(), np.zeros(U), np.zeros(I)
for _ in range(10):
    bi = np.bincount(i[tr], r[tr] - mu - bu[u[tr]], I) / (np.bincount(i[tr], minlength=I) + 5)
    bu = np.bincount(u[tr], r[tr] - mu - bi[i[tr]], U) / (np.bincount(u[tr], minlength=U) + 5)
bias = mu + bu[u] + bi[i]
rmse = lambda p: np.sqrt(np.mean((np.clip(p, .5, 5) - r)[te] ** 2))
P, Q = np.zeros((U, f)), rng.normal(0, .1, (I, f))
def half(rows, cols, Q, n):
    P = np.zeros((n, f))
    order = np.argsort(rows, kind="stable")
    start = np.searchsorted(rows[order], np.arange(n + 1))
    for k in range(n):
        s = order[start[k]:start[k + 1]]
        q = Q[cols[s]]
        P[k] = np.linalg.solve(q.T @ q + (.08 * len(s) + 1e-6) * np.eye(f), q.T @ (r - bias)[tr][s])
    return P
for _ in range(8):
    P = half(u[tr], i[tr], Q, U)
    Q = half(i[tr], u[tr], P, I)
als = rmse(bias + (P[u] * Q[i]).sum(1))
assert als < 0.9 * rmse(bias) < 0.9 * r.std(), (als, rmse(bias), r.std())
PY
}

@test "real films: none before its year, ids as they are, quoted where they must be" {
    printf 'movieId,title,genres\n"a,b",Old (1950),Drama\ntt02,New (2015),Comedy|War\nx,No Year,(no genres listed)\n' >m.csv
    rec-synth --movies m.csv --users 30 --ratings 50 >r.csv
    [ "$(wc -l <r.csv)" -eq 51 ]
    grep -q '^[0-9]*,"a,b",' r.csv
    [ "$(sed 1d r.csv | sed 's/"a,b"/ab/' | cut -d, -f2 | sort -u | tr '\n' ' ')" = 'ab tt02 x ' ]
    # 2015-01-01
    awk -F, '$2 == "tt02" && $4 < 1420070400 { print; bad = 1 } END { exit bad }' r.csv
    rec-ingest -q --movies m.csv >m.rec
    rec-synth --movies m.rec --users 30 --ratings 50 | cmp - r.csv
}

@test "ratings for the tools are those of the CSV" {
    need_python
    rec-synth --users 60 --items 120 --ratings 900 >r.csv
    rec-synth --users 60 --items 120 --ratings 900 --format rec | rec-cat >c.csv
    diff <(sed 1d r.csv | sed 's/\.0,/,/' | sort) <(sed 1d c.csv | sort)
    rec-ingest -q --no-history <r.csv >a.rec
    rec-synth --users 60 --items 120 --ratings 900 --format rec --no-history >b.rec
    cmp a.rec b.rec
}

@test "made-up films, and feedback without ratings" {
    rec-synth --users 5 --items 30 --ratings 50 --out-movies m.csv --implicit >r.csv
    [ "$(wc -l <m.csv)" -eq 31 ]
    [ "$(head -1 m.csv)" = movieId,title,genres ]
    [ "$(sed 1d m.csv | grep -cvE '^[0-9]+,Film [0-9]+ \([12][0-9]{3}\),[A-Z][A-Za-z| ]+$')" -eq 0 ]
    [ "$(head -1 r.csv)" = userId,movieId,timestamp ]
}

@test "what cannot be is refused" {
    refuses 1 '^rec-synth: 400 ratings: too many for 5 users' rec-synth --users 5 --items 50 --ratings 400
    refuses 1 '^rec-synth: 4 ratings: fewer than the 5 users' rec-synth --users 5 --ratings 4
    refuses 1 '^rec-synth: --since: "soon" is no date' rec-synth --since soon
    refuses 1 '^rec-synth: .*the last day after the first' rec-synth --since 2020 --until 2019
    refuses 2 '^rec-synth: --format: ' rec-synth --format xml
    printf 'movieId,title,genres\n1,"a' >m.csv
    refuses 1 '^rec-synth: m.csv:' rec-synth --movies m.csv
    : >m.csv
    refuses 1 '^rec-synth: m.csv: ' rec-synth --movies m.csv
    refuses 1 '^rec-synth: nowhere.csv: no such file' rec-synth --movies nowhere.csv
}

@test "a full disk and a closed standard output are errors" {
    run -1 bash -c 'rec-synth -q >/dev/full'
    [[ $output == "rec-synth: standard output: "* ]]
    run -1 bash -c 'rec-synth -q >&-'
    run -1 rec-synth -q -o missing/r.csv
    [[ $output == "rec-synth: missing/r.csv: no such file or directory" ]]
}
