#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The EXAMPLES of the man pages, run in order in a directory that holds the sample: a line here for each page.

load ../helper

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    mkdir files
    cd files || return 1
    cp "$ROOT/data/sample/ratings.csv" "$ROOT/data/sample/movies.csv" .
    rec-ingest -q -o ratings.rec ratings.csv
    rec-ingest -q --movies -o movies.rec movies.csv
    rec-split -q --test 0.2 --seed 42 --out-test test.rec -o train.rec ratings.rec
    rec-train -q --model ials -o model.rec train.rec
}

setup() {
    rec_setup
    cp "$BATS_FILE_TMPDIR"/files/* .
}

page() {
    if grep -qE '^(import|from) ' "$ROOT/man/$1"; then
        need_python
        export PYTHON
    fi
    python3 "$ROOT/tests/integration/man-examples.py" "$ROOT/man/$1"
}

@test "rec(1)" { page rec.1; }
@test "rec-ingest(1)" { page rec-ingest.1; }
@test "rec-validate(1)" { page rec-validate.1; }
@test "rec-split(1)" { page rec-split.1; }
@test "rec-filter(1)" { page rec-filter.1; }
@test "rec-features(1)" { need_python; export PYTHON; page rec-features.1; }
@test "rec-train(1)" { page rec-train.1; }
@test "rec-tune(1)" { page rec-tune.1; }
@test "rec-plot(1)" { page rec-plot.1; }
@test "rec-recommend(1)" { page rec-recommend.1; }
@test "rec-similar(1)" { page rec-similar.1; }
@test "rec-predict(1)" { page rec-predict.1; }
@test "rec-eval(1)" { page rec-eval.1; }
@test "rec-drift(1)" { page rec-drift.1; }
@test "rec-info(1)" { page rec-info.1; }
@test "rec-cat(1)" { page rec-cat.1; }
@test "rec-synth(1)" { page rec-synth.1; }
@test "rec-db(1)" { page rec-db.1; }
@test "rec-registry(1)" { page rec-registry.1; }
@test "rec-job(1)" { export HOME=$PWD; page rec-job.1; }
@test "rec-metrics(1)" { page rec-metrics.1; }
@test "rec-serve(1)" { page rec-serve.1; }
@test "rec(7)" { page rec.7; }
@test "rec-operations(7)" { page rec-operations.7; }
@test "rec-format(5)" {
    page rec-format.5
    rec-info -q made.rec >/dev/null
}

@test "no page with examples is left out, and no tool is without" {
    for file in "$ROOT"/man/*.[1-9]; do
        name=$(basename "$file")
        case $name in
        *.1) grep -q '^\.Sh EXAMPLES' "$file" || { echo "$name has no EXAMPLES"; false; } ;;
        *) grep -qE '^\.Sh (EXAMPLES|RUNBOOKS)' "$file" || continue ;;
        esac
        grep -qE "page $name(;|$)" "$BATS_TEST_FILENAME" || { echo "$name is not run here"; false; }
    done
}

@test "the runner sees a wrong exit status, wrong output, and what is cut short" {
    runs() {
        printf '.Sh EXAMPLES\n.Bd -literal\n%b.Ed\n' "$1" >page.1
        python3 "$ROOT/tests/integration/man-examples.py" page.1
    }
    runs '$ echo a |\n    tr a b\nb\n$ seq 3\n1\n...\n$ echo one two\none ...\n$ cat <<X\nh\ni\nX\nh\ni\n'
    run -1 runs '$ false | cat\n'
    [[ $output == *"page.1:3: exit 1: false | cat"* ]]
    run -1 runs '$ seq 3\n1\n2\n'
    [[ $output == "page.1:3: does not print"* ]]
    run -1 runs '$ seq 3\n2\n...\n'
    run -1 runs ''
    [[ $output == *"no example"* ]]
}
