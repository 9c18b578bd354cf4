#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The DAGs of pipelines/airflow, with the real Airflow: they load, and each runs to its end. Some 20 s a run of a DAG, nearly all of them Airflow's own.

load ../helper

setup_file() {
    export AIRFLOW_HOME=$BATS_FILE_TMPDIR/airflow AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__CORE__DAGS_FOLDER=$ROOT/pipelines/airflow
    export AIRFLOW__CORE__UNIT_TEST_MODE=False PYTHONDONTWRITEBYTECODE=1 PATH=$REC_BIN:$ROOT/build/venv-airflow/bin:$PATH LC_ALL=C.UTF-8
    unset REC_RUN REC_RUN_LOG MAKEFLAGS MAKELEVEL DATASET WORK CONFIG STORE REGISTRY "${!REC_TRAIN_@}"
    export REC_QUIET=1 REC_WORK=$BATS_FILE_TMPDIR/work REC_DATASET=sample REC_RETRY_DELAY=1
    mkdir -p "$AIRFLOW_HOME"
    airflow db migrate >"$BATS_FILE_TMPDIR/migrate.log" 2>&1 || { tail -n 20 "$BATS_FILE_TMPDIR/migrate.log"; return 1; }
}

# run_dag NAME: once, to its end; its log is in dag.log.
run_dag() {
    airflow dags test "$1" 2026-01-01 >"$BATS_TEST_TMPDIR/dag.log" 2>&1 </dev/null || { tail -n 30 "$BATS_TEST_TMPDIR/dag.log"; return 1; }
}

# states: "5 success" and so on, of the tasks of the last run.
states() {
    grep -o 'new_state=[a-z_]*' "$BATS_TEST_TMPDIR/dag.log" | cut -d= -f2 | sort | uniq -c | awk '{ print $1, $2 }' | paste -sd ' '
}

# What ran in the last run, by the run log.
steps() {
    jq -rs '.[-1].run as $r | [.[] | select(.run == $r) | .name | sub("^sample\\."; "")] | join(" ")' "$REC_WORK/runs.jsonl"
}

@test "both DAGs load, and ask for what they should" {
    run -0 airflow dags list-import-errors --local
    [[ $output == *'No data found'* ]]
    python - <<'PY'
import os, sys
sys.path.insert(0, os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
import data_processing, model_training
deploy, validate = model_training.deploy, data_processing.validate
assert set(deploy.dag.task_ids) == {"split", "train", "evaluate", "decide", "deploy"}
assert set(validate.dag.task_ids) == {"load", "features", "validate"}
assert list(deploy.skip_on_exit_code) == [3] and deploy.retries == 2 and deploy.execution_timeout.total_seconds() == 7200
assert 3 not in validate.skip_on_exit_code and validate.retries == 0
assert [a.name for a in validate.outlets] == ["rec-ratings-sample"]
PY
}

@test "data_processing" {
    run_dag data_processing
    [ "$(states)" = '3 success' ] || { states; false; }
    [ -s "$REC_WORK/features.rec" ]
    [ -e "$REC_WORK/checks.ok" ]
    [ "$(jq -rs '[.[].run] | unique | length' "$REC_WORK/runs.jsonl")" -eq 1 ]
    jq -rs '.[0].run' "$REC_WORK/runs.jsonl" | grep -q '^data_processing\.'
}

@test "model_training: a good model is deployed, a bad one is not, and no task fails" {
    run_dag model_training
    [ "$(jq -r .event "$REC_WORK/decision.json")" = promote ]
    [ "$(steps)" = 'split train evaluate add decide deploy refresh' ] || { steps; false; }
    [ "$(states)" = '5 success' ] || { states; false; }
    REC_TRAIN_MODEL=popular run_dag model_training
    [ "$(jq -r .event "$REC_WORK/decision.json")" = refuse ]
    [ "$(steps)" = 'train evaluate baseline evaluate-baseline add decide deploy' ] || { steps; false; }
    [ "$(states)" = '1 skipped 4 success' ] || { states; false; }
}
