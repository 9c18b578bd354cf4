#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What happens to a store, and to those who use it, when something breaks: it is not there, it is lost, locked, full, read-only, damaged; two
# write at once; a process is killed. Each fault ends in one line that names the store and says what to do, exit 1, and nothing half-stored.
# shellcheck disable=SC2030,SC2031 # each test has a STORE of its own
bats_require_minimum_version 1.5.0

load ../helper
load ../store

setup_file() {
    rec_setup
    export PG_DIR=$BATS_FILE_TMPDIR/pg
    store_server
}
teardown_file() {
    [ ! -e "$BATS_FILE_TMPDIR/pg/server" ] || "$ROOT/tests/postgres" stop "$BATS_FILE_TMPDIR/pg"
}
setup() { rec_setup; }
teardown() {
    local pid
    for pid in ${HOLDER_PID-} $(jobs -p); do kill "$pid" 2>/dev/null || :; done
    wait
}

# fill: batch 1 in the store, its rows in ./before, batch 2 in ./2.csv, what it makes of them in ./after.
fill() {
    batch 1 >1.csv
    batch 2 >2.csv
    db load ratings 1.csv
    sed 1d 1.csv | LC_ALL=C sort >before
    merged before <(sed 1d 2.csv) >after
}

# untouched / works: nothing has changed; and what failed works now.
untouched() {
    cmp <(state) before
    sound
}
works() {
    db load ratings 2.csv
    cmp <(state) after
    sound
}

# every_command STATUS PATTERN: whatever is asked of the store ends so.
every_command() {
    refuses "$1" "$2" db load ratings 2.csv
    refuses "$1" "$2" db export ratings
    refuses "$1" "$2" db export ratings -o out.csv
    refuses "$1" "$2" db backup -o out.recbackup
    refuses "$1" "$2" db stats
    refuses "$1" "$2" db user list
    [ ! -e out.csv ]
    [ ! -e out.recbackup ]
    [ -z "$(leftovers)" ]
}

# hold STATEMENTS: another connection that has run these, and stays.
hold() {
    local line
    if [ "$KIND" = sqlite ]; then
        coproc HOLDER { exec sqlite3 -batch "${STORE#sqlite://}" 2>&1; }
    else
        coproc HOLDER { exec psql -qAtX "$STORE" 2>&1; }
    fi
    printf '%s\nSELECT %s;\n' "$1" "'held'" >&"${HOLDER[1]}"
    while read -r -t 20 line <&"${HOLDER[0]}"; do
        [ "$line" != held ] || return 0
        echo "$line"
    done
    return 1
}
release() {
    kill "$HOLDER_PID"
    wait "$HOLDER_PID" || :
}

# impatient COMMAND...: rec-db, as db, waiting for nobody.
impatient() { timeout 20 rec-db "$@" -q --store "$STORE" --keys "$KEYS" --wait 0.3; }

# until_true COMMAND...: for at most 20 seconds.
until_true() {
    local i
    for ((i = 0; i < 400; i++)); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.05
    done
    echo "never: $*"
    return 1
}
waits_in_postgres() { [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")" -gt 0 ]; }

# small_disk SIZE SCRIPT [ARGUMENT]...: bash runs it with ./disk being a file system of that size. Skips where nothing may be mounted.
small_disk() {
    local size=$1 uid gid
    shift
    mkdir -p disk
    uid=$(id -u) gid=$(id -g)
    # shellcheck disable=SC2016 # for the inner shells
    if [ "$uid" -eq 0 ]; then
        unshare -m true 2>/dev/null || skip 'nothing may be mounted here'
        unshare -m bash -c 'mount -t tmpfs -o size="$0" tmpfs disk && exec bash "$@"' "$size" "$@"
    else
        unshare -rm true 2>/dev/null || skip 'nothing may be mounted here'
        unshare -rm bash -c 'mount -t tmpfs -o size="$0" tmpfs disk && exec unshare -U --map-user='"$uid"' --map-group='"$gid"' bash "$@"' "$size" "$@"
    fi
}

