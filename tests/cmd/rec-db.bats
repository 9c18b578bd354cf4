#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031,SC2154 # `run` sets output, lines and stderr anew in each test
# What both databases do alike is a function here, and a test for each of them.

load ../helper

setup_file() {
    PG=$("$ROOT/tests/postgres" start "$BATS_FILE_TMPDIR/pg")
    export PG
}
teardown_file() { "$ROOT/tests/postgres" stop "$BATS_FILE_TMPDIR/pg"; }

setup() {
    rec_setup
    rec-synth -q --users 30 --items 40 --ratings 500 --seed 7 >r.csv
    printf 'movieId,title,genres\n1,"Heat, the (1995)",Crime|Drama\n2,Sleep,(no genres listed)\n3,日本 (2001),Drama\n' >m.csv
}

# on sqlite|postgresql: an empty database of its own for this test; `sql` asks it behind our back.
on() {
    kind=$1
    if [ "$kind" = sqlite ]; then
        sql() { sqlite3 rec.db "$1"; }
    else
        REC_STORE=${PG/\/rec\?//t$BATS_TEST_NUMBER?}
        export REC_STORE
        psql -qX "$PG" -c "CREATE DATABASE t$BATS_TEST_NUMBER"
        sql() { psql -qXAt "$REC_STORE" -c "$1"; }
    fi
}
sorted() { tail -n +2 | LC_ALL=C sort; }
# Lines of ids, rating and time, whatever order and name the columns came in.
pairs() { rec-ingest -q "$@" | rec-cat; }
# at_terminal COMMAND ANSWER...: each answer when the tool has asked for something that ends in ": ".
at_terminal() {
    python3 - "$@" <<'P'
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execvp("bash", ["bash", "-c", sys.argv[1]])
seen, answers = b"", sys.argv[2:]
while True:
    try:
        part = os.read(fd, 1000)
    except OSError:
        break
    if not part:
        break
    seen += part
    sys.stdout.buffer.write(part)
    if answers and seen.endswith(b": "):
        os.write(fd, answers.pop(0).encode() + b"\n")
        seen = b""
print(flush=True)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
P
}

# ---- the schema ----

init_and_status() {
    run -0 rec-db init
    [ "${lines[0]}" = "rec-db: rec.keys: a new keyring; keep a copy of it elsewhere: e-mail and backups are lost without it" ]
    [[ ${lines[1]} == "rec-db: ${REC_STORE-rec.db}: made, with schema version 1" ]]
    [ "$(stat -c %a rec.keys)" = 600 ]
    [ "$kind" != sqlite ] || [ "$(stat -c %a rec.db)" = 600 ]
    cp rec.keys before
    run -0 rec-db init
    [[ $output == *": is there, with schema version 1" ]]
    cmp rec.keys before
    run -0 rec-db status --format csv
    [ "${lines[0]}" = version,name,state,applied ]
    [[ ${lines[1]} =~ ^1,initial,applied,20[0-9-]+T[0-9:]+Z$ ]]
    [ "$(sql "SELECT action FROM audit_log")" = store.init ]
    [ "$(sql "SELECT actor FROM audit_log")" = "rec-db:$(id -un)" ]
}
@test "init and status, SQLite" { on sqlite; init_and_status; }
@test "init and status, PostgreSQL" { on postgresql; init_and_status; }

force_reset() {
    rec-db init -q
    rec-db load ratings -q r.csv
    refuses 2 "this drops everything in .*: a script has to say --yes" rec-db init --force-reset </dev/null
    [ "$(sql 'SELECT count(*) FROM ratings')" -gt 0 ]
    run -0 rec-db init --force-reset --yes
    [[ $output == *": emptied, with schema version 1" ]]
    [ "$(sql 'SELECT count(*) FROM ratings')" -eq 0 ]
    rec-db load ratings -q r.csv
    rec-db status -q >/dev/null
}
@test "force-reset, SQLite" { on sqlite; force_reset; }
@test "force-reset, PostgreSQL" { on postgresql; force_reset; }

@test "force-reset asks for the name of the store at a terminal" {
    rec-db init -q
    rec-db load ratings -q r.csv
    run -1 at_terminal 'rec-db init --force-reset' yes
    [[ $output == *"nothing was changed"* ]]
    [ "$(sqlite3 rec.db 'SELECT count(*) FROM ratings')" -gt 0 ]
    run -0 at_terminal 'rec-db init --force-reset' rec.db
    [ "$(sqlite3 rec.db 'SELECT count(*) FROM ratings')" -eq 0 ]
}

migrations() {
    mkdir m
    cp "$ROOT"/data/migrations/0001-*.sql m
    echo 'CREATE TABLE extra (x INTEGER PRIMARY KEY);' >m/0002-extra.up.sql
    echo 'DROP TABLE extra;' >m/0002-extra.down.sql
    printf 'CREATE TABLE half (x INTEGER);\nSELECT nonsense FROM nowhere;\n' >m/0003-bad.up.sql
    rec-db init -q
    run -3 rec-db status --migrations m --format csv
    [ "${lines[2]}" = 2,extra,pending, ]
    run -0 rec-db migrate --migrations m --dry-run
    [[ ${lines[0]} == *": 0002 extra would be applied" ]]
    run -3 rec-db status --migrations m
    # the one that fails leaves what was before it, and says which it was
    run -1 rec-db migrate --migrations m
    [[ ${lines[0]} == *": 0002 extra applied" ]]
    [[ ${lines[1]} == *"0003"* ]]
    run ! sql 'SELECT * FROM half'
    [ "$(sql 'SELECT max(version) FROM schema_migrations')" -eq 2 ]
    rm m/0003-bad.up.sql
    run -0 rec-db migrate --migrations m
    [[ $output == *": nothing to apply, the schema is version 2" ]]
    # a schema that is newer than the program
    refuses 1 'schema' rec-db stats
    run -3 rec-db status
    [[ $output == *unknown* ]]
    refuses 2 'this loses .*: a script has to say --yes' rec-db rollback --migrations m </dev/null
    run -0 rec-db rollback --migrations m --yes
    [[ $output == *": 0002 extra taken back" ]]
    rec-db stats -q >/dev/null
    [ "$(sql "SELECT detail FROM audit_log WHERE action = 'schema.rollback'")" = 'version 2 to 1' ]
    # a file that was changed after it was applied
    rec-db migrate -q --migrations m
    echo '-- changed' >>m/0002-extra.up.sql
    run -3 rec-db status --migrations m --format csv
    [[ ${lines[2]} == 2,extra,changed,* ]]
    run -1 rec-db migrate --migrations m
}
@test "migrations, SQLite" { on sqlite; migrations; }
@test "migrations, PostgreSQL" { on postgresql; migrations; }

# ---- data ----

load_and_export() {
    rec-db init -q
    run -0 rec-db load ratings <r.csv
    [[ ${lines[0]} == "rec-db: standard input: comma, header, "* ]]
    n=$(($(pairs r.csv | wc -l) - 1))
    [[ ${lines[1]} == "rec-db: standard input: $n ratings: $n added, 0 changed, 0 the same; 30 new users, "*" new movies" ]]
    # what comes out is what went in
    rec-db export ratings -q | rec-ingest -q >back.rec
    cmp <(rec-cat back.rec) <(pairs r.csv)
    # the same again changes nothing, in any form: one of our files, by name, by <, and in a pipe
    rec-ingest -q r.csv >r.rec
    for how in 'r.rec' '<r.rec' '- < <(cat r.rec)' '- < <(gzip -c r.csv)'; do
        run -0 bash -c "rec-db load ratings $how"
        [[ $output == *": $n ratings: 0 added, 0 changed, $n the same"* ]]
    done
    # a later rating counts, an earlier one does not
    printf 'u,i,r,t\nx,y,3,100\n' >a.csv
    printf 'u,i,r,t\nx,y,5,200\n' >b.csv
    printf 'u,i,r,t\nx,y,1,150\n' >c.csv
    for f in a b c; do rec-db load ratings -q --columns user=u,item=i,rating=r,time=t $f.csv; done
    [ "$(rec-db export ratings -q --no-header -d '\t' | grep '^x' | tr '\t' ' ')" = 'x y 5 200' ]
    refuses 1 '^rec-db: r.csv: ' rec-db load ratings -q r.csv --columns user=no
    refuses 1 '^rec-db: nowhere: ' rec-db load ratings -q nowhere
    head -c 1000 r.rec >short.rec
    refuses 1 '^rec-db: short.rec: ' rec-db load ratings -q short.rec
    printf 'user,item,rating\na,b,1\na,c,x\n' >bad.csv
    refuses 1 '^rec-db: bad.csv:3:' rec-db load ratings -q bad.csv
    [ "$(rec-db export ratings -q | wc -l)" -eq $((n + 2)) ]
}
@test "load and export ratings, SQLite" { on sqlite; load_and_export; }
@test "load and export ratings, PostgreSQL" { on postgresql; load_and_export; }

movies() {
    rec-db init -q
    run -0 rec-db load movies m.csv
    [[ ${lines[1]} == "rec-db: m.csv: 3 movies: 3 added, 0 changed, 0 the same" ]]
    rec-ingest -q --movies m.csv >m.rec
    run -0 rec-db load movies m.rec
    [[ $output == "rec-db: m.rec: 3 movies: 0 added, 0 changed, 3 the same" ]]
    rec-db export movies -q | rec-ingest -q --movies | rec-cat >back
    cmp back <(rec-cat m.rec)
    printf 'movieId,title,genres\n2,Sleep (1963),Drama\n' | rec-db load movies -q
    [ "$(rec-db export movies -q --no-header | grep '^2')" = '2,Sleep (1963),Drama' ]
    refuses 1 '^rec-db: r.rec: ' rec-db load movies r.rec
    rec-ingest -q r.csv >r.rec
    refuses 1 '^rec-db: r.rec: ' rec-db load movies r.rec
}
@test "movies, SQLite" { on sqlite; movies; }
@test "movies, PostgreSQL" { on postgresql; movies; }

since_and_mark() {
    rec-db init -q
    rec-db load ratings -q r.csv
    [ "$(rec-db export ratings -q --since 2100-01-01 | wc -l)" -eq 1 ]
    [ "$(rec-db export ratings -q --since 2020 | wc -l)" -gt 1 ]
    rec-db export ratings -q --mark mark >all
    [ "$(wc -l <all)" -gt 1 ]
    moment=$(cat mark)
    [ "$moment" -le "$(date +%s)" ] && [ "$moment" -gt "$(($(date +%s) - 600))" ]
    # a failed export leaves the mark
    echo 4102444800 >mark
    run -1 bash -c 'rec-db export ratings -q --mark mark >/dev/full'
    [ "$(cat mark)" = 4102444800 ]
    [ "$(rec-db export ratings -q --mark mark | wc -l)" -eq 1 ]
    [ "$(cat mark)" != 4102444800 ]
    echo nonsense >mark
    refuses 1 '^rec-db: mark: not a mark' rec-db export ratings --mark mark
    [ "$(cat mark)" = nonsense ]
    [ "$(rec-db export feedback -q)" = userId,movieId,kind,value,timestamp,requestId,arm,received ]
    refuses 2 'one of them' rec-db export ratings --mark x --since 2020
}
@test "since and mark, SQLite" { on sqlite; since_and_mark; }
@test "since and mark, PostgreSQL" { on postgresql; since_and_mark; }

stats() {
    rec-db init -q
    rec-db load ratings -q r.csv
    rec-db stats --format json >s.json
    [ "$(jq .ratings s.json)" -eq "$(sql 'SELECT count(*) FROM ratings')" ]
    [ "$(jq .users s.json)" -eq 30 ]
    [ "$(jq .feedback_last s.json)" = null ]
    rec-db stats --format csv | grep -q '^users,30,'
    rec-db stats | grep -qE '^users +30 '
}
@test "stats, SQLite" { on sqlite; stats; }
@test "stats, PostgreSQL" { on postgresql; stats; }

# ---- accounts and keys ----

accounts() {
    rec-db init -q
    run -0 --separate-stderr rec-db user add ann --role admin --email ann@example.org --password-stdin <<<'correct horse battery'
    [ -z "$output" ]
    [[ $stderr =~ ^rec-db:\ ann:\ added\ as\ admin,\ with\ the\ id\ [a-z2-7]{20}$ ]]
    run -0 --separate-stderr rec-db user add bob --generate-password
    [[ $output =~ ^[a-z2-7]{5}(-[a-z2-7]{5}){4}$ ]]
    printf 'c@example.org\nanother long one\nrest\n' | { rec-db user add -q carol --email-stdin --password-stdin; cat >rest; }
    [ "$(cat rest)" = rest ]
    rec-db user add -q robot --role service --no-password
    rec-db user list --format json >l.json
    [ "$(jq -r 'map([.name, .role, .email, .disabled] | map(tostring) | join(" ")) | join(",")' l.json)" = \
        'ann admin ann@example.org false,bob user  false,carol user c@example.org false,robot service  false' ]
    # nothing that was secret is to be seen in the database
    sql 'SELECT name, email_sealed, email_lookup, password FROM accounts' >rows
    run ! grep -qE 'example|horse|another long' rows
    [ "$(grep -c 'argon2id' rows)" -eq 3 ]
    [ "$kind" != sqlite ] || ! cat rec.db* | grep -qaE 'example|horse|another long'
    # without the keyring there are no addresses
    [ "$(rec-db user list --keys nowhere --format json | jq -r '.[0].email')" = '' ]
    refuses 1 'taken' rec-db user add ANN --no-password
    refuses 1 'taken' rec-db user add dan --no-password --email c@Example.org
    refuses 1 'password' rec-db user add dan --password-stdin <<<short
    refuses 1 '^rec-db: ' rec-db user add dan --no-password --email nobody
    refuses 2 'no terminal' rec-db user add dan </dev/null
    refuses 2 'one of them' rec-db user add dan --no-password --generate-password
    refuses 2 'not one of' rec-db user add dan --no-password --role king
    [ "$(sql 'SELECT count(*) FROM accounts')" -eq 4 ]
}
@test "accounts, SQLite" { on sqlite; accounts; }
@test "accounts, PostgreSQL" { on postgresql; accounts; }

changes() {
    rec-db init -q
    rec-db load ratings -q r.csv
    rec-db user add -q ann --role admin --no-password
    rec-db user add -q bob --no-password
    user=$(sed -n 2p r.csv | cut -d, -f1)
    run -0 rec-db user role bob analyst
    [ "$output" = 'rec-db: bob: is analyst' ]
    refuses 2 'king: is no role' rec-db user role bob king
    refuses 1 '^rec-db: account ann: is the last administrator' rec-db user role ann user
    refuses 1 'last administrator' rec-db user disable ann
    refuses 1 '^rec-db: nobody: there is no such account' rec-db user disable nobody
    rec-db user disable -q bob
    [ "$(rec-db user list --format csv | grep -c ',yes,')" -eq 1 ]
    rec-db user enable -q bob
    [ "$(rec-db user list --format csv | grep -c ',yes,')" -eq 0 ]
    rec-db user passwd -q bob --password-stdin <<<'a new long password'
    [ "$(sql "SELECT count(*) FROM accounts WHERE password LIKE '\$argon2id%'")" -eq 1 ]
    rec-db user email -q bob --email-stdin <<<bob@example.org
    rec-db user list | grep -q ' bob@example.org '
    rec-db user email -q bob --no-email
    run ! grep bob@ <(rec-db user list)
    refuses 2 'one of them' rec-db user email bob
    rec-db user tie -q bob "$user"
    [ "$(rec-db user list --format json | jq -r '.[1].user')" = "$user" ]
    refuses 1 '^rec-db: ' rec-db user tie ann "$user"
    refuses 1 '^rec-db: ' rec-db user tie ann no-such-user
    rec-db user untie -q bob
    [ "$(rec-db user list --format json | jq -r '.[1].user')" = '' ]
    # the lines are part of the changes: where none can be written, nothing is changed
    before=$(rec-db user list)
    sql 'ALTER TABLE audit_log RENAME TO away'
    for c in 'user role bob analyst' 'user disable bob' "user tie bob $user" 'user add eve --no-password' 'key create bob --for x --scopes y'; do
        # shellcheck disable=SC2086 # words
        run -1 rec-db $c
    done
    sql 'ALTER TABLE away RENAME TO audit_log'
    [ "$(rec-db user list)" = "$before" ]
    [ "$(rec-db key list --format csv | wc -l)" -eq 1 ]
    # who did what, without a name
    sql 'SELECT actor, action, object, detail FROM audit_log' >log
    for a in add role disable enable password email tie untie; do grep -q "account\.$a" log; done
    run ! grep -qE 'ann|bob|example' <(grep -v "rec-db:$(id -un)" log)
    run ! sql 'DELETE FROM audit_log'
    [ "$(sql 'SELECT count(*) FROM audit_log')" -eq "$(wc -l <log)" ]
}
@test "changes of accounts, SQLite" { on sqlite; changes; }
@test "changes of accounts, PostgreSQL" { on postgresql; changes; }

@test "a password is asked for twice, without echo" {
    rec-db init -q
    run -0 at_terminal 'rec-db user add ann' 'correct horse battery' 'correct horse battery'
    [[ $output == *"password: "*"password again: "*"ann: added as user"* ]]
    [[ $output != *horse* ]]
    run -1 at_terminal 'rec-db user add bob' 'correct horse battery' 'another horse battery'
    [[ $output == *"not the same twice"* ]]
    [ "$(sqlite3 rec.db 'SELECT count(*) FROM accounts')" -eq 1 ]
}

keys() {
    rec-db init -q
    rec-db user add -q robot --role service --no-password
    run -0 --separate-stderr rec-db key create robot --for nightly --scopes 'recommend feedback' --expires 90d
    [[ $output =~ ^rec_[a-z2-7]{12}_[a-z2-7]{32}$ ]]
    [[ $stderr == "rec-db: nightly: key "*" of robot; it is shown once" ]]
    key=$output
    id=${key:4:12}
    run ! grep -qa "${key:17}" <(sql 'SELECT * FROM api_keys')
    rec-db key create -q robot --for other --scopes feedback --expires 2100-01-01 >/dev/null
    rec-db key list --format json >k.json
    [ "$(jq -r 'map(.account + " " + .for + " " + .scopes) | sort | join(",")' k.json)" = 'robot nightly recommend feedback,robot other feedback' ]
    until=$(jq ".[] | select(.id == \"$id\") | .expires - .created" k.json)
    [ "$until" -eq $((90 * 86400)) ]
    [ "$(rec-db key list --account robot --format csv | wc -l)" -eq 3 ]
    rec-db key revoke -q "$id"
    [ "$(rec-db key list --format json | jq "[.[] | select(.revoked)] | length")" -eq 1 ]
    refuses 1 'there is no such key' rec-db key revoke aaaaaaaaaaaa
    refuses 1 'nobody: there is no such account' rec-db key create nobody --for x --scopes y
    refuses 1 'nobody: there is no such account' rec-db key list --account nobody
    refuses 1 '2001-01-01 is past' rec-db key create robot --for x --scopes y --expires 2001-01-01
    refuses 1 '^rec-db: --expires: "1y" is neither a date' rec-db key create robot --for x --scopes y --expires 1y
    refuses 2 '^rec-db: --for' rec-db key create robot --scopes y
    refuses 2 '^rec-db: --scopes' rec-db key create robot --for y
    [ "$(sql "SELECT count(*) FROM audit_log WHERE action LIKE 'key.%'")" -eq 3 ]
}
@test "API keys, SQLite" { on sqlite; keys; }
@test "API keys, PostgreSQL" { on postgresql; keys; }

# ---- backups ----

backups() {
    rec-db init -q
    rec-db load ratings -q r.csv
    rec-db user add -q ann --role admin --email ann@example.org --no-password
    mkdir models
    rec-ingest -q r.csv >models/a.rec
    cp rec.keys models/keys
    run -0 rec-db backup -o b.recbackup --with models
    [[ ${lines[0]} == "rec-db: 1 keyring left out: "* ]]
    [[ ${lines[1]} == "rec-db: b.recbackup: written: store "*" 1 files, "* ]]
    run ! grep -qa example b.recbackup
    run -0 rec-db verify b.recbackup
    [[ $output == "b.recbackup: whole: store "* ]]
    run -0 bash -c 'rec-db backup --print b.recbackup | tar -t'
    grep -qx 'files/models/a.rec' <<<"$output"
    run ! grep -q keys <<<"$(grep -v api_keys <<<"$output")"
    # into a new store, of the other kind
    if [ "$kind" = sqlite ]; then
        psql -qX "$PG" -c "CREATE DATABASE o$BATS_TEST_NUMBER"
        other=${PG/\/rec\?//o$BATS_TEST_NUMBER?}
    else
        other=other.db
    fi
    rec-db restore -q --store "$other" --keys rec.keys --files out b.recbackup
    cmp out/models/a.rec models/a.rec
    cmp <(rec-db export ratings -q --store "$other" | sorted) <(rec-db export ratings -q | sorted)
    [ "$(rec-db user list --store "$other" --keys rec.keys --format json | jq -r '.[0].email')" = ann@example.org ]
    # back over what has changed since
    printf 'user,item,rating\nnew,new,1\n' | rec-db load ratings -q
    refuses 1 'overwrite' rec-db restore b.recbackup
    refuses 2 'a script has to say --yes' rec-db restore --overwrite b.recbackup </dev/null
    rec-db restore -q --overwrite --yes b.recbackup
    cmp <(rec-db export ratings -q --store "$other" | sorted) <(rec-db export ratings -q | sorted)
    [ "$(sql "SELECT object FROM audit_log WHERE action = 'store.restore'")" = b.recbackup ]
    # a damaged one, one cut short, and one that is none touch nothing
    rec-db export ratings -q | sorted >before
    { head -c 2000 b.recbackup; printf X; tail -c +2002 b.recbackup; } >damaged
    head -c 3000 b.recbackup >short
    for f in damaged short r.csv /dev/null; do
        refuses 1 "^rec-db: $f: " rec-db verify "$f"
        refuses 1 "^rec-db: $f: " rec-db restore --overwrite --yes "$f"
        refuses 1 "^rec-db: $f: " rec-db restore --store none.db "$f"
        [ ! -e none.db ]
    done
    cmp <(rec-db export ratings -q | sorted) before
    # nor does one of another store, or without its key
    mkdir else
    rec-db init -q --store else/rec.db
    refuses 1 '^rec-db: ' rec-db restore --store else/rec.db --keys rec.keys --overwrite --yes b.recbackup
    [ "$(sqlite3 else/rec.db 'SELECT count(*) FROM ratings')" -eq 0 ]
    refuses 1 '^rec-db: b.recbackup: ' rec-db verify --keys else/rec.keys b.recbackup
    rec-db restore -q --store else/rec.db --keys rec.keys --overwrite --foreign --yes b.recbackup
    [ "$(sqlite3 else/rec.db 'SELECT count(*) FROM ratings')" -gt 0 ]
    refuses 1 'nowhere' rec-db verify --keys nowhere b.recbackup
}
@test "backup, verify, restore, SQLite" { on sqlite; backups; }
@test "backup, verify, restore, PostgreSQL" { on postgresql; backups; }

keep() {
    rec-db init -q
    mkdir d
    id=$(sql "SELECT value FROM meta WHERE name = 'store_id'")
    for i in 1 2 3; do
        run -0 rec-db backup --to d --keep last=1
        [[ $output == *"/d/rec-${id:0:8}-20"*"Z.recbackup: written: "* ]]
        [ "$i" -eq 3 ] || sleep 1.1
    done
    [[ $output == *": deleted, by --keep last=1"* ]]
    [ "$(ls d)" = "$(basename "$(sql 'SELECT name FROM backups')")" ]
    rec-db verify d/* >/dev/null
    [[ $(rec-db backup -q | rec-db verify -) == "standard input: whole: "* ]]
    refuses 2 'one of them' rec-db backup --to d -o x
    refuses 2 'of which directory' rec-db backup --keep last=1
    # a setting gives way to the command line
    printf 'db:\n  backup: {to: d, keep: last=1}\n' >rec.yaml
    rec-db backup -q -o apart
    [ "$(sql "SELECT expires FROM backups WHERE name LIKE '%apart'")" -eq 0 ]
    rec-db backup -q
    [ "$(find d -type f | wc -l)" -eq 1 ]
    rm rec.yaml
    refuses 1 '^rec-db: --keep: ' rec-db backup --to d --keep sometimes
    refuses 1 '^rec-db: nowhere: ' rec-db backup --to nowhere
    # a failure leaves neither a new file nor a shorter list
    run -1 bash -c 'rec-db backup -q >/dev/full'
    [[ $output == *"no space left"* ]]
}
@test "backups that are kept, SQLite" { on sqlite; keep; }
@test "backups that are kept, PostgreSQL" { on postgresql; keep; }

audit() {
    rec-db init -q
    rec-db user add -q ann --no-password
    rec-db user role -q ann analyst
    rec-db audit --format json >a.json
    [ "$(jq -r 'map(.action) | join(",")' a.json)" = store.init,account.add,account.role ]
    [ "$(jq -r '.[2].actor + " " + .[2].detail' a.json)" = "rec-db:$(id -un) user to analyst" ]
    [ "$(jq -r '.[2].object' a.json)" = "$(sql 'SELECT id FROM accounts')" ]
    rec-db audit --limit 1 --format csv >a.csv
    [ "$(wc -l <a.csv)" -eq 2 ]
    [ "$(sed 1q a.csv)" = time,actor,action,object,detail,request ]
    grep -q account.role a.csv
    rec-db audit --limit 2 | sed -n 2p | grep -q account.add
    [ "$(rec-db audit --since 2100-01-01 --format json | jq length)" -eq 0 ]
    [ "$(rec-db audit --since 2020-01-01 | wc -l)" -eq 4 ]
    refuses 1 '^rec-db: --since: "soon" is no date' rec-db audit --since soon
    refuses 2 '^rec-db: --limit' rec-db audit --limit -1
}
@test "the audit log, SQLite" { on sqlite; audit; }
@test "the audit log, PostgreSQL" { on postgresql; audit; }

# ---- forgetting ----

forget() {
    rec-db init -q
    rec-db load ratings -q r.csv
    user=$(sed -n 2p r.csv | cut -d, -f1)
    other=$(cut -d, -f1 r.csv | sed -n '2,$p' | grep -vx "$user" | head -1)
    n=$(rec-db export ratings -q | grep -c "^$user,")
    rec-db user add -q ann --email ann@example.org --no-password
    rec-db user tie -q ann "$user"
    rec-db key create -q ann --for x --scopes y >/dev/null
    mkdir models backups
    rec-ingest -q r.csv >models/a.rec
    rec-train -q --model popular <models/a.rec >models/m.rec
    rec-db backup -q --to backups --keep daily=7
    rec-db backup -q -o apart.recbackup
    rec-db backup -q | cat >piped
    refuses 2 'a script has to say --yes' rec-db forget "$user" </dev/null
    refuses 1 '^rec-db: nowhere: ' rec-db forget "$user" --yes --artifacts nowhere
    [ "$(rec-db export ratings -q | grep -c "^$user,")" -eq "$n" ]
    run -0 rec-db forget --account ann@example.org --yes --artifacts models --backups backups
    [ "${lines[0]}" = "erased: $n ratings, 0 events, 1 accounts, 1 API keys" ]
    grep -qx 'models/a.rec: still holds them (rec.ratings/1), until it is made anew from an export of now' <<<"$output"
    grep -qE "^.*/backups/rec-.*: a backup of 20.* may still hold them, until $(date -u -d '+7 days' +%Y-)" <<<"$output"
    grep -qE '^a backup of 20.*Z, which was written to standard output, may still hold them, until it is deleted$' <<<"$output"
    grep -qE '/apart.recbackup: a backup of 20.* may still hold them, until it is deleted$' <<<"$output"
    [ "$(rec-db export ratings -q | grep -c "^$user,")" -eq 0 ]
    [ "$(sql 'SELECT count(*) FROM accounts')" -eq 0 ]
    [ "$kind" != sqlite ] || run ! grep -qaE 'ann@|argon2' rec.db
    # they do not come back, neither by a file nor by a backup
    run -0 rec-db load ratings r.csv
    [[ $output == *", $n left out of people who were forgotten"* ]]
    rec-db restore -q --overwrite --yes apart.recbackup
    [ "$(rec-db export ratings -q | grep -c "^$user,")" -eq 0 ]
    run -0 --separate-stderr rec-db forget "$user" --yes
    [[ $stderr == *": was forgotten before"* ]]
    run -3 --separate-stderr rec-db forget nobody-known --yes
    [[ $stderr == *": there is no such user"* ]]
    run -3 --separate-stderr rec-db forget --account nobody --yes
    # somebody else is still there, and can go too
    run -0 rec-db forget "$other" --yes --no-scrub
    [[ ${lines[1]} == *"--no-scrub"* ]]
    refuses 2 'one of them' rec-db forget --yes
    refuses 2 'one of them' rec-db forget x --account y --yes
    run ! grep -qwE "$user|$other" <(sql "SELECT object FROM audit_log WHERE action LIKE '%forget%'")
}
@test "forget, SQLite" { on sqlite; forget; }
@test "forget, PostgreSQL" { on postgresql; forget; }

rekey() {
    rec-db init -q
    rec-db load ratings -q r.csv
    rec-db user add -q ann --email ann@example.org --no-password
    rec-db backup -q -o old.recbackup
    run -0 rec-db rekey
    [[ ${lines[0]} == "rec-db: rec.keys: key 2 is the newest; 1 e-mail address encrypted with it" ]]
    [ "$(stat -c %a rec.keys)" = 600 ]
    [ "$(sql 'SELECT key_version FROM accounts')" -eq 2 ]
    rec-db user list | grep -q ann@example.org
    rec-db verify old.recbackup >/dev/null
    refuses 2 'a script has to say --yes' rec-db rekey --prune </dev/null
    rec-db rekey -q --prune --yes
    rec-db user list | grep -q ann@example.org
    [ "$(grep -cv '^#' rec.keys)" -eq 1 ]
    refuses 1 'key 1, which is not in the keyring' rec-db verify old.recbackup
    user=$(sed -n 2p r.csv | cut -d, -f1)
    rec-db forget "$user" --yes >/dev/null
    # by key 3 somebody is known who was forgotten: it stays, and does its work; key 4 goes
    rec-db rekey -q
    run -0 rec-db rekey --prune --yes
    [[ ${lines[1]} == 'rec-db: keep a copy of rec.keys elsewhere: '* ]]
    [ "${lines[2]}" = 'rec-db: rec.keys: 1 older key dropped' ]
    [ "${lines[3]}" = 'rec-db: rec.keys: key 3 stays: 1 person who was forgotten is known by it alone' ]
    [ "$(grep -v '^#' rec.keys | cut -d' ' -f1 | paste -sd,)" = 3,5 ]
    rec-db user list | grep -q ann@example.org
    rec-db load ratings -q r.csv
    [ "$(rec-db export ratings -q | grep -c "^$user,")" -eq 0 ]
    # a program that still has the old keyring
    cp rec.keys old.keys
    rec-db rekey -q
    rec-db user add -q bob --keys old.keys --email bob@example.org --no-password
    run -0 rec-db rekey --prune --yes
    rec-db user list | grep -q bob@example.org
    [ "$(sql "SELECT count(*) FROM audit_log WHERE action = 'store.rekey'")" -eq 6 ]
    # a server that was started anew after a rekey goes on with the key it has read, when the older ones are dropped
    rec-db rekey -q
    cp rec.keys server.keys
    run -0 rec-db rekey --prune --without-new --yes
    [[ ${lines[0]} == 'rec-db: rec.keys: key 8 is the newest; '* ]]
    [ "$(grep -v '^#' rec.keys | cut -d' ' -f1 | paste -sd,)" = 3,8 ]
    rec-db user add -q cid --keys server.keys --email cid@example.org --no-password
    rec-db user list | grep -q cid@example.org
}
@test "rekey, SQLite" { on sqlite; rekey; }
@test "rekey, PostgreSQL" { on postgresql; rekey; }

# ---- the prompt ----

@test "a lost keyring is not replaced while the store needs it" {
    rec-db init -q
    rm rec.keys
    rec-db init -q
    [ -e rec.keys ]
    rec-db user add -q ann --email ann@example.org --no-password
    rm rec.keys
    refuses 1 '^rec-db: rec.keys: is not there, but rec.db holds what only its keys can read: put it back' rec-db init
    [ ! -e rec.keys ]
    refuses 1 '^rec-db: rec.keys: there is no keyring: name its file \(--keys\)' rec-db backup
    rec-db export ratings -q >/dev/null
}

@test "a keyring that others can read is refused" {
    rec-db init -q
    chmod 644 rec.keys
    refuses 1 '^rec-db: rec.keys: ' rec-db rekey
    refuses 1 '^rec-db: rec.keys: ' rec-db init
}

@test "a store that is not there, is a directory, or is something else" {
    refuses 1 '^rec-db: rec.db: there is no such file' rec-db stats
    [ ! -e rec.db ]
    refuses 1 '^rec-db: nowhere/rec.db: ' rec-db init --store nowhere/rec.db
    [ ! -e rec.keys ]
    mkdir d
    refuses 1 '^rec-db: d: ' rec-db stats --store d
    refuses 1 '^rec-db: r.csv: ' rec-db stats --store r.csv
    sqlite3 foreign.db 'CREATE TABLE x (y)'
    refuses 1 '^rec-db: foreign.db: ' rec-db stats --store foreign.db
    refuses 1 'nowhere' rec-db stats --store 'postgresql:///rec?host=/nowhere'
    refuses 1 "no-such-database" rec-db stats --store "${PG/\/rec\?//no-such-database?}"
}

@test "settings: flag over environment over file over default; the password is not shown" {
    printf 'store: file.db\ndb:\n  wait: 7\n  backup:\n    keep: daily=3\n' >rec.yaml
    run -0 rec-db backup --print-config
    grep -qE '^store: file.db +# file$' <<<"$output"
    grep -qE '^wait: 7 +# file$' <<<"$output"
    grep -qE '^keep: daily=3 +# file$' <<<"$output"
    export REC_STORE='postgresql://ann:s3cret@db/rec?password=s3cret' REC_DB_BACKUP_KEEP=last=1 REC_DB_WAIT=8
    run -0 rec-db backup --print-config
    [[ $output != *s3cret* ]]
    grep -qE '^store: postgresql://ann:\*\*\*@db/rec\?password=\*\*\* +# environment$' <<<"$output"
    grep -qE '^keep: last=1 +# environment$' <<<"$output"
    run -0 rec-db -h
    [[ $output != *s3cret* ]]
    run -0 rec-db --wait 9 backup --keep last=2 --print-config --store here.db
    grep -qE '^store: here.db +# flag$' <<<"$output"
    grep -qE '^keep: last=2 +# flag$' <<<"$output"
    grep -qE '^wait: 9 +# flag$' <<<"$output"
    # what loses something is never taken from a file
    printf 'db:\n  init:\n    force-reset: true\n    yes: true\n' >rec.yaml
    REC_STORE=rec.db rec-db init -q
    REC_STORE=rec.db rec-db load ratings -q r.csv
    REC_STORE=rec.db REC_DB_INIT_FORCE_RESET=1 rec-db init -q
    [ "$(sqlite3 rec.db 'SELECT count(*) FROM ratings')" -gt 0 ]
}

@test "commands: unknown ones are refused with the nearest name" {
    refuses 2 '^rec-db: a command is missing' rec-db
    refuses 2 '^rec-db: unknown command inti; did you mean init\?' rec-db inti
    refuses 2 '^rec-db: unknown command user lits; did you mean user list\?' rec-db user lits
    refuses 2 '^rec-db: user: a command of two words' rec-db user
    refuses 2 '^rec-db: unknown option --frmat; did you mean --format\?' rec-db user list --frmat csv
    refuses 2 '^rec-db: x: one operand too many \(rec-db init -h' rec-db init x
    refuses 2 '^rec-db: an operand is missing: rec-db user role NAME ROLE' rec-db user role ann
    refuses 2 '^rec-db: unknown option --role' rec-db --role admin user add ann
    refuses 2 '^rec-db: --store: names no database' rec-db stats --store ''
}

@test "every command has help of its own" {
    rec-db -h | awk '/^commands:$/ { on = 1; next } on && NF == 0 { exit } on { sub(/^  /, ""); sub(/  .*/, ""); print }' >names
    [ "$(wc -l <names)" -eq 28 ]
    while read -r name; do
        # shellcheck disable=SC2086 # into words
        run -0 rec-db $name -h
        [[ ${lines[0]} == "usage: rec-db $name"* ]]
        run ! grep -E '.{101}' <<<"$output"
    done <names
    run -0 rec-db key -h
    [ "$(grep -c '^  key ' <<<"$output")" -eq 3 ]
    run ! grep -q '^  user ' <<<"$output"
    run -0 rec-db -h user add
    [[ ${lines[0]} == "usage: rec-db user add"* ]]
}

@test "completion of commands and of their options" {
    rec-db --completion bash >c
    try() { bash -c "source ./c; COMP_WORDS=($*); COMP_CWORD=\$((\${#COMP_WORDS[@]} - 1)); _rec-db; echo \"\${COMPREPLY[@]}\""; }
    [ "$(try rec-db mig)" = migrate ]
    [ "$(try rec-db user pa)" = passwd ]
    [ "$(try rec-db user add --ro)" = --role ]
    [ "$(try rec-db user add --role an)" = analyst ]
    [ "$(try rec-db --store x.db user add --pass)" = --password-stdin ]
    [ "$(try rec-db load ratings --lay)" = --layout ]
    [ "$(try rec-db load ratings r.c)" = r.csv ]
    [ "$(try rec-db load ratings --st)" = '--store --stats' ]
    rec --completion bash >c2
    run -0 bash -c 'source ./c2; COMP_WORDS=(rec db user pa); COMP_CWORD=3; _rec; echo "${COMPREPLY[@]}"'
    [ "$output" = passwd ]
    if command -v fish >/dev/null; then
        rec-db --completion fish >c.fish
        run -0 fish -c 'source c.fish; complete -C "rec-db user pa"'
        [[ $output == passwd* ]]
        run -0 fish -c 'source c.fish; complete -C "rec-db user add --ro"'
        [[ $output == --role* ]]
    fi
}

@test "two writers: the second waits, then says so" {
    rec-db init -q
    sqlite3 rec.db 'BEGIN IMMEDIATE; SELECT 1;' '.shell touch locked; sleep 3' 'ROLLBACK;' >/dev/null &
    writer=$!
    until [ -e locked ]; do sleep 0.05; done
    refuses 1 '^rec-db: rec.db: ' rec-db user add ann --no-password --wait 0.2
    rec-db user add -q bob --no-password --wait 60
    wait $writer
}

@test "output that cannot be written is an error" {
    rec-db init -q
    rec-db load ratings -q r.csv
    for c in 'stats' 'status' 'user list' 'export ratings' 'backup'; do
        run -1 bash -c "rec-db $c -q >/dev/full"
        [[ $output == *"no space left on device"* ]]
    done
    rec-db export ratings -q -o out.csv
    cp out.csv before
    run -1 rec-db export ratings -q -o out.csv --store nowhere.db
    cmp out.csv before
}
