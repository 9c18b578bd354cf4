#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# pipelines/: what the rules make, what runs again and what does not, in parallel, after a kill, from a store. tests of DVC: dvc.bats, of Airflow: airflow.bats.

load ../helper

setup() {
    rec_setup
    unset REC_RUN REC_RUN_LOG MAKEFLAGS MAKELEVEL DATASET WORK CONFIG RATINGS MOVIES STORE WARM REGISTRY
    cp "$ROOT/pipelines/params.yaml" .
    W=$PWD/w
}

# pipeline ARGUMENT...: make in pipelines/, all files here, without a word from the tools.
pipeline() {
    REC_QUIET=1 make -s -C "$ROOT/pipelines" WORK="$W" CONFIG="$PWD/params.yaml" "$@"
}

# What ran: names of steps of the last run of make, without the data set.
steps() {
    jq -rs '.[-1].run as $r | [.[] | select(.run == $r) | .name | sub("^[^.]*\\."; "")] | sort | join(" ")' "$W/runs.jsonl"
}

# runs 'STEP ...' ARGUMENT...: make does these, and no others; whether the production model has to be measured anew hangs on which it is.
runs() {
    local want=$1 before after
    shift
    before=$(wc -l <"$W/runs.jsonl")
    pipeline "$@" 2>err || { cat err; return 1; }
    after=$(tail -n +$((before + 1)) "$W/runs.jsonl" | jq -rs '[.[].name | sub("^[^.]*\\."; "") | select(test("baseline") | not)] | sort | join(" ")')
    [ "$after" = "$want" ] || { echo "ran: $after, not: $want"; return 1; }
}

# set_param OLD NEW: a line of params.yaml changes.
set_param() {
    grep -q "$1" params.yaml
    sed -i "s/$1/$2/" params.yaml
}

TRAINING='add decide evaluate train'

@test "out of the box: the sample, to the bytes that the tools make by hand" {
    pipeline data training
    rec-ingest -q --config params.yaml "$ROOT/data/sample/ratings.csv" >ratings.rec
    cmp ratings.rec "$W/ratings.rec"
    rec-split -q --config params.yaml --out-test test.rec <ratings.rec | rec-train -q --config params.yaml >model.rec
    cmp model.rec "$W/model.rec"
    rec-eval -q --config params.yaml model.rec test.rec | cmp - "$W/metrics.json"
    [ "$(steps | wc -w)" -ge 7 ]
    # one record a step, with what it read and made
    jq -es 'all(.exit == 0 and (.run | length) > 0) and ([.[].run] | unique | length) == 1' "$W/runs.jsonl"
    [ "$(jq -r 'select(.name == "sample.train") | .outputs[0].sha256' "$W/runs.jsonl")" = "$(sha256sum <"$W/model.rec" | cut -d' ' -f1)" ]
    [ "$(jq -r 'select(.name == "sample.train") | .inputs[0].path' "$W/runs.jsonl")" = "$W/train.rec" ]
    [ "$(jq -r 'select(.name == "sample.split") | .outputs[].path' "$W/runs.jsonl" | xargs -n 1 basename | tr '\n' ' ')" = 'train.rec test.rec ' ]
    run -0 make -C "$ROOT/pipelines" WORK="$W" CONFIG="$PWD/params.yaml" data training
    [[ $output == *"Nothing to be done for 'training'"* ]]
    [ ! -e "$ROOT/pipelines/build/sample/runs.jsonl" ] || [ "$ROOT/pipelines/build/sample/runs.jsonl" -ot params.yaml ]
}

@test "a parameter reruns what depends on it, and nothing else" {
    pipeline data training
    runs '' data training
    echo '# a remark' >>params.yaml
    runs '' data training
    set_param 'factors: 64' 'factors: 16'
    # -n and -q know before anything is done
    run -1 pipeline -q training
    run -0 make -n -C "$ROOT/pipelines" WORK="$W" CONFIG="$PWD/params.yaml" training
    [[ $output == *rec-train* && $output == *rec-eval* && $output != *rec-split* ]]
    runs "$TRAINING" data training
    set_param 'cutoffs: 10,20' 'cutoffs: 5,10'
    runs 'add decide evaluate' data training
    grep -q '"ndcg@5"' "$W/metrics.json"
    set_param 'test: 0.1' 'test: 0.3'
    runs 'add decide evaluate split train' data training
    set_param 'fail: \[orphans\]' 'fail: [orphans, cold-users]'
    runs 'add decide evaluate split train validate' data training
    # the environment is a parameter too; the number of threads is none
    REC_THREADS=1 runs '' data training
    REC_TRAIN_PASSES=3 runs "$TRAINING" data training
    runs "$TRAINING" data training
    # the order is by content: an output that is touched, or lost
    rm "$W/trace.csv"
    runs "$TRAINING" data training
    rm "$W/features.rec"
    runs features data training
}