# ---- absent ----

@test "sqlite: no store" {
    store_new sqlite
    batch 2 >2.csv
    rm rec.db*
    every_command 1 'rec-db: sqlite:///.*/rec.db: there is no such file; make the store with rec-db init'
    refuses 1 'rec.db: there is no such file' db migrate
    refuses 1 'rec.db: there is no such file' db status
    [ ! -e rec.db ]
    STORE=sqlite://$PWD/nowhere/rec.db
    every_command 1 'nowhere/rec.db: there is no such file'
    STORE=sqlite://$PWD
    every_command 1 ': is a directory'
    : >empty.db
    STORE=sqlite://$PWD/empty.db
    every_command 1 'empty.db: no store here yet: run rec-db init'
    works_from_nothing
}

works_from_nothing() {
    db init --yes
    db load ratings 2.csv
    cmp <(state) <(sed 1d 2.csv | LC_ALL=C sort)
}

@test "postgresql: no server, no database, no such user" {
    store_new postgresql
    batch 2 >2.csv
    local url=$STORE
    STORE="postgresql://postgres@/rec?host=$PWD/nowhere"
    every_command 1 'rec-db: postgresql://.*: .'
    STORE="postgresql://postgres@127.0.0.1:1/rec"
    every_command 1 'rec-db: postgresql://.*127.0.0.1:1.*: .'
    STORE=$(pg_url no_such_database)
    every_command 1 'rec-db: postgresql://.*no_such_database.*: .'
    STORE=${url/postgres@/nobody_here@}
    every_command 1 'rec-db: postgresql://nobody_here@.*: .'
    psql -qX "$url" -c 'DROP SCHEMA public CASCADE; CREATE SCHEMA public'
    STORE=$url
    every_command 1 'no store here yet: run rec-db init'
    works_from_nothing
}

# ---- lost in mid-transaction ----

@test "postgresql: the server goes down while a load is in its transaction" {
    store_new postgresql
    fill
    hold 'BEGIN; LOCK TABLE ratings IN EXCLUSIVE MODE;'
    db load ratings --wait 60 2.csv >out 2>err &
    local load=$! status=0
    until_true waits_in_postgres
    "$ROOT/tests/postgres" kill "$PG_DIR"
    wait $load || status=$?
    [ "$status" -eq 1 ]
    [ ! -s out ]
    [ "$(wc -l <err)" -eq 1 ]
    grep -E '^rec-db: postgresql://.*: .*(lost|broke|closed)' err
    refuses 1 'rec-db: postgresql://.*: .' db load ratings 2.csv
    store_server
    untouched
    works
}

@test "postgresql: the server goes down at any moment of a load" {
    store_new postgresql
    fill
    local i status
    for i in 1 2 3 4; do
        db load ratings 2.csv >out 2>err &
        local load=$!
        sleep "0.0$((i * 2))"
        "$ROOT/tests/postgres" kill "$PG_DIR"
        status=0
        wait $load || status=$?
        [ "$status" -le 1 ]
        [ "$(wc -l <err)" -eq "$status" ]
        store_server
        if [ "$status" -eq 1 ]; then
            # the answer to a commit may have been lost, and not the commit
            cmp <(state) before || cmp <(state) after
        fi
        works
        mv after before
        batch $((i + 2)) >2.csv
        merged before <(sed 1d 2.csv) >after
    done
}

@test "postgresql: the backend is terminated" {
    store_new postgresql
    fill
    hold 'BEGIN; LOCK TABLE ratings IN EXCLUSIVE MODE;'
    db load ratings --wait 60 2.csv >out 2>err &
    local load=$! status=0
    until_true waits_in_postgres
    sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'" >/dev/null
    wait $load || status=$?
    [ "$status" -eq 1 ]
    [ "$(wc -l <err)" -eq 1 ]
    grep -E '^rec-db: postgresql://.*: .' err
    release
    untouched
    works
}

# ---- locked ----

