#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154,SC1003 # run sets stderr; a backslash is meant

load ../helper
load ../serve
setup() {
    rec_setup
    unset "${!REC_JOB_@}" "${!REC_METRICS_@}" REC_RUN REC_RUN_LOG
}
teardown() { serve_stop; }

# sample NAME{LABELS} FILE: its value
sample() { NAME=$1 awk '{ value = $NF; sub(/ [^ ]*$/, "") } $0 == ENVIRON["NAME"] { print value; n++ } END { exit n != 1 }' "$2"; }
# clean FILE: promtool has nothing to say
clean() { [ -z "$(promtool check metrics <"$1" 2>&1)" ]; }

@test "the run log: the last attempt of each step, and totals" {
    rec-job -n 'a "b"\c' --run-log runs.jsonl --output out sh -c 'echo 12345 >out'
    rec-job -q -n two --run-log runs.jsonl --retries 1 --backoff 0 sh -c 'exit 4' || [ $? -eq 4 ]
    rec-job -n two --run-log runs.jsonl sleep 0.2
    rec-job -n two --run-log runs.jsonl sh -c 'exit 5' || [ $? -eq 5 ]
    rec-metrics --runs runs.jsonl >m.prom
    clean m.prom
    [ "$(sample 'rec_step_last_exit_code{step="a \"b\"\\c"}' m.prom)" = 0 ]
    [ "$(sample 'rec_step_last_output_bytes{step="a \"b\"\\c"}' m.prom)" = 6 ]
    [ "$(sample 'rec_step_last_exit_code{step="two"}' m.prom)" = 5 ]
    [ "$(sample 'rec_step_attempts_total{step="two",result="failure"}' m.prom)" = 3 ]
    [ "$(sample 'rec_step_attempts_total{step="two",result="success"}' m.prom)" = 1 ]
    # by another reader of the same lines
    jq -s -e --argjson ended "$(sample 'rec_step_last_run_timestamp_seconds{step="two"}' m.prom)" \
        --argjson success "$(sample 'rec_step_last_success_timestamp_seconds{step="two"}' m.prom)" \
        --argjson memory "$(sample 'rec_step_last_max_resident_memory_bytes{step="two"}' m.prom)" \
        --argjson cpu "$(sample 'rec_step_cpu_seconds_total{step="two"}' m.prom)" \
        --argjson seconds "$(sample 'rec_step_duration_seconds_total{step="two"}' m.prom)" '
        def near($a; $b): ($a - $b | fabs) < 0.001;
        def done: (.time | (.[:19] + "Z" | fromdate) + ("0" + .[19:23] | tonumber)) + .seconds;
        map(select(.name == "two")) | near(map(.seconds) | add; $seconds) and near(map(.user_seconds + .system_seconds) | add; $cpu) and
        near(.[3] | done; $ended) and near(.[2] | done; $success) and .[3].max_rss_bytes == $memory' runs.jsonl
    [ "$(sample 'rec_metrics_source_up{source="runs"}' m.prom)" = 1 ]
    # one that is just being written
    printf '{"time":' >>runs.jsonl
    rec-metrics --runs runs.jsonl | cmp - m.prom
    : >empty
    rec-metrics --runs empty >m.prom
    clean m.prom
}

