-- The store, first version: SQLite. 0001-initial.postgresql.up.sql is the same for PostgreSQL, and says what each table is for.
-- Truth values are 0 and 1, times are whole seconds since 1970 UTC, `received` is in microseconds.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE users (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE CHECK (length(name) > 0)
);

CREATE TABLE movies (
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE CHECK (length(name) > 0),
    title  TEXT NOT NULL DEFAULT '',
    year   INTEGER NOT NULL DEFAULT 0,
    genres TEXT NOT NULL DEFAULT ''
);

CREATE TABLE loads (
    id       INTEGER PRIMARY KEY,
    what     TEXT NOT NULL CHECK (what IN ('ratings', 'movies')),
    source   TEXT NOT NULL DEFAULT '',
    digest   BIGINT NOT NULL,
    started  BIGINT NOT NULL,
    finished BIGINT NOT NULL,
    rows     BIGINT NOT NULL,
    added    BIGINT NOT NULL,
    changed  BIGINT NOT NULL,
    timed    SMALLINT NOT NULL CHECK (timed IN (0, 1))
);
CREATE INDEX loads_finished ON loads (finished);

CREATE TABLE ratings (
    user_id  INTEGER NOT NULL REFERENCES users (id),
    movie_id INTEGER NOT NULL REFERENCES movies (id),
    value    REAL NOT NULL,
    load_id  INTEGER NOT NULL,
    time     BIGINT,
    PRIMARY KEY (user_id, movie_id)
) WITHOUT ROWID;

CREATE TABLE feedback (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    received BIGINT NOT NULL,
    time     BIGINT NOT NULL,
    user_id  INTEGER NOT NULL REFERENCES users (id),
    movie_id INTEGER NOT NULL REFERENCES movies (id),
    part     INTEGER NOT NULL,
    value    REAL,
    kind     TEXT NOT NULL CHECK (kind IN ('rating', 'like', 'watch', 'skip', 'remove')),
    request  TEXT NOT NULL CHECK (length(request) BETWEEN 1 AND 128),
    arm      TEXT,
    CHECK ((kind = 'rating') = (value IS NOT NULL)),
    UNIQUE (user_id, request, part)
);
CREATE INDEX feedback_received ON feedback (received);
CREATE INDEX feedback_user ON feedback (user_id, id);
CREATE INDEX feedback_removed ON feedback (user_id, movie_id) WHERE kind = 'remove';

CREATE TRIGGER feedback_append_only BEFORE UPDATE ON feedback
BEGIN
    SELECT RAISE(ABORT, 'feedback is append-only');
END;

CREATE TABLE accounts (
    id               TEXT NOT NULL PRIMARY KEY,
    name             TEXT NOT NULL,
    name_key         TEXT NOT NULL UNIQUE,
    email_sealed     BLOB,
    email_lookup     BLOB UNIQUE,
    key_version      INTEGER,
    password         TEXT,
    role             TEXT NOT NULL CHECK (role IN ('user', 'analyst', 'service', 'admin')),
    disabled         SMALLINT NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    user_id          INTEGER UNIQUE REFERENCES users (id),
    created          BIGINT NOT NULL,
    changed          BIGINT NOT NULL,
    last_login       BIGINT NOT NULL DEFAULT 0,
    password_changed BIGINT NOT NULL,
    CHECK ((email_sealed IS NULL) = (email_lookup IS NULL) AND (email_sealed IS NULL) = (key_version IS NULL))
) WITHOUT ROWID;

CREATE TABLE api_keys (
    id          TEXT NOT NULL PRIMARY KEY,
    account_id  TEXT NOT NULL REFERENCES accounts (id),
    name        TEXT NOT NULL,
    hash        BLOB NOT NULL,
    scopes      TEXT NOT NULL,
    created     BIGINT NOT NULL,
    expires     BIGINT NOT NULL DEFAULT 0,
    last_used   BIGINT NOT NULL DEFAULT 0,
    revoked     BIGINT NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX api_keys_account ON api_keys (account_id);

CREATE TABLE revoked_tokens (
    jti        TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL,
    revoked    BIGINT NOT NULL,
    expires    BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX revoked_tokens_expires ON revoked_tokens (expires);

CREATE TABLE experiments (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL UNIQUE CHECK (length(name) > 0),
    salt  TEXT NOT NULL,
    begun BIGINT NOT NULL,
    ended BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE experiment_arms (
    experiment_id INTEGER NOT NULL REFERENCES experiments (id),
    place         INTEGER NOT NULL,
    name          TEXT NOT NULL CHECK (length(name) > 0),
    model         TEXT NOT NULL DEFAULT '',
    weight        DOUBLE PRECISION NOT NULL CHECK (weight > 0),
    PRIMARY KEY (experiment_id, place),
    UNIQUE (experiment_id, name)
) WITHOUT ROWID;

CREATE TABLE deployments (
    id     INTEGER PRIMARY KEY,
    time   BIGINT NOT NULL,
    model  TEXT NOT NULL,
    digest TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('promote', 'rollback')),
    reason TEXT NOT NULL,
    actor  TEXT NOT NULL
);

CREATE TABLE backups (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE forgotten (
    hash        BLOB NOT NULL PRIMARY KEY,
    key_version INTEGER NOT NULL,
    time        BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE audit_log (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    time    BIGINT NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    object  TEXT NOT NULL,
    detail  TEXT NOT NULL,
    request TEXT NOT NULL
);
CREATE INDEX audit_log_time ON audit_log (time);

CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

INSERT INTO meta (name, value) VALUES ('store_id', lower(hex(randomblob(16))));