@test "sqlite: another process holds the write lock" {
    store_new sqlite
    fill
    hold 'BEGIN IMMEDIATE;'
    refuses 1 'rec-db: sqlite:///.*rec.db: is locked by another process; try again' impatient load ratings 2.csv
    refuses 1 'rec.db: is locked by another process; try again' impatient user add ann --no-password
    # those who read go on; a backup does not take its name before the store knows of it
    untouched
    refuses 1 'rec.db: is locked by another process; try again' impatient backup -o b.recbackup
    [ ! -e b.recbackup ]
    [ -z "$(leftovers)" ]
    release
    works
}

@test "sqlite: a lock that goes away in time is waited for" {
    store_new sqlite
    fill
    hold 'BEGIN IMMEDIATE;'
    db load ratings --wait 30 2.csv >out 2>err &
    local load=$!
    sleep 0.3
    release
    wait $load
    [ ! -s err ]
    cmp <(state) after
}

@test "postgresql: another session holds the table" {
    store_new postgresql
    fill
    hold 'BEGIN; LOCK TABLE ratings IN EXCLUSIVE MODE;'
    refuses 1 'rec-db: postgresql://.*: .*(locked|busy|another).*try again' impatient load ratings 2.csv
    untouched
    db backup -o b.recbackup
    db verify b.recbackup
    release
    works
}

# ---- full ----

@test "standard output is full" {
    store_new sqlite
    fill
    refuses 1 'rec-db: standard output: no space left' bash -c 'rec-db export ratings -q --store "$STORE" --keys "$KEYS" >/dev/full'
    untouched
}

# A limit on the size of files stands for the disk: the system says EFBIG.
@test "sqlite: no file may grow" {
    store_new sqlite
    RATINGS=1000 fill
    USERS=600 ITEMS=200 RATINGS=12000 batch 2 >2.csv
    merged before <(sed 1d 2.csv) >after
    # shellcheck disable=SC2016
    refuses 1 'rec-db: sqlite:///.*rec.db: no space left on the disk; make room and run it again' \
        bash -c 'trap "" XFSZ; ulimit -f 300; exec rec-db load ratings -q --store "$STORE" --keys "$KEYS" 2.csv'
    untouched
    works
    mv after before
    db backup -o b.recbackup
    [ "$(stat -c %s b.recbackup)" -gt 45000 ]
    cp b.recbackup old.recbackup
    # shellcheck disable=SC2016
    refuses 1 'rec-db: .*b.recbackup: file too large' \
        bash -c 'trap "" XFSZ; ulimit -f 40; exec rec-db backup -q --store "$STORE" --keys "$KEYS" -o b.recbackup'
    cmp b.recbackup old.recbackup
    [ -z "$(leftovers)" ]
    untouched
}

@test "sqlite: the disk is full" {
    cat >full.sh <<'END'
set -eu
bats_require_minimum_version() { :; }
. "$1"
. "$2"
cd disk
store_new sqlite
RATINGS=1000 batch 1 >../1.csv
USERS=600 ITEMS=200 RATINGS=12000 batch 2 >../2.csv
db load ratings ../1.csv
state >../before
merged ../before <(sed 1d ../2.csv) >../after
head -c 100M /dev/zero >filler 2>/dev/null || :
truncate -s -200K filler
refuses 1 'rec-db: sqlite:///.*rec.db: no space left on the disk; make room and run it again' db load ratings ../2.csv
rm *.refused
cmp <(state) ../before
head -c 100M /dev/zero >>filler 2>/dev/null || :
cd ..
cp disk/rec.db other.db
refuses 1 'rec-db: disk/b.recbackup: no space left' rec-db backup -q --store sqlite:other.db --keys "$KEYS" -o disk/b.recbackup
[ "$(find disk -type f | sort | xargs)" = 'disk/filler disk/rec.db disk/rec.keys' ]
cd disk
rm filler
sound
db load ratings ../2.csv
cmp <(state) ../after
sound
END
    small_disk 4m full.sh "$ROOT/tests/helper.bash" "$ROOT/tests/store.bash"
}