@test "the model: every figure of rec-eval, cut-offs apart" {
    rec-ingest -q "$ROOT/data/sample/ratings.csv" | rec-split -q --out-test test.rec >train.rec
    rec-train -q --model bias train.rec >model.rec
    rec-eval -q -k 5,10 -m rmse,mae,precision,recall,ndcg -o metrics.json model.rec test.rec
    rec-metrics --metrics metrics.json -o m.prom
    clean m.prom
    for m in rmse mae; do [ "$(sample "rec_model_metric{metric=\"$m\"}" m.prom)" = "$(jq ".$m" metrics.json)" ]; done
    for m in precision recall ndcg; do
        for k in 5 10; do
            awk -v a="$(sample "rec_model_metric{metric=\"$m\",k=\"$k\"}" m.prom)" -v b="$(jq ".\"$m@$k\"" metrics.json)" \
                'BEGIN { exit !(a == b && a > 0) }'
        done
    done
}

@test "the registry: the version in production, what it is worth, how many there are" {
    unset "${!REC_REGISTRY@}" "${!MLFLOW_@}"
    export HOME=$PWD
    rec-ingest -q "$ROOT/data/sample/ratings.csv" | rec-split -q --out-test test.rec >train.rec
    for model in popular bias; do
        rec-train -q --model $model -o $model.rec train.rec
        rec-eval -q -k 5,10 -m ndcg,recall -o $model.json $model.rec test.rec
    done
    refuses 1 '^rec-metrics: r: there is no registry' rec-metrics --registry r
    rec-registry add -q --unsigned --registry r --metrics popular.json popular.rec
    # none in production yet
    rec-metrics --registry r >m.prom
    clean m.prom
    [ "$(sample rec_registry_versions m.prom)" = 1 ]
    run ! grep rec_model_ m.prom
    rec-registry add -q --unsigned --registry r --metrics bias.json bias.rec
    rec-registry promote -q --unsigned --force --registry r 1
    for version in 1 2 1; do
        [ "$version" -eq 1 ] || rec-registry promote -q --unsigned --force --registry r 2
        name=$([ "$version" -eq 1 ] && echo popular || echo bias)
        rec-metrics --registry r >m.prom
        clean m.prom
        [ "$(sample rec_registry_versions m.prom)" = 2 ]
        [ "$(sample rec_registry_outbox_entries m.prom)" = 0 ]
        [ "$(sample rec_model_version m.prom)" = "$version" ]
        [ "$(sample "rec_model_info{version=\"$version\",digest=\"$(sha256sum "$name.rec" | cut -d' ' -f1)\",model=\"$name\"}" m.prom)" = 1 ]
        for m in created promoted; do
            awk -v t="$(sample "rec_model_${m}_timestamp_seconds" m.prom)" -v now="$(date +%s)" 'BEGIN { exit !(t <= now + 1 && t > now - 300) }'
        done
        awk -v a="$(sample 'rec_model_metric{metric="ndcg",k="10"}' m.prom)" -v b="$(jq '."ndcg@10"' "$name.json")" 'BEGIN { exit !(a == b && a > 0) }'
        [ "$version" -eq 1 ] || rec-registry rollback -q --registry r
    done
    # one that is damaged
    chmod -R u+w r/versions
    : >"r/production/version.json"
    refuses 1 '^rec-metrics: r/' rec-metrics --registry r
    rec-metrics -q --skip-missing --registry r >m.prom
    [ "$(sample 'rec_metrics_source_up{source="registry"}' m.prom)" = 0 ]
}

@test "data checks: passed or not, what was found, what is allowed" {
    rec-ingest -q "$ROOT/data/sample/ratings.csv" >r.rec
    status=0
    rec-validate --json --high 4 --max-cold-items 0 r.rec >checks.json || status=$?
    [ "$status" -eq 3 ]
    rec-metrics --checks checks.json >m.prom
    clean m.prom
    [ "$(sample rec_data_ratings m.prom)" = "$(jq .ratings checks.json)" ]
    [ "$(sample rec_data_checks_failed m.prom)" = "$(jq .failed checks.json)" ]
    jq -r '.checks[] | select(.verdict != "skipped") | [.check, (.verdict == "ok" | if . then 1 else 0 end), .value,
        (if has("min") then "min" else "max" end), (.min // .max)] | @tsv' checks.json >want
    [ "$(wc -l <want)" -gt 5 ]
    cut -f2 want | sort -u | tr -d '\n' | grep -qx 01
    while read -r check ok value bound threshold; do
        [ "$(sample "rec_data_check{check=\"$check\"}" m.prom)" = "$ok" ]
        awk -v a="$(sample "rec_data_check_value{check=\"$check\"}" m.prom)" -v b="$value" 'BEGIN { exit !(a == b) }'
        awk -v a="$(sample "rec_data_check_threshold{check=\"$check\",bound=\"$bound\"}" m.prom)" -v b="$threshold" 'BEGIN { exit !(a == b) }'
    done <want
    [ "$(grep -c '^rec_data_check{' m.prom)" -eq "$(wc -l <want)" ]
}

@test "the counters of a server that runs: what its /metrics says" {
    serve_model .
    mkdir state
    serve_start --state state -c movies.rec model.rec
    curl -s "$URL/api/v1/movies?limit=2" >/dev/null
    curl -s "$URL/no-such-thing" >/dev/null
    counted() {
        rec-metrics --counters state/stats >m.prom
        [ "$(awk '/^rec_http_requests_total/ { n += $NF } END { print n }' m.prom)" -eq 2 ]
    }
    within 100 counted
    clean m.prom
    grep -q '^rec_http_request_duration_seconds_bucket{.*le="+Inf"} ' m.prom
    [ "$(sample rec_http_series_lost_total m.prom)" = 0 ]
    serve_stop
    # and when it has ended
    rec-metrics --counters state/stats >after.prom
    [ "$(awk '/^rec_http_requests_total/ { n += $NF } END { print n }' after.prom)" -eq 2 ]
}

@test "--label is added to all, escaped, and never twice" {
    rec-job -n one --run-log runs.jsonl true
    echo '{"rmse":0.9,"ndcg@10":0.25}' >metrics.json
    rec-metrics --runs runs.jsonl --metrics metrics.json --label dataset=ml-1m -l 'site=a "b"\' >m.prom
    clean m.prom
    run ! grep -v '^#\|^[a-z_]*{dataset="ml-1m",site="a \\"b\\"\\\\"[,}]' m.prom
    [ "$(sample 'rec_model_metric{dataset="ml-1m",site="a \"b\"\\",metric="ndcg",k="10"}' m.prom)" = 0.25 ]
    refuses 1 '^rec-metrics: --label: k: rec_model_metric has a label of this name$' rec-metrics --metrics metrics.json -l k=1
    refuses 1 '^rec-metrics: --label: metric: rec_model_metric' rec-metrics --metrics metrics.json -l metric=1
    for bad in x =1 1a=b __x=1 a-b=c; do refuses 2 '^rec-metrics: --label: .*: not NAME=VALUE' rec-metrics --metrics metrics.json -l "$bad"; done
}

@test "a source that is missing or damaged is an error that names it; or is left out, and said to be" {
    rec-job -n one --run-log runs.jsonl true
    echo '{"rmse":0.9}' >metrics.json
    { cat runs.jsonl; echo '{"name":"x"}'; } >foreign.jsonl
    { cat runs.jsonl; echo 'oops'; cat runs.jsonl; } >damaged.jsonl
    sed 's/"time":"[^"]*"/"time":"yesterday"/' runs.jsonl >undated.jsonl
    echo '{}' >empty.json
    echo '[1' >damaged.json
    head -c 5000 /dev/zero >zeros
    refuses 1 '^rec-metrics: nowhere: no such file or directory$' rec-metrics --runs nowhere
    refuses 1 "^rec-metrics: foreign.jsonl: line 2: not a line of rec-job's run log\$" rec-metrics --runs foreign.jsonl
    refuses 1 '^rec-metrics: damaged.jsonl: line 2: ' rec-metrics --runs damaged.jsonl
    refuses 1 '^rec-metrics: undated.jsonl: line 1: "yesterday" is no date' rec-metrics --runs undated.jsonl
    refuses 1 '^rec-metrics: empty.json: no figures' rec-metrics --metrics empty.json
    refuses 1 '^rec-metrics: damaged.json: ' rec-metrics --metrics damaged.json
    refuses 1 '^rec-metrics: empty.json: not a report of rec-validate --json$' rec-metrics --checks empty.json
    refuses 1 '^rec-metrics: damaged.json: ' rec-metrics --checks damaged.json
    refuses 1 '^rec-metrics: nowhere' rec-metrics --registry nowhere
    refuses 1 '^rec-metrics: nowhere: no such file' rec-metrics --counters nowhere
    [ ! -e nowhere ]
    refuses 1 '^rec-metrics: zeros: not counters of rec-serve$' rec-metrics --counters zeros
    refuses 1 '^rec-metrics: /dev/null: not counters of rec-serve$' rec-metrics --counters /dev/null
    run -0 --separate-stderr rec-metrics --skip-missing --runs damaged.jsonl --metrics metrics.json --checks nowhere --counters zeros
    [ "$(wc -l <<<"$stderr")" -eq 3 ]
    grep -q '^rec-metrics: left out: nowhere: no such file or directory$' <<<"$stderr"
    printf '%s\n' "$output" >m.prom
    clean m.prom
    [ "$(sample 'rec_metrics_source_up{source="runs"}' m.prom)" = 0 ]
    [ "$(sample 'rec_metrics_source_up{source="checks"}' m.prom)" = 0 ]
    [ "$(sample 'rec_metrics_source_up{source="counters"}' m.prom)" = 0 ]
    [ "$(sample 'rec_metrics_source_up{source="metrics"}' m.prom)" = 1 ]
    # nothing of a source that is not whole
    run ! grep rec_step m.prom
}

@test "the file appears whole, readable by all, and stays when the next is not" {
    umask 077
    echo '{"rmse":0.9}' >metrics.json
    rec-metrics --metrics metrics.json -o m.prom
    [ "$(stat -c %a m.prom)" = 644 ]
    [ "$(ls -A)" = "$(printf '%s\n' m.prom metrics.json)" ]
    cp m.prom before.prom
    echo '{' >metrics.json
    refuses 1 '^rec-metrics: metrics.json: ' rec-metrics --metrics metrics.json -o m.prom
    cmp m.prom before.prom
    echo '{"rmse":0.9}' >metrics.json
    run -1 bash -c 'rec-metrics --metrics metrics.json >/dev/full'
    [ "$output" = 'rec-metrics: standard output: no space left on device' ]
}

@test "wrong usage is exit 2" {
    refuses 2 '^rec-metrics: nothing to read' rec-metrics
    refuses 2 '^rec-metrics: --metrics and --registry are two sources' rec-metrics --metrics a --registry b
}
