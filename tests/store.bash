# SPDX-License-Identifier: MIT
# For tests that break the store: one on either database, what is in it, its structure, made-up ratings that change it.
#
#     . tests/store.bash
#     PG_DIR=$PWD/pg; store_server            # only for postgresql
#     store_new sqlite                        # or postgresql: $STORE, its keyring, in the working directory
#     batch 1 >1.csv; rec-db load ratings -q --store "$STORE" 1.csv; state
#
# Functions that print are free of side effects; `sql` talks to the database behind the tools' back.

STORE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# store_server [SETTING=VALUE...]: a PostgreSQL server in $PG_DIR, or that one again.
store_server() {
    "$STORE_ROOT/tests/postgres" start "$PG_DIR" "$@" >/dev/null
}

# pg_url DATABASE
pg_url() {
    "$STORE_ROOT/tests/postgres" url "$PG_DIR" | sed "s|@/[^?]*|@/$1|"
}

# store_new KIND [NAME]: an empty store. Sets KIND, STORE and KEYS.
store_new() {
    KIND=$1
    KEYS=$PWD/${2:-rec}.keys
    rm -f "$KEYS"
    if [ "$KIND" = sqlite ]; then
        rm -f "$PWD/${2:-rec}.db"*
        STORE=sqlite://$PWD/${2:-rec}.db
    else
        local database=${2:-t}_$$_$RANDOM$RANDOM
        psql -qX "$(pg_url rec)" -c "CREATE DATABASE $database"
        STORE=$(pg_url "$database")
    fi
    export KIND STORE KEYS
    db init --yes
}

# db COMMAND...: rec-db on the store, without progress.
db() {
    rec-db "$@" -q --store "$STORE" --keys "$KEYS"
}

# sql STATEMENT: its rows, columns with '|' between them.
sql() {
    if [ "$KIND" = sqlite ]; then
        sqlite3 -batch -cmd '.timeout 10000' "${STORE#sqlite://}" "$1"
    else
        psql -qAtX "$STORE" -c "$1"
    fi
}

# batch N: ratings as CSV. Some pairs are those of every other batch, some are new, and all are later than those of batch N - 1.
batch() {
    rec-synth -q --users "${USERS:-300}" --items "${ITEMS:-60}" --ratings "${RATINGS:-6000}" --seed "$1" --format csv |
        awk -F, -v OFS=, -v n="$1" 'NR > 1 { $4 = 1700000000 + n; $3 = $3 + 0 } { print }'
}

# merged OLD NEW: what is there when NEW was loaded over OLD, both as rows without a header.
merged() {
    awk -F, '{ row[$1 "," $2] = $0 } END { for (k in row) print row[k] }' "$1" "$2" | LC_ALL=C sort
}

# state: all ratings, sorted.
state() {
    db export ratings | sed 1d | LC_ALL=C sort
}

# structure: the schema as the database knows it. What a load takes away for a while is in it: indexes and foreign keys.
structure() {
    if [ "$KIND" = sqlite ]; then
        sql "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY 1, 2"
    else
        sql "SELECT conrelid::regclass, conname, replace(pg_get_constraintdef(oid), ' NOT VALID', '') FROM pg_constraint
                WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2;
            SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2;
            SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns WHERE table_schema = 'public'
                ORDER BY 1, ordinal_position;
            SELECT event_object_table, trigger_name FROM information_schema.triggers WHERE trigger_schema = 'public' ORDER BY 1, 2"
    fi
}

# sound: nothing is broken, no row refers to one that is not there, no load is there by half.
sound() {
    local found
    if [ "$KIND" = sqlite ]; then
        found=$(sql "PRAGMA integrity_check; PRAGMA foreign_key_check")
        [ "$found" = ok ] || { echo "integrity: $found"; return 1; }
    fi
    found=$(sql "SELECT 'a rating of ' || r.user_id || ' refers to nothing' FROM ratings r
            WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.id = r.user_id) OR NOT EXISTS (SELECT 1 FROM movies m WHERE m.id = r.movie_id)
            OR r.load_id <> 0 AND NOT EXISTS (SELECT 1 FROM loads l WHERE l.id = r.load_id)
        UNION SELECT 'load ' || id || ' is there by half' FROM loads WHERE what = 'ratings' AND rows = 0")
    [ -z "$found" ] || { echo "$found" | head -n 3; return 1; }
}

# leftovers: files of the working directory that a killed run may have left there.
leftovers() {
    find . -maxdepth 1 -name '*rec-tmp*' | sort
}
