#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031,SC2154 # a test is a subshell, and is to be; run sets stderr

load ../helper
load ../serve
setup() {
    rec_setup
    unset "${!REC_JOB_@}" REC_RUN REC_RUN_LOG STATE_DIRECTORY XDG_STATE_HOME
    export HOME=$PWD
    PIDS=()
}
teardown() {
    # what a failed test left: processes of ours alone
    local p
    for p in "${PIDS[@]}"; do { kill -9 "$p" && wait "$p"; } 2>/dev/null || :; done
}

# gone PID: it runs no more; one that nobody has waited for yet counts as gone
gone() { ! [[ $(ps -o stat= -p "$1" 2>/dev/null) =~ ^[^Z] ]]; }
# last KEY: of the last line of the run log
last() { tail -n 1 runs.jsonl | jq -c ".$1"; }

# ---- the command, and what is passed through ----

@test "without options it is the command: words, streams, standard input, exit status" {
    run -0 --separate-stderr rec-job sh -c 'cat; echo "$# $1" >&2' x 'a  b' -n <<<in
    [ "$output" = in ]
    [ "$stderr" = '2 a  b' ]
    run -42 rec-job -- sh -c 'exit 42'
    run -143 rec-job sh -c 'kill -TERM $$'
    # (of a PATH with a directory that we may not search, execvp(3) says that)
    PATH=$REC_BIN:/usr/bin:/bin refuses 127 '^rec-job: no-such-command: no such file or directory$' rec-job no-such-command
    touch plain
    refuses 126 '^rec-job: \./plain: permission denied$' rec-job ./plain
    [ ! -e .local ]
}

@test "a terminal is not read from: who does is not stopped" {
    run -0 timeout 30 script -qec 'rec-job sh -c "cat; echo end"' /dev/null
    [ "${lines[-1]%$'\r'}" = end ]
}

@test "options end where the command begins" {
    run -0 rec-job echo --name x --config nowhere -h
    [ "$output" = '--name x --config nowhere -h' ]
    run -0 rec-job -q --no-lock --name=x -- echo --versoin
    [ "$output" = --versoin ]
    run -0 rec-job -qn x --wait 0 echo -- a
    [ "$output" = '-- a' ]
    refuses 2 '^rec-job: an operand is missing' rec-job -n x --
}

@test "settings come from the environment and rec.yaml" {
    printf 'job:\n  final: 7\n  retries: 2\n  backoff: 0\n' >rec.yaml
    run -1 rec-job sh -c 'echo x; exit 1'
    [ "$(grep -c '^x$' <<<"$output")" -eq 3 ]
    run -7 rec-job sh -c 'exit 7'
    rm rec.yaml
    # of this job, and not of those that it starts
    REC_JOB_RETRIES=1 REC_JOB_BACKOFF=0 run -1 rec-job -q -- sh -c 'env | grep ^REC_JOB_; rec-job -q -- sh -c "echo y; exit 1"'
    [ "$output" = $'y\ny' ]
    REC_RUN_LOG=runs.jsonl rec-job true
    [ "$(last exit)" = 0 ]
}

@test "wrong usage is exit 2" {
    refuses 2 '^rec-job: --name is missing' rec-job --mail a@b true
    refuses 2 '^rec-job: --name: 1 to 80 bytes' rec-job --name '' true
    refuses 2 '^rec-job: --name: 1 to 80 bytes' rec-job --name "$(printf 'a\nb')" true
    refuses 2 '^rec-job: --lock and --no-lock' rec-job --lock l --no-lock true
    refuses 2 '^rec-job: --final: numbers' rec-job --final a true
    refuses 2 '^rec-job: --mail: an address is one line' rec-job -n x --mail "$(printf 'a\nBcc: b')" true
    refuses 2 '^rec-job: --tee: for --log only' rec-job --tee true
    refuses 2 '^rec-job: --textfile: a directory, or a name that ends in .prom' rec-job -n x --textfile metrics.txt true
    refuses 2 '^rec-job: --timeout: -1 is out of range' rec-job --timeout=-1 true
}

