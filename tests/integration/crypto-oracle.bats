#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What rec-db encrypts and hashes against PyNaCl (libsodium by way of Python) and hashlib: sealed e-mail, look-ups, passwords, API keys, archives.

load ../helper
load ../store
setup() {
    rec_setup
    need_python
    ORACLE=$ROOT/tests/integration/crypto-oracle.py
    store_new sqlite
}

@test "e-mail, its look-up, passwords: PyNaCl reads them with the keyring" {
    for name in ann bob; do
        printf 'a password of %s\n' $name | db user add --email "$name@Example.org" --password-stdin $name
    done
    db user add --no-password service
    "$PYTHON" "$ORACLE" field rec.db rec.keys >found
    diff found - <<'END'
ann ann@Example.org 1
bob bob@Example.org 1
END
    # a sealed field moved to another row does not open, there or here
    sqlite3 rec.db "UPDATE accounts SET email_sealed = (SELECT email_sealed FROM accounts WHERE name = 'bob') WHERE name = 'ann'"
    run ! "$PYTHON" "$ORACLE" field rec.db rec.keys
    refuses 1 'e-mail: sealed text: was changed, or moved here from another place, or sealed with another key' db user list
    # nothing of it stands in the file as it is
    run ! grep -qaE '(ann|bob)@' rec.db
}

@test "a new key: all e-mail is sealed with it" {
    for name in ann bob; do db user add --no-password --email $name@example.org $name; done
    db rekey
    "$PYTHON" "$ORACLE" field rec.db rec.keys >found
    diff found - <<'END'
ann ann@example.org 2
bob bob@example.org 2
END
}

@test "an API key: its plain hash is kept" {
    db user add --no-password --role service svc
    key=$(db key create --for test --scopes recommend svc | grep -oE 'rec_[a-z2-7]+_[a-z2-7]+')
    [ -n "$key" ]
    "$PYTHON" "$ORACLE" key rec.db "$key"
}

@test "an archive: PyNaCl opens it, and rec-db opens what PyNaCl sealed" {
    USERS=1500 ITEMS=300 RATINGS=60000 batch 1 >1.csv
    db load ratings 1.csv
    db backup -o a.recbackup
    # several blocks
    [ "$(stat -c %s a.recbackup)" -gt 150000 ]
    "$PYTHON" "$ORACLE" open a.recbackup rec.keys >a.tar
    tar -tf a.tar >members
    grep -qx 'database/ratings.*csv' members
    grep -qx manifest.json members
    db backup --print a.recbackup -o b.tar
    cmp a.tar b.tar
    "$PYTHON" "$ORACLE" seal a.recbackup rec.keys <a.tar >b.recbackup
    run ! cmp -s a.recbackup b.recbackup
    db verify b.recbackup
    state >want
    export STORE=sqlite:other.db
    db restore b.recbackup
    cmp <(state) want
    # another line at the head is another archive, whatever key it names
    { head -n 1 a.recbackup | sed 's/ 20/ 21/'; tail -n +2 a.recbackup; } >c.recbackup
    refuses 1 'c.recbackup: damaged' db verify c.recbackup
}