@test "postgresql: the disk is full" {
    cat >full.sh <<'END'
set -eu
bats_require_minimum_version() { :; }
. "$1"
. "$2"
PG_DIR=$PWD/disk/pg
store_server max_wal_size=64MB min_wal_size=32MB
trap '"$STORE_ROOT/tests/postgres" stop "$PG_DIR"' EXIT
store_new postgresql
RATINGS=1000 batch 1 >1.csv
USERS=600 ITEMS=200 RATINGS=12000 batch 2 >2.csv
db load ratings 1.csv
state >before
merged before <(sed 1d 2.csv) >after
# A log of its own, as PostgreSQL goes down when that cannot be written; here it is in memory already.
head -c 1000M /dev/zero >disk/filler 2>/dev/null || :
truncate -s -100K disk/filler
refuses 1 'rec-db: postgresql://.*: .*disk is full; make room there' db load ratings 2.csv
rm disk/filler
sleep 1
cmp <(state) before
sound
db load ratings 2.csv
cmp <(state) after
sound
END
    # the server runs in the file system only if its user can get there
    local home
    home=$(mktemp -d /tmp/rec-full.XXXXXX)
    chmod 755 "$home"
    mv full.sh "$home"
    cd "$home"
    small_disk 160m full.sh "$ROOT/tests/helper.bash" "$ROOT/tests/store.bash"
    cd /
    rm -rf "$home"
}

# ---- read-only ----

# as_nobody COMMAND...: modes mean nothing to root.
as_nobody() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"
    else
        "$@"
    fi
}

@test "sqlite: the file and its directory may not be written" {
    local home
    home=$(mktemp -d /tmp/rec-read-only.XXXXXX)
    cd "$home"
    store_new sqlite
    fill
    cp "$(command -v rec-db)" .
    [ "$(id -u)" -ne 0 ] || chown 65534 rec.keys
    chmod 444 rec.db 1.csv 2.csv
    chmod 555 .
    for what in 'load ratings 2.csv' 'migrate' 'user list'; do
        # shellcheck disable=SC2086
        refuses_in "$BATS_TEST_TMPDIR" 1 'rec-db: sqlite:///.*rec.db: .*(may not be written|cannot be opened)' \
            as_nobody ./rec-db $what -q --store "$STORE" --keys "$KEYS"
    done
    chmod 755 .
    # the file may not, the directory may: the log could be written, and the file never
    [ "$(id -u)" -ne 0 ] || chown 65534 .
    refuses_in "$BATS_TEST_TMPDIR" 1 'rec-db: sqlite:///.*rec.db: may not be written' \
        as_nobody ./rec-db load ratings 2.csv -q --store "$STORE" --keys "$KEYS"
    [ "$(find . -name 'rec.db*')" = ./rec.db ]
    [ "$(id -u)" -ne 0 ] || chown 0 . rec.keys
    chmod 600 rec.db
    chmod 700 .
    untouched
    works
    cd /
    rm -rf "$home"
}

# refuses, with what it notes in another directory
refuses_in() {
    local dir=$1 status=0 want=$2 pattern=$3
    shift 3
    "$@" >"$dir/out.refused" 2>"$dir/err.refused" || status=$?
    if [ "$status" -ne "$want" ] || [ -s "$dir/out.refused" ] || [ "$(wc -l <"$dir/err.refused")" -ne 1 ] || ! grep -qE -- "$pattern" "$dir/err.refused"; then
        echo "exit $status, not $want: $*"
        cat "$dir/err.refused"
        return 1
    fi
}

