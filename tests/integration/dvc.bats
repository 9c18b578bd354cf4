#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# DVC over the pipelines: one coarse stage over make. With the real one, in a repository of its own.

load ../helper

setup_file() {
    PATH=$REC_BIN:$ROOT/build/venv-dvc/bin:$PATH
    export DVC_NO_ANALYTICS=1 REC_QUIET=1 PATH LC_ALL=C DVC_SITE_CACHE_DIR=$BATS_FILE_TMPDIR/site DVC_GLOBAL_CONFIG_DIR=$BATS_FILE_TMPDIR/global
    export GIT_CONFIG_GLOBAL=$BATS_FILE_TMPDIR/gitconfig GIT_CONFIG_SYSTEM=/dev/null HOME=$BATS_FILE_TMPDIR
    unset REC_RUN REC_RUN_LOG MAKEFLAGS MAKELEVEL DATASET WORK CONFIG "${!REC_TRAIN_@}"
    git config --file "$GIT_CONFIG_GLOBAL" user.name Test
    git config --file "$GIT_CONFIG_GLOBAL" user.email test@example.org
    mkdir "$BATS_FILE_TMPDIR/repo" "$BATS_FILE_TMPDIR/remote"
    cd "$BATS_FILE_TMPDIR/repo" || return 1
    (cd "$ROOT" && find .gitignore data/sample pipelines -path pipelines/build -prune -o -type f -print | tar cf - -T -) | tar xf -
    git init -q .
    dvc init -q
    dvc remote add -q -d here "$BATS_FILE_TMPDIR/remote"
    git add -A
    git commit -qm 'the pipelines'
    cd pipelines || return 1
    dvc repro -q
    git add -A
    git commit -qm 'a model'
}

# dvc_says PATTERN
dvc_says() {
    dvc status >said 2>&1 || :
    grep -q "$1" said || { cat said; return 1; }
    rm said
}

setup() {
    cd "$BATS_FILE_TMPDIR/repo/pipelines" || return 1
}

@test "dvc repro makes what make makes, and then nothing" {
    dvc_says 'up to date'
    run -0 dvc repro
    [[ $output == *"didn't change, skipping"* ]]
    run -0 make -s data evaluate
    [ -z "$output" ]
    [ -z "$(git status --porcelain)" ]
    make -s -C "$ROOT/pipelines" WORK="$BATS_TEST_TMPDIR/w" evaluate
    cmp "$BATS_TEST_TMPDIR/w/model.rec" build/sample/model.rec
    # a remark changes nothing; a parameter that is none of ours neither
    echo '# a remark' >>params.yaml
    dvc_says 'up to date'
    git checkout -q params.yaml
}

@test "an experiment with other parameters; metrics, parameters and plots side by side" {
    dvc exp run -q -n small -S train.factors=8
    [ "$(sed -n 's/^ *factors: //p' params.yaml)" = 8 ]
    jq -e . build/sample/metrics.json >/dev/null
    # only what depends on it ran
    [ "$(jq -rs '.[-1].run as $r | [.[] | select(.run == $r) | .name] | join(" ")' build/sample/runs.jsonl)" = 'sample.train sample.evaluate' ] ||
        jq -rs '.[-1].run as $r | [.[] | select(.run == $r) | .name] | join(" ")' build/sample/runs.jsonl | grep -q 'sample.train sample.evaluate'
    [ "$(dvc params diff --json | jq -c '.["params.yaml"]["train.factors"]')" = '{"old":64,"new":8,"diff":-56}' ]
    dvc metrics diff --json | jq -e '.["build/sample/metrics.json"]["ndcg@10"] | .old != .new and .diff != 0'
    dvc exp show --csv | grep -q '^small,'
    dvc plots show --json >plots.json
    jq -e '[.. | strings | select(contains("loss"))] | length > 0' plots.json
    dvc plots diff -q -o "$BATS_TEST_TMPDIR/plots" HEAD
    grep -q 'loss' "$BATS_TEST_TMPDIR/plots/index.html"
    rm plots.json
    # back to what was committed: from the cache, without training
    git checkout -q . && dvc checkout -q
    dvc metrics diff | grep -q . && return 1
    [ "$(jq -r '.["ndcg@10"]' build/sample/metrics.json)" = "$(dvc metrics show --json | jq -r '.. | .["ndcg@10"]? // empty' | head -n 1)" ]
}

@test "pushed, and pulled into another clone" {
    dvc push -q
    git clone -q "$BATS_FILE_TMPDIR/repo" "$BATS_TEST_TMPDIR/clone"
    cd "$BATS_TEST_TMPDIR/clone/pipelines"
    [ ! -e build/sample/model.rec ]
    dvc pull -q
    cmp build/sample/model.rec "$BATS_FILE_TMPDIR/repo/pipelines/build/sample/model.rec"
    cmp build/sample/metrics.json "$BATS_FILE_TMPDIR/repo/pipelines/build/sample/metrics.json"
    dvc_says 'up to date'
    rec-recommend -q -k 3 build/sample/model.rec <<<1 | grep -qc '^1,'
}
