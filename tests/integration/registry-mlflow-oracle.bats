#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A registry and a real MLflow server: what it is told, also when it is down, slow, or answers get lost; what it gives back, also when it lies.

# shellcheck disable=SC2030,SC2031,SC2153 # each test has a NAME of its own; ROOT is the helper's

load ../helper

setup_file() {
    PATH=$REC_BIN:$PATH
    mkdir "$BATS_FILE_TMPDIR/server" "$BATS_FILE_TMPDIR/models"
    "$ROOT/tests/mlflow" begin "$BATS_FILE_TMPDIR/server"
    make -s -C "$ROOT" build/peer/mlflow >&2
    cd "$BATS_FILE_TMPDIR/models" || return 1
    rec-synth -q --users 60 --items 70 --ratings 1500 --seed 3 --format rec -o all.rec
    rec-split -q --seed 1 --out-test test.rec all.rec >train.rec
    for m in popular bias als itemknn userknn; do rec-train -q --seed 1 --model $m train.rec -o $m.rec; done
    rec-train -q --seed 1 --model ials --trace trace.csv train.rec -o ials.rec
    rec-eval -q -k 10 ials.rec test.rec >metrics.json
    for s in 2 3 4 5; do rec-train -q --seed $s --model ials --factors 8 train.rec -o ials$s.rec; done
    "$ROOT/tests/mlflow" start "$BATS_FILE_TMPDIR/server" >"$BATS_FILE_TMPDIR/url"
}

teardown_file() {
    "$ROOT/tests/mlflow" stop "$BATS_FILE_TMPDIR/server"
}

setup() {
    rec_setup
    unset "${!MLFLOW_@}" http_proxy https_proxy all_proxy
    PATH=$ROOT/build/peer:$PATH
    MODELS=$BATS_FILE_TMPDIR/models
    SERVER=$(cat "$BATS_FILE_TMPDIR/url")
    NAME=rec$BATS_TEST_NUMBER
    export MLFLOW_TRACKING_URI=$SERVER MLFLOW_EXPERIMENT_NAME=$NAME
}

teardown() {
    [ -z "${proxy-}" ] || kill "$proxy" 2>/dev/null || :
}