@test "postgresql: read-only, and no right to write" {
    store_new postgresql
    fill
    local url=$STORE role
    sql "ALTER DATABASE $(sql 'SELECT current_database()') SET default_transaction_read_only = on"
    refuses 1 'rec-db: postgresql://.*: .*read-only' db load ratings 2.csv
    db export ratings | sed 1d | LC_ALL=C sort | cmp - before
    psql -qX "$(pg_url rec)" -c "ALTER DATABASE $(sql 'SELECT current_database()') RESET default_transaction_read_only"
    role=reader_$$_$RANDOM
    sql "CREATE ROLE $role LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO $role"
    STORE=${url/postgres@/$role@}
    refuses 1 'rec-db: postgresql://.*: .*(permission|may not)' db load ratings 2.csv
    STORE=$url
    untouched
    works
    sql "DROP OWNED BY $role; DROP ROLE $role"
}

# ---- damaged ----

# flip FILE OFFSET: one byte becomes another
flip() {
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    # shellcheck disable=SC2059
    printf "\\x$(printf '%02x' $((byte ^ 85)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

@test "sqlite: no database, a damaged header, half a file" {
    store_new sqlite
    fill
    sqlite3 rec.db 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
    cp rec.db good.db
    local size
    size=$(stat -c %s good.db)
    # a text
    seq 10000 >rec.db
    every_command 1 'rec-db: sqlite:///.*rec.db: is no SQLite database'
    cmp rec.db <(seq 10000)
    # the magic words, the size of pages
    cp good.db rec.db
    flip rec.db 3
    every_command 1 'rec-db: sqlite:///.*rec.db: is no SQLite database'
    cp good.db rec.db
    flip rec.db 16
    every_command 1 'rec-db: sqlite:///.*rec.db: is (no SQLite database|damaged)'
    # cut
    head -c $((size / 2)) good.db >rec.db
    refuses 1 'rec-db: sqlite:///.*rec.db: is damaged; .*restore a backup' db load ratings 2.csv
    refuses 1 'rec-db: sqlite:///.*rec.db: is damaged' db export ratings -o out.csv
    refuses 1 'rec-db: sqlite:///.*rec.db: is damaged' db backup -o out.recbackup
    [ ! -e out.csv ]
    [ ! -e out.recbackup ]
    [ -z "$(leftovers)" ]
    rm -f rec.db-*
    cp good.db rec.db
    works
}

@test "sqlite: damage in the middle" {
    store_new sqlite
    fill
    sqlite3 rec.db 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
    cp rec.db good.db
    # all pages but the first
    head -c 4096 good.db >rec.db
    head -c $(($(stat -c %s good.db) - 4096)) /dev/urandom >>rec.db
    every_command 1 'rec-db: sqlite:///.*rec.db: is damaged'
    # any byte: it is noticed, or does no harm; nothing crashes or hangs, and nothing is said in more than a line
    local i status size
    size=$(stat -c %s good.db)
    for ((i = 0; i < 25; i++)); do
        rm -f rec.db*
        cp good.db rec.db
        flip rec.db $(((RANDOM * 32768 + RANDOM) % size))
        flip rec.db $(((RANDOM * 32768 + RANDOM) % size))
        for what in 'export ratings -o out.csv' 'load ratings 2.csv'; do
            status=0
            # shellcheck disable=SC2086
            timeout 60 rec-db $what -q --store "$STORE" --keys "$KEYS" >out 2>err || status=$?
            [ "$status" -le 1 ]
            [ "$(wc -l <err)" -eq "$status" ]
        done
        rm -f out.csv
    done
}

@test "sqlite: a damaged log" {
    store_new sqlite
    fill
    sqlite3 rec.db 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
    # somebody who reads keeps the log of the load from being put into the file
    hold 'BEGIN; SELECT count(*) FROM ratings;'
    db load ratings 2.csv
    cp rec.db good.db
    cp rec.db-wal good.db-wal
    release
    local i size
    size=$(stat -c %s good.db-wal)
    [ "$size" -gt 10000 ]
    for ((i = 0; i < 12; i++)); do
        rm -f rec.db*
        cp good.db rec.db
        cp good.db-wal rec.db-wal
        case $i in
        0) : ;;
        1) flip rec.db-wal 0 ;;
        2) flip rec.db-wal 20 ;;
        3) truncate -s 31 rec.db-wal ;;
        4) truncate -s $((size / 2)) rec.db-wal ;;
        5) truncate -s $((size - 1)) rec.db-wal ;;
        6) seq 20000 >rec.db-wal ;;
        *) flip rec.db-wal $(((RANDOM * 32768 + RANDOM) % size)) ;;
        esac
        state >now
        # all of the load or nothing of it
        cmp -s now before || cmp now after
        [ "$i" -ne 0 ] || cmp now after
        works
    done
}