# ---- locks ----

@test "a second one of the name ends at once, with a note; another name, or --no-lock, runs" {
    rec-job -n a sh -c 'echo >started; sleep 30' &
    PIDS+=($!)
    within 200 test -e started
    run -0 rec-job -n a echo ran
    [ "$output" = 'rec-job: a: is running already' ]
    run -75 rec-job -q -n a -E 75 echo ran
    [ -z "$output" ]
    run -0 rec-job -n b echo ran
    [ "$output" = ran ]
    run -0 rec-job -n a --no-lock echo ran
    [ "$output" = ran ]
    run -0 rec-job echo ran
    [ "$output" = ran ]
    kill "${PIDS[0]}"
    wait "${PIDS[0]}" || [ $? -eq 143 ]
    run -0 rec-job -n a echo ran
    [ "$output" = ran ]
}

@test "--wait waits, so long and no longer; --lock names the file" {
    rec-job --lock l sh -c 'echo >started; while [ ! -e go ]; do sleep 0.05; done' &
    PIDS+=($!)
    within 200 test -e started
    run -75 rec-job --lock l --wait 0.2 -E 75 echo ran
    { sleep 0.5; touch go; } &
    run -0 rec-job --lock l --wait 60 echo ran
    [ "$output" = ran ]
    wait
}

@test "of many at once, one runs" {
    for _ in 1 2 3 4 5 6 7 8; do rec-job -n many sh -c 'echo x >>ran; while [ ! -e go ]; do sleep 0.05; done' 2>>notes & done
    refused() { [ "$(wc -l <notes)" -eq 7 ]; }
    within 200 refused
    touch go
    wait
    [ "$(wc -l <ran)" -eq 1 ]
}

@test "a name is no path" {
    run -0 rec-job -n ../../a/b --state s true
    [ -e 's/%2E.%2F..%2Fa%2Fb.lock' ]
    STATE_DIRECTORY=$PWD/service:/elsewhere rec-job -n a true
    [ -e service/jobs/a.lock ]
    XDG_STATE_HOME=$PWD/xdg rec-job -n a true
    [ -e xdg/rec/jobs/a.lock ]
    rec-job -n a true
    [ -e .local/state/rec/jobs/a.lock ]
    HOME='' run -125 rec-job -n a true
    [[ $output == 'rec-job: --state: neither it nor HOME is set'* ]]
    run -125 rec-job -n a --state /dev/null/x true
    [[ $output == 'rec-job: /dev/null: '* || $output == 'rec-job: /dev/null/x: '* ]]
}

# ---- processes ----

@test "a timeout ends the command and its children, those that ignore SIGTERM too" {
    SECONDS=0
    run -124 rec-job --timeout 1 --kill-after 0.3 --run-log runs.jsonl -- \
        sh -c 'trap "" TERM; sh -c "trap \"\" TERM; echo \$\$ >grandchild; sleep 60; sleep 60" & echo $$ >child; sleep 60; sleep 60'
    [ "$SECONDS" -lt 20 ]
    within 200 gone "$(cat child)"
    within 200 gone "$(cat grandchild)"
    [ "$(last exit)" = 124 ]
    [ "$(last timed_out)" = true ]
    [ "$(last signal)" = 9 ]
}

@test "a command that ends well by SIGTERM is timed out all the same; one in time is not" {
    run -124 rec-job --timeout 0.2 -- sh -c 'trap "exit 0" TERM; while :; do sleep 0.05; done'
    run -0 rec-job --timeout 20 true
}

@test "signals are passed on to the group; there is no attempt after one to end by" {
    rec-job --retries 5 --backoff 0 sh -c 'trap "echo usr1 >>got" USR1; sleep 60 & echo $! >grandchild; echo >>started; while :; do sleep 0.05; done' &
    PIDS+=($!)
    within 200 test -s started
    kill -USR1 "${PIDS[0]}"
    within 200 test -s got
    kill "${PIDS[0]}"
    run wait "${PIDS[0]}"
    status=0; wait "${PIDS[0]}" || status=$?
    [ "$status" -eq 143 ]
    [ "$(wc -l <started)" -eq 1 ]
    within 200 gone "$(cat grandchild)"
}