@test "make -j and a run that is killed come to the same files" {
    pipeline data training
    mv "$W" one
    pipeline -j 8 data training
    for f in ratings movies features train test model; do cmp one/$f.rec "$W/$f.rec"; done
    cmp one/metrics.json "$W/metrics.json"
    for after in 0.05 0.1 0.15 0.2 0.3 0.4 0.6; do
        rm -rf "$W"
        REC_QUIET=1 setsid make -s -C "$ROOT/pipelines" WORK="$W" CONFIG="$PWD/params.yaml" data training >/dev/null 2>&1 &
        sleep $after
        kill -9 -- -$! 2>/dev/null || :
        wait $! 2>/dev/null || :
        sleep 0.2 # rec-job-guard ends what was left running
        pipeline data training
        for f in ratings movies features train test model; do cmp one/$f.rec "$W/$f.rec"; done
        cmp one/metrics.json "$W/metrics.json"
        run ! compgen -G "$W/.*rec-tmp*"
    done
}

@test "ratings that fail the checks are not trained on, and the report says why" {
    { cat "$ROOT/data/sample/ratings.csv"; echo 1,no-such-film,5,1706555004; } >r.csv
    run ! pipeline training RATINGS="$PWD/r.csv" MOVIES="$ROOT/data/sample/movies.csv"
    [ ! -e "$W/train.rec" ]
    jq -e '[.. | objects | select(.check? == "orphans" or .name? == "orphans")] | length > 0' "$W/checks.json" || grep -q orphans "$W/checks.json"
    [ "$(jq -r 'select(.name == "sample.validate") | .exit' "$W/runs.jsonl")" -eq 3 ]
    # when they are allowed, training goes on
    set_param 'fail: \[orphans\]' 'max-orphans: 0.1'
    pipeline training RATINGS="$PWD/r.csv" MOVIES="$ROOT/data/sample/movies.csv"
}

@test "any data set by its files, without a catalogue; one that is not there is named" {
    rec-synth -q --users 200 --items 100 --ratings 5000 --seed 2 >my.csv
    pipeline data training DATASET=mine RATINGS="$PWD/my.csv"
    [ "$(jq -r .name "$W/runs.jsonl" | head -n 1)" = mine.load ]
    [ ! -e "$W/movies.rec" ]
    tr , ';' <my.csv >semi.csv
    pipeline load DATASET=mine RATINGS="$PWD/semi.csv" INGEST="--delimiter ';'"
    rec-synth -q --users 201 --items 100 --ratings 5000 --seed 2 >my.csv
    runs 'add decide evaluate features load split train validate' data training DATASET=mine RATINGS="$PWD/my.csv"
    run ! pipeline training DATASET=nobody
    [[ $output == *'there is no datasets/nobody.mk'*sample* ]]
    run ! pipeline training DATASET=ml-25m DATA="$PWD"
    [[ $output == *"$PWD/ml-25m: not there: run scripts/fetch-movielens 25m"* ]]
    mkdir ml-1m
    sed 1d my.csv | sed 's/,/::/g' >ml-1m/ratings.dat
    pipeline load DATASET=ml-1m DATA="$PWD" WORK="$PWD/w1m"
    rec-info -q w1m/ratings.rec >/dev/null
    printf 'train: {factors: nine}\n' >params.yaml
    run ! pipeline training
    [[ $output == *nine* ]]
}

@test "MovieLens 100K by its name" {
    need_data ml-100k
    pipeline training DATASET=ml-100k DATA="$REC_TEST_DATA"
    awk -F'[:,]' '/"ndcg@10"/ { exit !($2 > 0.25) }' "$W/metrics.json"
}

@test "fresh: what the store got since is merged in; nothing is lost when that is interrupted" {
    export REC_STORE=$PWD/rec.db
    rec-db init -q
    head -n 30001 "$ROOT/data/sample/ratings.csv" | rec-db load ratings -q
    rec-db load movies -q "$ROOT/data/sample/movies.csv"
    shop=(DATASET=shop STORE="$PWD/rec.db")
    pipeline data training "${shop[@]}"
    rec-info "$W/ratings.rec" | grep -qE 'ratings +30000'
    { head -n 1 "$ROOT/data/sample/ratings.csv"; tail -n 10000 "$ROOT/data/sample/ratings.csv"; } | rec-db load ratings -q
    # the merge fails: the mark stays where it was
    mkdir stub
    printf '#!/bin/sh\nexit 1\n' >stub/rec-filter
    chmod +x stub/rec-filter
    PATH=$PWD/stub:$PATH run ! pipeline fresh "${shop[@]}"
    rec-info "$W/ratings.rec" | grep -qE 'ratings +30000'
    pipeline fresh "${shop[@]}"
    rec-info "$W/ratings.rec" | grep -qE 'ratings +40000'
    cmp <(rec-cat "$W/ratings.rec" | sort) <(rec-ingest -q "$ROOT/data/sample/ratings.csv" | rec-cat - | sort)
    # nothing new: nothing is newer
    touch -r "$W/ratings.rec" before
    pipeline fresh "${shop[@]}"
    [ ! "$W/ratings.rec" -nt before ]
    cp "$W/model.rec" old.rec
    runs 'add decide evaluate features split train validate' data training "${shop[@]}" WARM="$PWD/old.rec"
    [ "$(wc -l <"$W/trace.csv")" -eq 3 ]
    rec-info "$W/model.rec" | grep -q 'warm=crc32c:'
    # both are measured on the test part that there is now
    jq -e '.reasons.measured_anew and .reasons.conditions[0].test.users > 10' "$W/decision.json"
    # everything anew: what was taken back is gone
    rec-db forget -q --yes 1
    pipeline fresh "${shop[@]}"
    rec-info "$W/ratings.rec" | grep -qE 'users +600'
    pipeline reload "${shop[@]}"
    rec-info "$W/ratings.rec" | grep -qE 'users +599'
    run ! pipeline fresh
    [[ $output == *'STORE=URL says where'* ]]
}