@test "postgresql: a damaged table" {
    store_new postgresql
    fill
    sql CHECKPOINT
    local file data
    data=$(sql 'SHOW data_directory')
    file=$data/$(sql "SELECT pg_relation_filepath('ratings')")
    "$ROOT/tests/postgres" kill "$PG_DIR"
    head -c 8192 /dev/urandom | dd of="$file" bs=8192 conv=notrunc status=none
    store_server
    refuses 1 'rec-db: postgresql://.*: .*(damaged|invalid page|restore)' db export ratings -o out.csv
    refuses 1 'rec-db: postgresql://.*: .*(damaged|invalid page|restore)' db load ratings 2.csv
    refuses 1 'rec-db: postgresql://.*: .*(damaged|invalid page|restore)' db backup -o out.recbackup
    [ ! -e out.csv ]
    [ ! -e out.recbackup ]
    [ -z "$(leftovers)" ]
    db user list >/dev/null
}

# ---- two at once ----

several_loads() {
    store_new "$1"
    local i pids=()
    : >before
    for i in 1 2 3 4 5; do
        batch $i >$i.csv
        merged before <(sed 1d $i.csv) >after
        mv after before
    done
    # the first ones find an empty table
    for i in 3 1 5 2 4; do
        db load ratings $i.csv >out.$i 2>err.$i &
        pids+=($!)
    done
    for i in "${pids[@]}"; do wait "$i"; done
    cat err.*
    [ -z "$(cat err.*)" ]
    untouched
    [ "$(sql "SELECT count(*) FROM loads")" -eq 5 ]
}
@test "sqlite: several load at once" { several_loads sqlite; }
@test "postgresql: several load at once" { several_loads postgresql; }

# Feedback as a server stores it, row by row, while files are loaded: the later one of each pair stays.
load_and_feedback() {
    store_new "$1"
    fill
    local i user movie
    sed 1d before | awk -F, 'NR % 200 == 7 { print $1 "," $2 }' >pairs
    (
        i=0
        while IFS=, read -r user movie; do
            i=$((i + 1))
            sql "INSERT INTO feedback (received, time, user_id, movie_id, part, value, kind, request)
                SELECT 1, 1900000000, u.id, m.id, 0, 0.5, 'rating', 'r$i' FROM users u, movies m WHERE u.name = '$user' AND m.name = '$movie';
                UPDATE ratings SET value = 0.5, time = 1900000000, load_id = 0 WHERE user_id = (SELECT id FROM users WHERE name = '$user')
                AND movie_id = (SELECT id FROM movies WHERE name = '$movie');"
        done <pairs
    ) >out.feedback 2>err.feedback &
    local writer=$!
    for i in 1 2 3 4; do db load ratings 2.csv; done
    wait $writer
    cat err.feedback
    [ ! -s err.feedback ]
    db load ratings 2.csv
    awk -F, 'NR == FNR { late[$0]; next } ($1 "," $2) in late { print $1 "," $2 ",0.5,1900000000"; next } { print }' pairs after |
        LC_ALL=C sort >before
    untouched
    [ "$(sql "SELECT count(*) FROM feedback")" -eq "$(wc -l <pairs)" ]
}
@test "sqlite: a load and feedback at once" { load_and_feedback sqlite; }
@test "postgresql: a load and feedback at once" { load_and_feedback postgresql; }