@test "a signal ends the wait between attempts" {
    rec-job --retries 5 --backoff 300 sh -c 'echo >started; exit 1' 2>err &
    PIDS+=($!)
    within 200 grep -q again err
    kill -TERM "${PIDS[0]}"
    status=0; wait "${PIDS[0]}" || status=$?
    [ "$status" -eq 1 ]
}

@test "kill -9 of rec-job leaves no process and no lock" {
    rec-job -n k --kill-after 0.3 -- sh -c 'trap "" TERM; sleep 60 & echo $! >grandchild; echo $$ >child; while :; do sleep 0.05; done' &
    PIDS+=($!)
    within 200 test -s child
    kill -9 "${PIDS[0]}"
    run -0 rec-job -n k --wait 20 echo next
    [ "$output" = next ]
    # the lock was not free before they had ended
    gone "$(cat child)"
    gone "$(cat grandchild)"
}

@test "what the command leaves running lives on, and does not keep rec-job waiting" {
    SECONDS=0
    run -0 rec-job --log l sh -c 'sleep 60 & echo $! >left'
    [ "$SECONDS" -lt 15 ]
    run ! gone "$(cat left)"
    kill "$(cat left)"
}

# ---- attempts ----

@test "it is tried again, later and later; not after 2 or 3" {
    run -1 rec-job --retries 3 --backoff 0.2 --run-log runs.jsonl sh -c 'echo try; exit 1'
    [ "$(grep -c '^try$' <<<"$output")" -eq 4 ]
    grep -qE '^rec-job: sh: exit 1; again in 0\.[12] s, 1 of 3$' <<<"$output"
    # 0.1 to 0.2, 0.2 to 0.4, 0.4 to 0.8
    jq -s -e '[.[].attempt] == [1, 2, 3, 4] and ([.[].run] | unique | length) == 1 and
        (map(.time | sub("(?<s>.*)\\.(?<ms>.*)Z"; "\(.s)Z") | fromdate) | . == sort)' runs.jsonl
    jq -r .time runs.jsonl | sed 's/.*:\([0-9.]*\)Z/\1/' >seconds
    awk 'NR > 1 { d = $1 - was; if (d < 0) d += 60; if (d < 0.1 * 2 ^ (NR - 2) - 0.002) { print NR, d; bad = 1 } } { was = $1 } END { exit bad }' seconds
    for s in 2 3; do
        run -$s rec-job --retries 3 --backoff 0 sh -c "echo try; exit $s"
        [ "$(grep -c try <<<"$output")" -eq 1 ]
    done
    run -2 rec-job -q --final 3,4 --retries 1 --backoff 0 sh -c "echo try; exit 2"
    [ "$(grep -c try <<<"$output")" -eq 2 ]
    run -0 rec-job -q --retries 3 --backoff 0 sh -c 'test -e flag || { touch flag; exit 1; }'
    run -124 rec-job -q --retries 1 --backoff 0 --timeout 0.2 sh -c 'echo try; exec sleep 60'
    [ "$(grep -c try <<<"$output")" -eq 2 ]
}

# ---- output ----

@test "--log: lines with times, of both streams and our own; --tee passes on as well" {
    run -0 rec-job --log l -- sh -c 'echo one; echo two >&2; printf three'
    [ -z "$output" ]
    sed -E 's/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z //; s/run [a-z0-9]{16}/run X/; s/[0-9.]+ s$/N s/' l | LC_ALL=C sort >got
    printf '%s\n' 'err two' "job attempt 1, run X: sh -c 'echo one; echo two >&2; printf three'" 'job exit 0 after N s' 'out one' 'out three' | cmp got -
    run -0 --separate-stderr rec-job --log l --tee -- sh -c 'echo one; echo two >&2'
    [ "$output" = one ]
    [ "$stderr" = two ]
    [ "$(grep -c ' out one$' l)" -eq 2 ]
}

