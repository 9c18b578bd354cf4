#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What rec-job and rec-metrics write, by way of a real node_exporter's textfile collector, as a real Prometheus has it.

load ../helper
load ../serve
setup() {
    rec_setup
    unset "${!REC_JOB_@}" "${!REC_METRICS_@}" REC_RUN REC_RUN_LOG
    export HOME=$PWD
    PIDS=()
}
teardown() {
    local p
    serve_stop
    for p in "${PIDS[@]}"; do { kill "$p" && wait "$p"; } 2>/dev/null || :; done
}

# started NAME COMMAND...: in the background, on a port of its own choice, which is then in ADDRESS.
started() {
    local log=$1.log
    shift
    "$@" --web.listen-address=127.0.0.1:0 >"$log" 2>&1 3>&- &
    PIDS+=($!)
    within 200 grep -q 'msg="Listening on"' "$log" || { cat "$log"; return 1; }
    ADDRESS=$(sed -n 's/.*msg="Listening on" address=//p' "$log" | head -n 1)
}

# asked QUERY: the answer's values, one a line
asked() { curl -sS --get --data-urlencode "query=$1" "$PROMETHEUS/api/v1/query" | jq -r '.data.result[].value[1]'; }
answers() { [ -n "$(asked "$1")" ]; }

# Every sample of the files, as Prometheus has it; and nothing besides.
compare() {
    curl -sS --get --data-urlencode 'query={__name__=~"rec_.+"}' "$PROMETHEUS/api/v1/query" >answer.json
    python3 - "$@" <<'END'
import json, re, sys
sample = re.compile(r'([a-z_]+)(?:\{(.*)\})? (\S+)$')
label = re.compile(r'([A-Za-z_]+)="((?:[^"\\]|\\.)*)",?')
unescape = lambda v: re.sub(r'\\(.)', lambda m: "\n" if m[1] == "n" else m[1], v)
want = {}
for path in sys.argv[1:]:
    for line in open(path):
        if not line.startswith("#"):
            name, labels, value = sample.match(line).groups()
            want[(name, frozenset((k, unescape(v)) for k, v in label.findall(labels or "")))] = float(value)
have = {}
for r in json.load(open("answer.json"))["data"]["result"]:
    m = {k: v for k, v in r["metric"].items() if k not in ("instance", "job")}
    have[(m.pop("__name__"), frozenset(m.items()))] = float(r["value"][1])
missing, more = want.keys() - have.keys(), have.keys() - want.keys()
other = [(k, want[k], have[k]) for k in want.keys() & have.keys() if want[k] != have[k]]
assert not missing and not more and not other, (missing, more, other)
assert len(want) > 80, len(want)
END
}

@test "a pipeline, its model, its data and a server, from their files to Prometheus' answers" {
    mkdir textfile state
    job() { rec-job -n "$1" --run-log runs.jsonl --textfile textfile "${@:2}"; }
    job load --output ratings.rec -- rec-ingest -q "$ROOT/data/sample/ratings.csv" -o ratings.rec
    job split -- rec-split -q --out-test test.rec -o train.rec ratings.rec
    job train --input train.rec --output model.rec -- rec-train -q --model bias -o model.rec train.rec
    job evaluate -- rec-eval -q -m rmse,mae,precision,recall,ndcg -o metrics.json model.rec test.rec
    job 'broken "step"' --retries 1 --backoff 0 -- sh -c 'exit 7' || [ $? -eq 7 ]
    rec-validate --json --high 4 ratings.rec >checks.json || [ $? -eq 3 ]
    serve_start --state state model.rec
    curl -s "$URL/api/v1/recommendations?user=1&k=3" >/dev/null
    rec-metrics --runs runs.jsonl --metrics metrics.json --checks checks.json --counters state/stats -l dataset=sample -o textfile/rec_sample.prom
    # of another data set, beside it
    rec-metrics --metrics metrics.json -l dataset=other -o textfile/rec_other.prom
    for f in textfile/*.prom; do promtool check metrics <"$f"; done

    started node_exporter prometheus-node-exporter --collector.disable-defaults --web.disable-exporter-metrics \
        --collector.textfile --collector.textfile.directory="$PWD/textfile"
    cat >prometheus.yml <<END
global: {scrape_interval: 1s}
scrape_configs: [{job_name: node, static_configs: [{targets: ["$ADDRESS"]}]}]
END
    promtool check config prometheus.yml >/dev/null
    started prometheus prometheus --config.file=prometheus.yml --storage.tsdb.path="$PWD/data"
    PROMETHEUS=http://$ADDRESS
    within 300 answers 'rec_model_metric{dataset="other"}'

    compare textfile/*.prom
    [ "$(asked node_textfile_scrape_error)" = 0 ]
    awk -v a="$(asked 'rec_model_metric{dataset="sample",metric="ndcg",k="10"}')" -v b="$(jq '."ndcg@10"' metrics.json)" 'BEGIN { exit !(a == b && a > 0) }'
    # what an alert would ask
    [ "$(asked 'rec_job_last_exit_code != 0')" = 7 ]
    [ "$(asked 'count(time() - rec_job_last_success_timestamp_seconds < 600)')" = 4 ]
    [ "$(asked 'count(rec_data_check == 0)')" = "$(jq '[.checks[] | select(.verdict == "warn" or .verdict == "fail")] | length' checks.json)" ]
    [ "$(asked 'histogram_quantile(0.99, sum by (le) (rec_http_request_duration_seconds_bucket)) > 0' | wc -l)" -eq 1 ]

    # what is written next is what the next scrape finds
    job train -- true
    rec-metrics --runs runs.jsonl --metrics metrics.json --checks checks.json --counters state/stats -l dataset=sample -o textfile/rec_sample.prom
    counted() { [ "$(asked 'rec_step_attempts_total{step="train",result="success"}')" = 2 ] && [ "$(asked 'rec_job_runs_total{job_name="train",result="success"}')" = 2 ]; }
    within 300 counted
}