# One store, one keyring; a killed one is made whole by the next.
several_inits() {
    local i pids=()
    store_new "$1"
    rm -f rec.keys
    [ "$KIND" = postgresql ] || rm rec.db
    [ "$KIND" = sqlite ] || sql 'DROP SCHEMA public CASCADE; CREATE SCHEMA public' 2>/dev/null
    for i in 1 2 3 4 5; do
        db init --yes >>out 2>>err &
        pids+=($!)
    done
    for i in "${pids[@]}"; do wait "$i"; done
    cat err
    [ ! -s err ]
    [ "$(grep -vc '^#' rec.keys)" -eq 1 ]
    db stats >/dev/null
    for i in 1 2 3 4 5 6 7 8; do
        rm -f rec.keys
        [ "$KIND" = postgresql ] || rm rec.db*
        [ "$KIND" = sqlite ] || sql 'DROP SCHEMA public CASCADE; CREATE SCHEMA public' 2>/dev/null
        rec-db init --yes -q --store "$STORE" --keys "$KEYS" &
        sleep "0.0$((RANDOM % 4))$((RANDOM % 10))"
        kill -9 $! 2>/dev/null || :
        wait $! 2>/dev/null || :
        db init --yes
        db stats >/dev/null
        [ -z "$(leftovers)" ]
    done
}
@test "sqlite: several make it at once, and one is killed" { several_inits sqlite; }
@test "postgresql: several make it at once, and one is killed" { several_inits postgresql; }

several_migrators() {
    store_new "$1"
    local i pids=()
    mkdir migrations
    cp "$ROOT"/data/migrations/* migrations/
    i=$(sql 'SELECT max(version) + 1 FROM schema_migrations')
    printf 'CREATE TABLE more (id INTEGER NOT NULL PRIMARY KEY);\nINSERT INTO more (id) VALUES (1);\n' >"migrations/$(printf %04d "$i")-more.up.sql"
    printf 'CREATE TABLE yet_more (id INTEGER NOT NULL PRIMARY KEY);\n' >"migrations/$(printf %04d $((i + 1)))-yet-more.up.sql"
    for _ in 1 2 3 4 5; do
        db migrate --migrations migrations >>out 2>>err &
        pids+=($!)
    done
    for i in "${pids[@]}"; do wait "$i"; done
    cat err
    [ ! -s err ]
    [ "$(sql 'SELECT count(*) FROM schema_migrations')" -eq "$(sql 'SELECT max(version) FROM schema_migrations')" ]
    [ "$(sql 'SELECT count(*) FROM more')" -eq 1 ]
    db status --migrations migrations
    # built in there are fewer: what a program does not know it leaves alone
    refuses 1 'newer than this program' db stats
}
@test "sqlite: several migrate at once" { several_migrators sqlite; }
@test "postgresql: several migrate at once" { several_migrators postgresql; }

# Half a migration leaves the old schema, whatever its statements did before.
half_a_migration() {
    store_new "$1"
    fill
    structure >structure.before
    local n
    n=$(sql 'SELECT max(version) + 1 FROM schema_migrations')
    mkdir migrations
    cp "$ROOT"/data/migrations/* migrations/
    printf 'CREATE TABLE more (id INTEGER);\nDELETE FROM ratings;\nDROP TABLE experiment_arms;\nINSERT INTO no_such_table VALUES (1);\n' \
        >"migrations/$(printf %04d "$n")-more.up.sql"
    refuses 1 'rec-db: .*-more.*line 4: .*no_such_table' db migrate --migrations migrations
    structure | cmp - structure.before
    untouched
}
@test "sqlite: half a migration" { half_a_migration sqlite; }
@test "postgresql: half a migration" { half_a_migration postgresql; }

# ---- killed ----

# `make soak` is the long run of it. Sanitized programs are slow.
@test "sqlite: kill -9 at random moments of load, migrate, backup, restore and rekey" {
    "$ROOT/tests/soak/store" sqlite ${REC_SANITIZE:+5} 20
}
@test "postgresql: kill -9 at random moments of load, migrate, backup, restore and rekey" {
    "$ROOT/tests/soak/store" postgresql ${REC_SANITIZE:+5} 20
}