# registry DIR MODEL [METRICS [TRACE]]: one with a version that MLflow has to be told of; its name there is NAME.
registry() {
    local dir=$1
    mkdir -p "$dir/versions" "$dir/keys" "$dir/outbox"
    echo "{\"format\":\"rec.registry/1\",\"name\":\"$NAME\"}" >"$dir/registry.json"
    shift
    [ $# -eq 0 ] || mlflow add "$dir" signing.key "$@"
}

# through MODE: MLflow is reached through a proxy, whose mode is MODE from now on.
through() {
    echo "$*" >mode.new
    mv mode.new mode
    [ -n "${proxy-}" ] || {
        "$ROOT/build/venv-mlflow/bin/python" -u "$ROOT/tests/integration/mlflow-proxy.py" "$SERVER" . 3>&- 4>&- >proxy.out 2>&1 &
        proxy=$!
        for _ in $(seq 100); do [ ! -e url ] || break; sleep 0.1; done
        MLFLOW_TRACKING_URI=$(cat url)
    }
}

# api PATH [CURL OPTION]...: the server's answer.
api() {
    local path=$1
    shift
    curl -s -m 30 -H 'Content-Type: application/json' "$@" "$SERVER/api/2.0/mlflow/$path"
}
runs() {
    local id
    id=$(api "experiments/get-by-name?experiment_name=$NAME" | jq -r .experiment.experiment_id)
    api runs/search -d "{\"experiment_ids\":[\"$id\"],\"max_results\":100}" | jq -c '.runs // []'
}
versions() {
    api model-versions/search -G --data-urlencode "filter=name='$NAME'" | jq -c '.model_versions // []'
}
outbox() { find "$1/outbox" -name '*.json' | wc -l; }

# told_once DIR DIGEST...: each version is there once, with everything that belongs to it, whole.
told_once() {
    local dir=$1 digest run root
    shift
    [ "$(outbox "$dir")" -eq 0 ]
    runs >runs.json
    versions >versions.json
    [ "$(jq length runs.json)" -eq $# ] || { jq . runs.json; return 1; }
    [ "$(jq length versions.json)" -eq $# ] || { jq . versions.json; return 1; }
    for digest; do
        run=$(jq -r --arg d "$digest" '.[] | select(any(.tags[]; .key == "rec.digest" and .value == $d)) | .run_id' versions.json)
        jq -e --arg r "$run" '.[] | select(.info.run_id == $r) | .info.status == "FINISHED"' runs.json >/dev/null
        root=$(jq -r --arg r "$run" '.[] | select(.info.run_id == $r) | .info.artifact_uri' runs.json)
        diff -r "$dir/versions/$digest" "$BATS_FILE_TMPDIR/server/artifacts/${root#mlflow-artifacts:/}/model/version"
        cmp "$ROOT/lib/registry/rec_pyfunc.py" "$BATS_FILE_TMPDIR/server/artifacts/${root#mlflow-artifacts:/}/model/code/rec_pyfunc.py"
    done
}

# until_told drop|cut: pushes, each time with the next request gone wrong, until all is told.
until_told() {
    local n=0
    while :; do
        n=$((n + 1))
        [ $n -lt 100 ]
        through "$1" $n
        ! mlflow push r 2>err || break
        [ "$(wc -l <err)" -eq 1 ]
        [ "$(wc -l <hit)" -eq $n ]
    done
}

@test "a version becomes a run with parameters, metrics, a series by pass, tags, data sets, and a registered version with an alias" {
    digest=$(registry r "$MODELS/ials.rec" "$MODELS/metrics.json" "$MODELS/trace.csv")
    mlflow alias r 1 production
    [ "$(outbox r)" -eq 2 ]
    mlflow push r
    told_once r "$digest"
    jq -r '.[0].data | (.params[] | "p \(.key) \(.value)"), (.tags[] | "t \(.key) \(.value)"), (.metrics[] | "m \(.key) \(.value)")' runs.json >told
    grep -qx 'p factors 64' told
    grep -qx "t rec.digest $digest" told
    grep -qx 't rec.number 1' told
    grep -qx 't mlflow.runName v1 ials' told
    grep -qx 't mlflow.note.content a note: "quoted"' told
    grep -qx 't made_at_by bats' told
    grep -q '^t rec.history rec-ingest\|^t rec.history rec-synth' told
    grep -qx "t rec.test $(sha256sum <"$MODELS/metrics.json" | cut -d' ' -f1)" told
    grep -qx "t rec.data.ials.rec $digest" told
    for key in ndcg recall precision; do
        [ "$(jq -r ".\"$key@10\"" "$MODELS/metrics.json" | cut -c1-12)" = "$(sed -n "s/^m ${key}_at_10 //p" told | cut -c1-12)" ]
    done
    run=$(jq -r '.[0].info.run_id' runs.json)
    api "metrics/get-history?run_id=$run&metric_key=loss" | jq -r '.metrics | sort_by(.step)[] | "\(.step),\(.value)"' >series
    sed 1d "$MODELS/trace.csv" | cut -d, -f1,2 | grep -v ',$' >by-pass || :
    [ "$(wc -l <series)" -eq "$(wc -l <by-pass)" ]
    jq -e '.[0].inputs.dataset_inputs | length == 2' runs.json
    [ "$(api "registered-models/alias?name=$NAME&alias=production" | jq -r .model_version.version)" = 1 ]
}

@test "mlflow.pyfunc loads every type of model, predicts as rec-predict and recommends as rec-recommend" {
    names=
    for m in popular bias als ials itemknn userknn; do
        NAME=pyfunc-$m
        registry $m "$MODELS/$m.rec"
        mlflow alias $m 1 production
        mlflow push $m
        names="$names $NAME=$MODELS/$m.rec"
    done
    # shellcheck disable=SC2086 # a list of words
    MLFLOW_DISABLE_TELEMETRY=true "$ROOT/build/venv-mlflow/bin/python" -W error::FutureWarning "$ROOT/tests/integration/registry-mlflow.py" $names >said 2>err.py || { cat err.py; false; }
    grep -qx alike said
}

@test "whichever answer is lost after the server did the work: nothing lost, nothing twice" {
    one=$(registry r "$MODELS/ials2.rec" "$MODELS/metrics.json" "$MODELS/trace.csv")
    until_told drop
    grep -q 'runs/create' hit
    grep -q 'PUT .*model.rec' hit
    grep -q 'model-versions/create' hit
    mlflow alias r 1 production
    rm hit
    until_told drop
    grep -q 'registered-models/alias' hit
    told_once r "$one"
    [ "$(api "registered-models/alias?name=$NAME&alias=production" | jq -r .model_version.version)" = 1 ]
}

@test "an upload that breaks off leaves no half file behind" {
    one=$(registry r "$MODELS/ials3.rec")
    until_told cut
    grep -q 'PUT .*model.rec' hit
    told_once r "$one"
}

@test "killed at random moments: nothing lost, nothing twice" {
    one=$(registry r "$MODELS/ials4.rec" "$MODELS/metrics.json")
    two=$(mlflow add r signing.key "$MODELS/ials5.rec")
    mlflow alias r 2 production
    through slow 0.01
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        timeout -s KILL "0.$((RANDOM % 60 + 10))" "$ROOT/build/peer/mlflow" push r || :
    done 2>/dev/null
    through pass
    mlflow push r
    told_once r "$one" "$two"
    [ "$(api "registered-models/alias?name=$NAME&alias=production" | jq -r '.model_version.tags[] | select(.key == "rec.digest").value')" = "$two" ]
}

@test "a second run and a second version, of requests that were carried out late, go" {
    one=$(registry r "$MODELS/ials2.rec")
    id=$(api experiments/create -d "{\"name\":\"$NAME\"}" | jq -r .experiment_id)
    tags="[{\"key\":\"rec.digest\",\"value\":\"$one\"},{\"key\":\"rec.registry\",\"value\":\"$NAME\"}]"
    api runs/create -d "{\"experiment_id\":\"$id\",\"tags\":$tags}" >/dev/null
    api runs/create -d "{\"experiment_id\":\"$id\",\"tags\":$tags}" >/dev/null
    # somebody else's of the same model stays
    api runs/create -d "{\"experiment_id\":\"$id\",\"tags\":[{\"key\":\"rec.digest\",\"value\":\"$one\"}]}" >other
    mlflow push r
    api runs/delete -d "{\"run_id\":\"$(jq -r .run.info.run_id other)\"}"
    told_once r "$one"
    api model-versions/create -d "{\"name\":\"$NAME\",\"source\":\"mlflow-artifacts:/x\",\"tags\":$tags}" >/dev/null
    mlflow alias r 1 production
    mlflow push r
    told_once r "$one"
}

@test "a server that is down, slow, or not MLflow: one line, what there is to tell stays and is told later" {
    one=$(registry r "$MODELS/ials3.rec")
    MLFLOW_TRACKING_URI=http://127.0.0.1:1 refuses 1 'http://127.0.0.1:1: .*[Cc]ouldn.t connect' mlflow push r
    MLFLOW_TRACKING_URI=sqlite:///mlflow.db refuses 1 'neither http:// nor https://' mlflow push r
    through slow 3
    began=$SECONDS
    TIMEOUT=1 refuses 1 'no answer in time' mlflow push r
    [ $((SECONDS - began)) -le 3 ]
    through lie '{"experiment": [1, 2'
    refuses 1 'no JSON' mlflow push r
    through lie '{"experiment": {"experiment_id": "../../etc"}}'
    refuses 1 'no experiment that could be one' mlflow push r
    through lie '{"model_versions": {}, "experiment": {"experiment_id": "1"}, "run": {"info": {"run_id": "1", "artifact_uri": "file:///etc"}}}'
    refuses 1 'artifacts lie at file:///etc' mlflow push r
    through lie "$(printf '[%.0s' $(seq 100))"
    refuses 1 'nested too deep' mlflow push r
    through endless
    refuses 1 'larger than 16 MiB' mlflow push r
    through move http://127.0.0.1:9/
    refuses 1 '302: it has moved to http://127.0.0.1:9/: give its new address' mlflow push r
    [ "$(outbox r)" -eq 1 ]
    MLFLOW_TRACKING_URI=$SERVER mlflow push r
    told_once r "$one"
}

@test "rec-registry: MLflow is told by add, promote and rollback; while it is down they do their work, and push tells it later" {
    registry r
    export REC_REGISTRY=r
    MLFLOW_TRACKING_URI=http://127.0.0.1:1 rec-registry add --metrics "$MODELS/metrics.json" "$MODELS/ials2.rec" 2>note
    grep -q '127.0.0.1:1.*push does it later' note
    MLFLOW_TRACKING_URI=http://127.0.0.1:1 rec-registry promote 1 2>note
    grep -q 'push does it later' note
    MLFLOW_TRACKING_URI=http://127.0.0.1:1 refuses 1 '127.0.0.1:1' rec-registry push
    [ "$(outbox r)" -eq 2 ]
    one=$(basename "$(readlink r/production)")
    rec-registry push
    told_once r "$one"
    env -u MLFLOW_TRACKING_URI rec-registry add "$MODELS/ials3.rec"
    env -u MLFLOW_TRACKING_URI rec-registry promote --force 2
    two=$(basename "$(readlink r/production)")
    told_once r "$one"
    rec-registry push --all
    told_once r "$one" "$two"
    production=$(api "registered-models/alias?name=$NAME&alias=production")
    [ "$(jq -r '.model_version.tags[] | select(.key == "rec.digest").value' <<<"$production")" = "$two" ]
    rec-registry rollback
    production=$(api "registered-models/alias?name=$NAME&alias=production")
    [ "$(jq -r '.model_version.tags[] | select(.key == "rec.digest").value' <<<"$production")" = "$one" ]
    registry copy
    refuses 1 'who signed is not known here' rec-registry --registry copy pull
    rec-registry --registry copy pull --unsigned
    cmp copy/production/model.rec "$MODELS/ials2.rec"
    refuses 1 'MLFLOW_TRACKING_URI: is not set' env -u MLFLOW_TRACKING_URI rec-registry push
}

@test "token, user and password are sent, and never shown" {
    registry r "$MODELS/ials4.rec"
    through deny
    MLFLOW_TRACKING_TOKEN=s3cret-token refuses 1 '401 PERMISSION_DENIED: .*a secret in them.*the right ones' mlflow push r
    run ! grep -q s3cret err.refused
    MLFLOW_TRACKING_USERNAME=ann MLFLOW_TRACKING_PASSWORD=s3cret-word refuses 1 '401' mlflow push r
    run ! grep -q s3cret err.refused
    MLFLOW_TRACKING_URI=$(sed 's|//|//ann:s3cret%2Durl@|' url) refuses 1 '401' mlflow push r
    run ! grep -q s3cret err.refused
    grep -q 'Bearer s3cret-token' log
    grep -qF "Basic $(printf ann:s3cret-word | base64)" log
    grep -qF "Basic $(printf ann:s3cret-url | base64)" log
}

@test "https: a certificate that nobody vouches for is refused; one given is taken" {
    one=$(registry r "$MODELS/ials5.rec")
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost \
        -addext subjectAltName=IP:127.0.0.1 2>/dev/null
    through pass
    grep -q https:// url
    MLFLOW_TRACKING_TOKEN=s3cret refuses 1 'certificate' mlflow push r
    [ ! -e log ]
    export MLFLOW_TRACKING_SERVER_CERT_PATH=cert.pem
    mlflow push r
    told_once r "$one"
    refuses 1 'localhost.*(certificate|name)' env "MLFLOW_TRACKING_URI=$(sed s/127.0.0.1/localhost/ url)" mlflow pull r production
}

@test "pull brings a version, by its digests and its signature; what a lying server sends is not taken" {
    one=$(registry r "$MODELS/als.rec" "$MODELS/metrics.json")
    mlflow alias r 1 production
    mlflow push r
    registry other
    refuses 1 'who signed is not known here' mlflow pull other production
    cp r/keys/* other/keys/
    refuses 1 'alias nope not found' mlflow pull other nope
    for file in model.rec metrics.json version.json version.sig; do
        through damage $file
        refuses 1 "$file|signed" mlflow pull other production
        [ -z "$(ls -A other/versions)" ]
        [ ! -e other/production ]
    done
    through endless
    refuses 1 'larger than' mlflow pull other production
    through pass
    [ "$(mlflow pull other production)" = "$one" ]
    [ "$(readlink other/production)" = "versions/$one" ]
    diff -r "r/versions/$one" "other/versions/$one"
    # again: nothing to fetch
    rm -f log
    mlflow pull other production
    run ! grep -q mlflow-artifacts log
    registry third
    TRUST=1 mlflow pull third production
    cmp "$MODELS/als.rec" third/production/model.rec
}
