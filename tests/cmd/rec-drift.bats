#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# rec-drift: verdicts, exit statuses, reports. Its figures against scipy's: tests/integration/drift-oracle.bats.

load ../helper

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    rec-ingest -q <"$ROOT/data/sample/ratings.csv" >all.rec
    rec-split -q --method time --test 0.3 --out-test late.rec all.rec >early.rec
    rec-filter -q --min-value 4 -o loud.rec late.rec
    rec-features -q -o f-early.rec early.rec
    rec-features -q -o f-late.rec late.rec
}

setup() {
    rec_setup
    cp "$BATS_FILE_TMPDIR"/*.rec .
}

@test "a file does not drift from itself; losing the low ratings is drift, exit 3" {
    rec-drift all.rec all.rec >same.txt
    grep -q '^0 of 3 columns drift: no drift$' same.txt
    run -3 rec-drift --share 0 early.rec loud.rec
    grep -qE '^rating .* DRIFT ' <<<"$output"
    run -0 rec-drift --column popularity early.rec late.rec
    grep -q '^0 of 1 columns drift: no drift$' <<<"$output"
}

@test "how much of the columns must drift, and which count" {
    rec-drift --share 0.9 --ignore activity --ignore popularity --wasserstein 9 early.rec loud.rec >out.txt
    grep -q '^0 of 1 columns drift' out.txt
    run -3 rec-drift --ignore activity --ignore popularity early.rec loud.rec
    run -0 rec-drift --share 1 early.rec loud.rec
    run -3 rec-drift --share 0 early.rec loud.rec
}

@test "new users and items: a limit on their share decides by itself" {
    run -0 rec-drift --new-users 0.9 early.rec late.rec
    run -3 rec-drift --new-users 0.8 early.rec late.rec
    grep -q '^87.5 % of the users are new, at most 80.0 % may be$' <<<"$output"
    run -3 rec-drift --new-items 0 early.rec late.rec
    run -0 rec-drift --new-items 0.02 early.rec late.rec
}

@test "each method decides where it is asked to, and its relative where there is no order" {
    for method in psi js wasserstein ks chi2; do
        rec-drift --method $method --share 1 --format json early.rec late.rec >$method.json || [ $? -eq 3 ]
    done
    [ "$(jq -r '.columns[].method' psi.json js.json chi2.json | sort | uniq -c | tr -s ' ' | tr '\n' ,)" = " 3 chi2, 3 js, 3 psi," ]
    [ "$(jq -r '.columns[].method' wasserstein.json ks.json | tr '\n' ,)" = wasserstein,wasserstein,js,ks,ks,chi2, ]
    # A test decides by p, a distance by itself.
    jq -e '.columns[] | select(.column == "rating") | .p_value == .ks_p and .statistic == .ks and .drifted == (.p_value < .threshold)' ks.json
    jq -e '.columns[] | select(.column == "rating") | .p_value == null and .statistic == .psi and .threshold == 0.25' psi.json
    rec-filter -q --sample 0.02 --seed 1 -o few.rec early.rec
    rec-drift --share 1 --format json few.rec late.rec | jq -e '[.columns[].method] == ["ks", "ks", "chi2"]'
}

@test "scores: what a model predicts, as rec-predict does" {
    rec-train -q --model bias -o bias.rec early.rec
    rec-drift --share 1 --model bias.rec --format json early.rec late.rec >s.json
    rec-cat late.rec | cut -d, -f1,2 | rec-predict bias.rec | awk -F, 'NR > 1 { s += $3; n++ } END { printf "%.6f\n", s / n }' >want
    jq -r '.columns[] | select(.column == "score") | .current.mean' s.json | awk '{ printf "%.6f\n", $1 }' | diff - want
    refuses 1 'these are features' rec-drift --model bias.rec f-early.rec f-late.rec
}

@test "features: columns of both, and those that only one has" {
    rec-drift --share 1 --format json f-early.rec f-late.rec >f.json || [ $? -eq 3 ]
    jq -e '.of == "features" and (.columns | length) > 10 and .missing_columns == []' f.json
    rec-ingest -q --movies -o movies.rec "$ROOT/data/sample/movies.csv"
    rec-features -q --catalogue movies.rec -o f-more.rec late.rec
    rec-drift --share 1 f-early.rec f-more.rec >f.txt || [ $? -eq 3 ]
    grep -qE '^item\.genre.* only one of the files has it$' f.txt
}

@test "CSV of the bins: all values are in one of them" {
    rec-drift --share 1 --format csv early.rec late.rec >bins.csv
    [ "$(head -n 1 bins.csv)" = column,label,low,high,reference,current ]
    [ "$(awk -F, '$1 == "rating" { a += $5; b += $6 } END { print a, b }' bins.csv)" = "28000 12000" ]
    [ "$(awk -F, '$1 == "popularity" { a += $5; b += $6 } END { print a, b }' bins.csv)" = "28000 12000" ]
}

@test "Prometheus' text is what promtool takes" {
    rec-drift --share 1 --format prometheus early.rec late.rec >drift.prom
    grep -qx 'rec_drift_detected 0' drift.prom
    grep -qE '^rec_drift_statistic\{column="rating",method="ks"\} 0\.0' drift.prom
    if command -v promtool >/dev/null; then promtool check metrics <drift.prom; fi
}

@test "one of the files may come through a pipe" {
    rec-drift early.rec late.rec >a.txt
    rec-drift early.rec - <late.rec | sed 's/^current    -/current    late.rec/' >b.txt
    diff a.txt b.txt
}

@test "bad input: one line and exit 1 or 2" {
    rec-filter -q --since 2100-01-01 -o empty.rec all.rec
    refuses 1 'empty.rec: there are no ratings' rec-drift empty.rec all.rec
    refuses 1 'missing.rec' rec-drift all.rec missing.rec
    refuses 1 'rec.features' rec-drift all.rec f-early.rec
    refuses 1 'nonesuch is no column' rec-drift --column nonesuch all.rec all.rec
    refuses 1 'no column is left' rec-drift --ignore rating --ignore activity --ignore popularity all.rec all.rec
    refuses 2 'psi|method' rec-drift --method nonesuch all.rec all.rec
    refuses 2 'operand|CURRENT|missing|few' rec-drift all.rec
}

@test "a closed or full standard output is a failure" {
    run -1 bash -c 'rec-drift --share 1 early.rec late.rec >/dev/full'
    [[ $output == *"no space left"* ]]
}