@test "the graph is drawn from the rules" {
    pipeline graph >text
    grep -qE '^model.rec +<- train.rec params/train$' text
    grep -qE '^train.rec +<- ratings.rec params/split checks.ok$' text
    grep -qE '^ratings.rec +<- .*/ratings.csv params/ingest params/load$' text
    # every edge of the text is in the drawing, and Graphviz takes it
    dot -Tplain "$W/graph.dot" >plain
    [ "$(grep -c '^edge' plain)" -eq "$(grep -c -- '->' "$W/graph.dot")" ]
    grep -q '^edge "\?'"$W/train.rec"'"\? "\?'"$W/model.rec" plain
    head -c 5 "$W/graph.svg" | grep -q '<?xml'
    # the same before anything is made as after, and for other data sets
    pipeline training
    cmp <(pipeline graph | grep -v '^serving.rec') <(grep -v '^serving.rec' text)
    pipeline graph DATASET=ml-1m DATA=/nowhere 2>&1 | grep -q 'not there'
}

@test "a model takes the place of the one in production when it is as good; otherwise the answer is no, and no failure" {
    pipeline training
    jq -e '.event == "promote" and .number == 1' "$W/decision.json"
    cmp "$W/model.rec" "$W/registry/production/model.rec"
    pipeline deploy DEPLOY="touch $PWD/deployed"
    [ -e deployed ]
    # the users of serving.rec have all their ratings, the test part included
    rec-info "$W/serving.rec" | grep -q 'refresh=crc32c:'
    # much worse: it stays a version, the pipeline did well, deploying fails
    set_param 'model: ials' 'model: popular'
    rm deployed
    pipeline training
    jq -e '.event == "refuse" and .number == 2 and .reasons.conditions[0].met == false' "$W/decision.json"
    run ! cmp -s "$W/model.rec" "$W/registry/production/model.rec"
    run ! pipeline deploy DEPLOY="touch $PWD/deployed"
    [[ $output == *'not good enough'* ]]
    [ ! -e deployed ]
    # make has one exit status for all that goes wrong; run tells no from failed
    REC_QUIET=1 run -3 "$ROOT/pipelines/run" deploy WORK="$W" CONFIG="$PWD/params.yaml"
    REC_QUIET=1 run -0 "$ROOT/pipelines/run" training WORK="$W" CONFIG="$PWD/params.yaml"
    # another condition is another decision
    set_param "production\*0.99" 'production*0.01'
    runs 'add decide' training
    jq -e '.event == "promote" and .number == 2' "$W/decision.json"
    # a rollback stands: what was decided is not decided again
    rec-registry rollback -q --registry "$W/registry"
    runs '' training
    runs refresh refresh
    REC_QUIET=1 run -2 "$ROOT/pipelines/run" training WORK="$W" CONFIG="$PWD/params.yaml" RATINGS=/nowhere
}

@test "tune: better parameters, which a killed search goes on to; nothing of it runs unasked" {
    set_param 'trials: 40' 'trials: 4'
    REC_TUNE_PASSES=4 pipeline tune
    grep -q '^  factors: ' "$W/tuned.yaml"
    [ "$(wc -l <"$W/trials.csv")" -eq 5 ]
    REC_TUNE_PASSES=4 runs '' tune
    # the search is killed before it has written what it found: its trials stay
    rm "$W/tuned.yaml"
    cp "$W/trials.csv" before
    REC_TUNE_PASSES=4 runs tune tune
    cmp before "$W/trials.csv"
    REC_TUNE_PASSES=3 runs tune tune
    run ! cmp -s before "$W/trials.csv"
    rec-train -q --config "$W/tuned.yaml" -o m "$W/train.rec"
}

@test "help and list say what there is, without tools or data" {
    run -0 pipeline help
    [[ $output == *'make training'*DATASET=*STORE=* ]]
    run -0 pipeline list
    [[ $output == *sample*ml-100k* ]]
    for target in data load features validate training split train tune evaluate decide deploy fresh reload refresh graph; do
        grep -qE "^TARGETS .*\b$target\b" "$ROOT/pipelines/Makefile"
    done
}