@test "the log is put aside by size, and so many are kept" {
    for _ in 1 2 3 4 5 6; do rec-job --log l --log-size 2000 --log-keep 2 -- seq 1 60; done
    ls l l.1 l.2
    [ ! -e l.3 ]
    for f in l l.1 l.2; do [ "$(stat -c %s $f)" -le 2500 ]; done
    # nothing between the files is lost
    cat l.2 l.1 l | sed -n 's/.* out //p' >lines
    awk 'NR > 1 && $1 != was % 60 + 1 { exit 1 } { was = $1 }' lines
    # two at once
    for _ in 1 2; do rec-job --log m --log-size 2000 --log-keep 50 -- seq 1 300 & done
    wait
    [ "$(cat m m.* | grep -c ' out ')" -eq 600 ]
}

@test "--quiet-success: output only when it fails, all of it, of all attempts, each on its stream" {
    run -0 rec-job --quiet-success -- sh -c 'echo one; echo two >&2'
    [ -z "$output" ]
    run -5 --separate-stderr rec-job -q --quiet-success --retries 1 --backoff 0 -- sh -c 'echo one; echo two >&2; exit 5'
    [ "$output" = $'one\none' ]
    [ "$stderr" = $'two\ntwo' ]
    rec-job --quiet-success -- sh -c 'seq 1 200000; exit 1' >big || :
    seq 1 200000 | cmp - big
}

@test "who reads no more ends the command, as without rec-job; a full disk is an error" {
    # with a log it goes on, as that is still read
    rec-job --log l --tee sh -c 'for i in 1 2 3; do echo $i; sleep 0.2; done' | head -n 1
    grep -q ' out 3$' l
    run -141 bash -c 'set -o pipefail; rec-job -n x --notify-command true yes | head -n 1 >/dev/null'
    run -125 bash -c 'rec-job --log l --tee echo a >/dev/full'
    [ "$output" = 'rec-job: standard output: no space left on device' ]
    run -125 rec-job --log /dev/full echo a
    grep -q '^rec-job: /dev/full: no space left on device$' <<<"$output"
    # what cannot be logged is not lost
    grep -q '^a$' <<<"$output"
    run -125 rec-job --log nowhere/l echo a
    [ "$output" = 'rec-job: nowhere/l: no such file or directory' ]
}

# ---- the run log ----

@test "the run log: what it read, made and took" {
    seq 1 1000 >in
    rec-synth -q --users 10 --items 20 --ratings 50 --format rec -o r.rec
    rec-job -n step --run-log runs.jsonl --input in --input r.rec --input nowhere --output out --output . -- \
        sh -c 'sort in >out; : postgresql://u:secret@h/d'
    [ "$(last name)" = '"step"' ]
    [ "$(last 'inputs[0]')" = "{\"path\":\"in\",\"bytes\":3893,\"sha256\":\"$(sha256sum in | cut -d' ' -f1)\"}" ]
    [ "$(last 'inputs[1].sha256')" = "\"$(sha256sum r.rec | cut -d' ' -f1)\"" ]
    [ "$(last 'inputs[1].crc32c')" = "$(rec-info --json r.rec | jq '.metadata.crc32c // .crc32c')" ]
    [ "$(last 'inputs[2]')" = '{"path":"nowhere","bytes":null,"sha256":null}' ]
    [ "$(last 'outputs[0].sha256')" = "\"$(sha256sum out | cut -d' ' -f1)\"" ]
    [ "$(last 'outputs[1].bytes')" = null ]
    [ "$(last 'command[2]')" = '"sort in >out; : postgresql://u:***@h/d"' ]
    [ "$(last host)" = "\"$(uname -n)\"" ]
    rec-job --run-log runs.jsonl -- sh -c 'head -c 100000000 /dev/zero | tail -c 50000000 >/dev/null; exit 4' || [ $? -eq 4 ]
    jq -s -e '.[1] | .exit == 4 and .signal == null and .attempt == 1 and .seconds > 0 and .user_seconds + .system_seconds > 0 and
        .max_rss_bytes > 50000000 and .max_rss_bytes < 200000000 and .inputs == []' runs.jsonl
}

