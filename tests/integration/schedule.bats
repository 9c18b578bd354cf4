#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The pipelines as cron and systemd start them: what these programs say of our files, and the commands in them, run as they would run them.

load ../helper
setup() {
    rec_setup
    mkdir work textfile state bin
    # where the files expect what is installed
    SETTINGS=("PATH=$REC_BIN:/usr/bin:/bin" "HOME=$PWD" "PIPELINES=$ROOT/pipelines" "WORK=$PWD/work/w" DATASET=sample VARIABLES= DATA=data "REC_JOB_STATE=$PWD/state"
        "REC_JOB_TEXTFILE=$PWD/textfile")
}

# ran NAME: the job did well, and node_exporter is told
ran() {
    grep -qxF "rec_job_last_exit_code{job_name=\"$1\"} 0" "textfile/rec_job_$1.prom"
    promtool check metrics <"textfile/rec_job_$1.prom"
}

@test "cron takes the crontab" {
    run -0 crontab -n "$ROOT/pipelines/cron/rec.crontab"
    [[ $output == *"successfully checked"* ]]
    # a % is the end of a command's line to cron
    run ! grep '^[^#].*%' "$ROOT/pipelines/cron/rec.crontab"
    # and it would say if it did not
    sed 's/^ 15 2/ 61 2/' "$ROOT/pipelines/cron/rec.crontab" >bad
    run ! crontab -n bad
}

@test "the crontab's commands, as cron runs them: silent, logged, measured" {
    # the fifth field is the last before the command; settings that are not ours to replace stand
    grep -E '^[A-Z_]+=' "$ROOT/pipelines/cron/rec.crontab" | cut -d= -f1 | grep -vxE 'MAILTO|REC_JOB_QUIET_SUCCESS' |
        while read -r name; do [[ " ${SETTINGS[*]}" == *" $name="* ]] || { echo "not set here: $name"; exit 1; }; done
    sed -nE 's/^ *[0-9*][^ ]* +[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +//p' "$ROOT/pipelines/cron/rec.crontab" >commands
    [ "$(wc -l <commands)" -eq 3 ]
    while read -r command; do
        run -0 env -i "${SETTINGS[@]}" REC_JOB_QUIET_SUCCESS=true /bin/sh -c "$command"
        [ -z "$output" ] || { echo "$command: $output"; return 1; }
    done <commands
    ran data
    ran training
    grep -q ' job exit 0 after ' work/w.training.log
    promtool check metrics <textfile/rec_sample.prom
    grep -q '^rec_step_last_exit_code{dataset="sample",step="sample.train"} 0$' textfile/rec_sample.prom
    grep -q '^rec_model_info{dataset="sample",version="1",digest="[0-9a-f]*",model="ials"} 1$' textfile/rec_sample.prom
    grep -q '^rec_data_check{dataset="sample",check="[a-z-]*"} 1$' textfile/rec_sample.prom
    # the steps have the name of the run that cron began
    grep -oE 'run [a-z2-7]{16}' work/w.training.log | cut -d' ' -f2 | grep -qxF "$(jq -r 'select(.name == "sample.train").run' work/w/runs.jsonl)"
    # ratings that fail their checks: not tried again, told of, and the log's end passed on
    printf 'validate:\n  high: 3\n' >params.yaml
    run -3 timeout 60 env -i "${SETTINGS[@]}" "VARIABLES=CONFIG=$PWD/params.yaml" REC_JOB_QUIET_SUCCESS=true /bin/sh -c "$(head -n 1 commands)"
    grep -qxF 'rec_job_last_exit_code{job_name="data"} 3' textfile/rec_job_data.prom
    grep -qxF 'rec_job_last_attempts{job_name="data"} 1' textfile/rec_job_data.prom
}

@test "systemd takes the units, and gives them little to break" {
    mkdir units
    for f in "$ROOT"/pipelines/systemd/rec-*; do sed "s|/usr/local/bin/|$REC_BIN/|" "$f" >"units/$(basename "$f")"; done
    run -0 systemd-analyze verify --man=no units/*
    [ -z "$output" ] || { echo "$output"; return 1; }
    for f in units/*.service; do systemd-analyze security --offline=true --threshold=20 --no-pager "$f" >/dev/null; done
    for f in units/*.timer; do
        [ -e "${f%.timer}.service" ]
        systemd-analyze calendar "$(sed -n 's/^OnCalendar=//p' "$f")" >/dev/null
    done
    # and it would say if it did not
    sed -i 's/^ProtectSystem=/ProtectSytem=/' units/rec-data.service
    run systemd-analyze verify --man=no units/rec-data.service
    [[ $output == *ProtectSytem* ]]
}

@test "the units' commands, as systemd runs them" {
    for unit in data train metrics; do
        # a continued line; ${NAME} and a word $NAME mean to sh what they mean to systemd
        command=$(sed -n '/^ExecStart=/,/[^\\]$/p' "$ROOT/pipelines/systemd/rec-$unit.service" | sed 's/^ExecStart=//; s|/usr/local/bin/||; s/\\$//' | tr '\n' ' ')
        run -0 env -i "${SETTINGS[@]}" /bin/sh -c "exec $command"
    done
    ran data
    ran training
    grep -q '^rec_step_last_exit_code{dataset="sample",step="sample.train"} 0$' textfile/rec_sample.prom
    grep -q '^rec_model_info{dataset="sample",version="1",digest="[0-9a-f]*",model="ials"} 1$' textfile/rec_sample.prom
    [ "$(stat -c %a textfile/rec_sample.prom)" = 644 ]
}