@test "the steps of a run have its name" {
    rec-job --run-log runs.jsonl -- sh -c 'rec-job --run-log runs.jsonl true; rec-job --run-log runs.jsonl true'
    jq -s -e 'length == 3 and ([.[].run] | unique | length) == 1' runs.jsonl
    REC_RUN=mine-7 rec-job --run-log runs.jsonl true
    [ "$(last run)" = '"mine-7"' ]
    REC_RUN='a b"' rec-job --run-log runs.jsonl true
    [[ $(last run) =~ ^\"[a-z2-7]{16}\"$ ]]
}

@test "lines of many at once are whole; what a killed writer left is cut off" {
    for _ in $(seq 20); do rec-job --run-log runs.jsonl true & done
    wait
    [ "$(jq -s length runs.jsonl)" -eq 20 ]
    printf '{"time":"2026-' >>runs.jsonl
    rec-job --run-log runs.jsonl true
    [ "$(jq -s length runs.jsonl)" -eq 21 ]
}

@test "a run log that cannot be written is an error, after the command" {
    run -125 rec-job --run-log /dev/full touch ran
    [ "$output" = 'rec-job: /dev/full: not recorded: no space left on device' ]
    [ -e ran ]
    run -4 rec-job --run-log nowhere/runs.jsonl sh -c 'exit 4'
    [ "$output" = 'rec-job: nowhere/runs.jsonl: no such file or directory' ]
}

# ---- what is kept, and Prometheus ----

@test "--textfile: last run, last success, totals over runs; whole, readable by all" {
    mkdir prom
    umask 077
    run -0 rec-job -n 'a "job"' --state s --textfile prom true
    run -7 rec-job -n 'a "job"' --state s --textfile prom sh -c 'exit 7'
    run -137 rec-job -n 'a "job"' --state s --textfile prom sh -c 'kill -9 $$'
    f=prom/rec_job_a%20%22job%22.prom
    [ "$(ls -A prom)" = "$(basename $f)" ]
    [ "$(stat -c %a $f)" = 644 ]
    promtool check metrics <$f
    grep -qxF 'rec_job_last_exit_code{job_name="a \"job\""} 137' $f
    grep -qxF 'rec_job_runs_total{job_name="a \"job\"",result="failure"} 2' $f
    grep -qxF 'rec_job_runs_total{job_name="a \"job\"",result="success"} 1' $f
    awk -v now="$(date +%s)" '/^rec_job_last_(success|run)_/ { n++; if ($NF > now + 1 || $NF < now - 120) exit 1 } END { exit n != 2 }' $f
    # a damaged state begins anew
    echo '{' >s/a%20%22job%22.json
    run -0 rec-job -n 'a "job"' --state s --textfile prom/own.prom true
    grep -qxF 'rec_job_runs_total{job_name="a \"job\"",result="success"} 1' prom/own.prom
    run -125 rec-job -n x --state s --textfile nowhere/x.prom true
    [ "$output" = 'rec-job: nowhere/x.prom: no such file or directory' ]
}

# ---- notifications ----

@test "on failure and on recovery, and not otherwise, the command is run with a report" {
    local say='echo "$JOB_EVENT $JOB_NAME $JOB_EXIT $JOB_ATTEMPTS" >>told; cat >report'
    run -0 rec-job -n n --notify-command "$say" true
    [ ! -e told ]
    run -4 --separate-stderr rec-job -q -n n --retries 1 --backoff 0 --notify-command "$say" sh -c 'echo out; echo err >&2; exit 4'
    [ "$output" = $'out\nout' ]
    [ "$(cat told)" = 'failed n 4 2' ]
    grep -qx "n failed on $(uname -n): exit 4" report
    grep -qx 'err' report
    rm told
    run -0 rec-job -n n --notify-command "$say" true
    [ "$(cat told)" = 'recovered n 0 1' ]
    rm told
    run -0 rec-job -n n --notify-command "$say" true
    [ ! -e told ]
    # what does not work is said, and changes nothing
    run -4 --separate-stderr rec-job -n n --notify-command 'exit 9' sh -c 'exit 4'
    [ "$stderr" = 'rec-job: --notify-command: /bin/sh: exit 9' ]
}

@test "--mail goes to sendmail as mail" {
    mkdir bin
    printf '%s\n' '#!/bin/sh' 'echo "$@" >args' 'cat >mail' >bin/sendmail
    chmod +x bin/sendmail
    PATH=$PWD/bin:$PATH run -3 rec-job -n 'größe' --mail ops@example.org --quiet-success sh -c 'echo "last words"; exit 3'
    [ "$(cat args)" = '-t -i' ]
    python3 - <<'END'
import email, email.policy, socket
m = email.message_from_binary_file(open("mail", "rb"), policy=email.policy.default)
assert m["To"] == "ops@example.org", m["To"]
assert m["Subject"] == f"größe failed on {socket.gethostname()}: exit 3", m["Subject"]
assert m["Auto-Submitted"] == "auto-generated"
text = m.get_content()
assert "last words\n" in text and "größe failed" in text, text
END
    # without it, mail(1)
    if [ ! -x /usr/sbin/sendmail ] && [ ! -x /usr/lib/sendmail ] && ! command -v sendmail; then
        mv bin/sendmail bin/mail
        PATH=$PWD/bin:$PATH run -3 rec-job -n b --mail ops@example.org sh -c 'exit 3'
        [ "$(cat args)" = "-s b failed on $(uname -n): exit 3 ops@example.org" ]
        rm bin/mail
        if ! command -v mail; then
            run -3 rec-job -n b --mail ops@example.org sh -c 'exit 3'
            [ "$output" = 'rec-job: --mail: neither sendmail nor mail is there' ]
        fi
    fi
}

@test "--webhook: JSON to a server, whose address is not shown" {
    cat >server.py <<'END'
import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open("arguments", "a") as f:
            for p in filter(str.isdigit, os.listdir("/proc")):
                try:
                    f.write(open(f"/proc/{p}/cmdline").read().replace("\0", " ") + "\n")
                except OSError:
                    pass
        with open("posts", "a") as f:
            print(json.dumps({"path": self.path, "type": self.headers["Content-Type"], "body": json.loads(body)}), file=f)
        self.send_response(403 if self.path == "/no" else 200)
        self.end_headers()
    def log_message(self, *args):
        pass
s = http.server.HTTPServer(("127.0.0.1", 0), Handler)
open("port.new", "w").write(str(s.server_port))
os.rename("port.new", "port")
s.serve_forever()
END
    python3 server.py 3>&- &
    PIDS+=($!)
    within 100 test -e port
    REC_JOB_WEBHOOK="http://127.0.0.1:$(cat port)/hook-$$-secret"
    export REC_JOB_WEBHOOK
    run -1 rec-job -q -n w --retries 1 --backoff 0 sh -c 'printf "a \"quoted\"\\\\ \377 line\n\ttab\n"; exit 1'
    jq -e --arg host "$(uname -n)" '.type == "application/json" and (.path | endswith("-secret")) and (.body | .text == "w failed on \($host): exit 1" and
        .event == "failed" and .name == "w" and .exit == 1 and .signal == null and .attempts == 2 and (.output | contains("a \"quoted\"\\ ")) and
        (.output | contains("\n\ttab\n")))' posts
    run ! grep -F "hook-$$-secret" arguments
    run -0 rec-job -n w true
    [ "$(jq -r .body.event posts | tail -n 1)" = recovered ]
    [ "$(wc -l <posts)" -eq 2 ]
    unset REC_JOB_WEBHOOK
    run -1 --separate-stderr rec-job -n w --webhook "http://127.0.0.1:$(cat port)/no" false
    grep -qx 'rec-job: --webhook: curl: exit 22' <<<"$stderr"
    run -1 --separate-stderr rec-job -n w --webhook 'http://127.0.0.1:1/' false
    grep -qx 'rec-job: --webhook: curl: exit 7' <<<"$stderr"
}
