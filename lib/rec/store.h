/* SPDX-License-Identifier: MIT
 *
 * store: what is kept between requests: ratings, movies, feedback, accounts, keys, experiments, deployments, and who did what.
 *
 *     store         opening it: the database at the schema of this program, and the keyring
 *     names         users and movies of the data set: their ids (text) to the numbers of their rows
 *     load          many ratings or movies in
 *     unload        ratings, movies and feedback out, as CSV
 *     feedback      events as they come, durable before they are acknowledged
 *     appender      the same from many threads at once, one commit for all that wait
 *     accounts      people who log in
 *     api_keys      programs that do
 *     tokens        tokens that were taken back before their time
 *     experiments   arms, and who is in which
 *     deployments   which model was put to use when, and why
 *     audit         who did what
 *     stats         how much there is of everything
 *     forget        erasing a person
 *
 *     struct rec_store store;
 *     struct rec_event event = {.user = "1", .movie = "50", .kind = "rating", .value = 4.5, .time = now, .request = "7c5e…"};
 *     if (rec_store_open(&store, url, "rec.keys", &options, &err) < 0 || rec_feedback_add(&store, &event, 1, now, &added, &err) < 0) ...
 *
 * Tables are described in data/migrations. Users of the data set and accounts are different things: an account has an id of its own (20 letters
 * that nobody can guess) and may be tied by an administrator to a user of the data set; until then its feedback is under a user whose
 * id is the account's id, so that a newcomer called "1" is not user 1.
 *
 * Functions return 0, or -1 with one line in `err`; rec_sql_fault(store->db) tells what kind of failure it was. One store belongs to one
 * thread at a time; a server takes connections from an rec_sqlpool and wraps each by rec_store_wrap. Functions called for each row must not use
 * the store; what they return other than 0 ends the list.
 */
#ifndef REC_STORE_H
#define REC_STORE_H

#include <rec/crypto.h>
#include <rec/data.h>
#include <rec/sql.h>

/* ---- store: opening ------------------------------------------------------------------------------ */

struct rec_store {
    struct rec_sql *db;
    const struct rec_keyring *keys;  /**< NULL: what needs keys fails, saying so */
    const struct rec_password_cost *cost; /**< of new passwords; NULL: rec_password_interactive */
    bool owns;
    struct rec_keyring ring;
};

/** Opens the database, checks that its schema is this program's, and reads the keyring. Of what kind a failure was, rec_sql_open_fault tells:
 *  REC_SQL_ABSENT also where there is a database without a store. @param keys  a path, or NULL: none. */
int rec_store_open(struct rec_store *store, const char *url, const char *keys, const struct rec_sql_options *options, struct rec_err *err);
/** A store over a connection that is somebody else's. */
void rec_store_wrap(struct rec_store *store, struct rec_sql *db, const struct rec_keyring *keys);
void rec_store_close(struct rec_store *store);
/** 32 letters that were drawn when the store was made. */
#define REC_STORE_ID 32
int rec_store_id(char out[REC_STORE_ID + 1], struct rec_store *store, struct rec_err *err);
/** Runs `work` in a WRITE transaction; undone when it fails; run again, up to five times, when it was BUSY by a deadlock or serialization.
 *  Where a transaction is open, `work` becomes a part of it, once. */
int rec_store_write(struct rec_store *store, int (*work)(struct rec_store *store, void *context, struct rec_err *err), void *context,
                    struct rec_err *err);
/** The keyed hash that something secret or personal is looked up by: with that version of the keyring. @param what  "email", "user": equal texts of two kinds differ. */
int rec_store_lookup(unsigned char out[REC_HASH_BYTES], const struct rec_store *store, uint32_t version, const char *what, const char *text,
                     size_t len, struct rec_err *err);

/** What of the store cannot be read, or known again, without a version of the keyring. Backups, and tokens that were given out, are not counted. */
struct rec_store_key_use {
    uint32_t version;
    uint64_t emails;                 /**< encrypted with it: rec_accounts_rekey takes them to the newest */
    uint64_t forgotten;              /**< keyed hashes of people who were forgotten, which nobody can make anew */
};
/** By version, ascending. @return how many, or -1. */
int rec_store_key_uses(struct rec_store_key_use out[REC_KEYRING_MAX], struct rec_store *store, struct rec_err *err);

/** Sees to it that there is a keyring at `path`: makes one (rec_keyring_create) where there is none, but never in place of one that was lost: not while something
 *  in the store needs it. Of several that begin at once one makes it, and the others read it. @param db  with the schema; NULL: a store that is new
 *  @return 1: it was made; 0: it was there, and can be read; -1. */
int rec_keys_make(const char *path, struct rec_sql *db, int64_t now, struct rec_err *err);

/* ---- names: users and movies --------------------------------------------------------------------- */

#define REC_NAMES_LONGEST 255        /**< bytes of an id */
enum rec_names_of { REC_NAMES_USERS, REC_NAMES_MOVIES };

/** The row of that id, made when it is not there (a film so made has no title). Within a WRITE transaction. */
int rec_names_intern(int64_t *row, struct rec_store *store, enum rec_names_of of, const char *id, struct rec_err *err);
/** 1, 0: unknown, -1. */
int rec_names_find(int64_t *row, struct rec_store *store, enum rec_names_of of, const char *id, struct rec_err *err);
/** row[i] = the row of ids->get(i), for all of them, made where they are missing, in one go. @param made  how many were made. */
int rec_names_intern_all(int32_t *row, struct rec_store *store, enum rec_names_of of, const struct rec_ids *ids, uint64_t *made,
                         struct rec_err *err);
/** All of them: ids in the byte order, and row[i] of each (to be freed). */
int rec_names_all(struct rec_ids *ids, int32_t **row, struct rec_store *store, enum rec_names_of of, struct rec_err *err);

/* ---- load: many ratings or movies in --------------------------------------------------------------
 *
 * Idempotent: the same file twice is the same as once. A rating that is there gives way unless it is later than the new one; one without a
 * time counts as one of 1970-01-01. One that was taken back since stays away. A film that is there takes the new title, year and genres.
 * All in one transaction: others see the old state or the new one. People who were forgotten stay so: their ratings are left out and
 * counted, which needs the keys if anybody was. Two loaders take turns. Feedback goes on meanwhile on PostgreSQL, but for a load that
 * brings more than there is, as the first one does: that one has the table to itself. On SQLite, which has one writer, it waits.
 */
struct rec_load_report {
    uint64_t rows;            /**< in the file, after its duplicates were merged */
    uint64_t added, changed, same;
    uint64_t older;           /**< left out: the store had a later one, or it was taken back later */
    uint64_t forgotten;       /**< left out: of people who were forgotten */
    uint64_t users, movies;   /**< new ones */
};
struct rec_load_options {
    const char *source;       /**< what `loads` records of it: a name; NULL: "" */
    uint32_t digest;          /**< crc32c of the text or file it was */
    int64_t now;
    void (*progress)(void *context, const char *what, uint64_t done, uint64_t total); /**< or NULL */
    void *context;
};
int rec_load_ratings(struct rec_store *store, const struct rec_ratings *ratings, const struct rec_load_options *options,
                     struct rec_load_report *report, struct rec_err *err);
int rec_load_movies(struct rec_store *store, const struct rec_catalogue *movies, const struct rec_load_options *options,
                    struct rec_load_report *report, struct rec_err *err);

/* ---- unload: ratings, movies and feedback out -----------------------------------------------------
 *
 * CSV that rec-ingest reads, from one snapshot: `userId,movieId,rating,timestamp` · `movieId,title,genres` (year in the title, as MovieLens has
 * it, only if it is not there) · `userId,movieId,kind,value,timestamp,requestId,arm,received` (received: seconds and microseconds). Rows are in
 * no promised order. There is no timestamp when no rating can have one; where some have, those without are written with 0, which is
 * what they count as when they are loaded again.
 *
 * `since` gives the ratings that loads brought or changed, and those of pairs that got feedback, as they are now: a rating that was taken back is in
 * the feedback and not here. Movies know no since: asked for, it is an error.
 */
struct rec_unload_options {
    bool since_given;
    int64_t since;            /**< only what was stored at this second or later: not by the time of the rating, but by its arrival */
    char delimiter;           /**< 0: ',' */
    bool no_header;
    void (*progress)(void *context, const char *what, uint64_t done, uint64_t total);
    void *context;
};
/** @param mark  the second to ask for with `since` next time: a little before the snapshot, so that nothing in flight is missed; or NULL. */
int rec_unload_ratings(struct rec_store *store, const struct rec_unload_options *options, struct rec_out *out, uint64_t *rows,
                       int64_t *mark, struct rec_err *err);
int rec_unload_movies(struct rec_store *store, const struct rec_unload_options *options, struct rec_out *out, uint64_t *rows,
                      struct rec_err *err);
int rec_unload_feedback(struct rec_store *store, const struct rec_unload_options *options, struct rec_out *out, uint64_t *rows,
                        int64_t *mark, struct rec_err *err);

/* ---- feedback: events as they come ---------------------------------------------------------------- */

struct rec_event {
    const char *user, *movie; /**< ids of the data set */
    const char *kind;         /**< "rating", "like", "watch", "skip", "remove" */
    double value;             /**< of a rating: finite, kept as a float; NAN where there is none */
    int64_t time;             /**< when it happened, seconds */
    const char *request;      /**< names the request: the same request, user and place in it are stored once; NULL: a new name is drawn */
    const char *arm;          /**< "experiment/arm", or NULL */
};
/** Stores n events in one transaction, durable when it returns 0, and makes each rating the state of its pair (unless a later one is there);
 *  "remove" ends it, and a rating that comes later but is older does not bring it back. Of two at the same second the one that came later counts.
 *  A film must exist: REC_SQL_CONSTRAINT "movie 77: there is no such movie". A new user is made, but for one who was forgotten, who needs
 *  another id (REC_SQL_CONSTRAINT): old models and backups may still know the first one. One that cannot be stored means none is.
 *  `now` is when they arrived, to the second; the present gets the clock's microseconds. @param added  those that were not there. */
int rec_feedback_add(struct rec_store *store, const struct rec_event *events, size_t n, int64_t now, size_t *added, struct rec_err *err);
/** Calls `each` for the present ratings of a user, the latest first, those without a time (0) last. */
int rec_feedback_ratings(struct rec_store *store, const char *user, int (*each)(void *context, const char *movie, double value,
                         int64_t time), void *context, struct rec_err *err);
/** The user's events, the latest received first, from `before` (an event's id; 0: from the newest), at most `limit`. */
struct rec_event_stored {
    int64_t id, received;
    struct rec_event event;   /**< texts borrowed, for the call */
};
int rec_feedback_events(struct rec_store *store, const char *user, int64_t before, size_t limit,
                        int (*each)(void *context, const struct rec_event_stored *event), void *context, struct rec_err *err);
/** The id of the user's newest event: it grows with every one, and tells whether anything was heard of them since. 1; 0: there is none; -1. */
int rec_feedback_newest(int64_t *id, struct rec_store *store, const char *user, struct rec_err *err);
/** Adds a name for all that the store knows of a user at this moment: by events, by loads, since it was made or restored. What was made from a history
 *  read after it may be used again while the name is the same. */
int rec_feedback_state(struct rec_buf *out, struct rec_store *store, const char *user, struct rec_err *err);
/** Everybody's events, in the order they were received, from after the event `after` (0: from the first), at most `limit`. */
int rec_feedback_after(struct rec_store *store, int64_t after, size_t limit, int (*each)(void *context, const struct rec_event_stored *event),
                       void *context, struct rec_err *err);

/* ---- appender: from many threads ------------------------------------------------------------------
 *
 * A thread writes; all that wait when it begins a transaction are in it. So the disk is waited for once, not once for each of them. On
 * PostgreSQL, which writes for several at once, a few threads do, each for its share of those that wait.
 * An event that cannot be stored fails alone: its batch is then tried one by one.
 */
struct rec_appender;
/** @param url  opened by the appender's own threads, the first of them before it returns. */
int rec_appender_new(struct rec_appender **out, const char *url, const struct rec_sql_options *options, const struct rec_keyring *keys,
                     struct rec_err *err);
/** Returns when the events are durable (or not, with the reason; `fault` and `added` may be NULL). From any thread, but not once rec_appender_free
 *  has been called. A connection that was lost is made anew, and what was under way tried again, without storing anything twice. */
int rec_appender_add(struct rec_appender *a, const struct rec_event *events, size_t n, int64_t now, size_t *added,
                     enum rec_sql_fault *fault, struct rec_err *err);
/** Stores what waits, then ends. NULL is safe. */
void rec_appender_free(struct rec_appender *a);

/* ---- accounts ------------------------------------------------------------------------------------- */

#define REC_ACCOUNTS_ID 20
#define REC_ACCOUNTS_NAME_LONGEST 64
#define REC_ACCOUNTS_EMAIL_LONGEST 254

enum rec_role { REC_ROLE_USER, REC_ROLE_ANALYST, REC_ROLE_SERVICE, REC_ROLE_ADMIN };
extern const char *const rec_accounts_roles[]; /**< "user", "analyst", "service", "admin", NULL */

struct rec_account {
    char id[REC_ACCOUNTS_ID + 1];
    char name[REC_ACCOUNTS_NAME_LONGEST + 1];
    char email[REC_ACCOUNTS_EMAIL_LONGEST + 1];  /**< decrypted; "" when there is none, or no keys */
    enum rec_role role;
    bool disabled;
    char user[REC_NAMES_LONGEST + 1];            /**< the user of the data set: the one it was tied to, or its own id */
    bool tied;
    int64_t created, changed, last_login;        /**< last_login 0: never */
    int64_t password_changed;                    /**< tokens issued before are void */
};

/** Names: 3 to 64 of [A-Za-z0-9._-], beginning with a letter or digit, told apart without regard to case. */
int rec_accounts_check_name(const char *name, struct rec_err *err);
/** A plausible address: one @, something on both sides, no blanks or controls, at most 254 bytes of UTF-8. */
int rec_accounts_check_email(const char *email, struct rec_err *err);
/** 10 to 1024 bytes of UTF-8, not the name itself, not one of the commonest. (Where one is set, it may not be the e-mail either.) */
int rec_accounts_check_password(const char *password, size_t len, const char *name, struct rec_err *err);

struct rec_accounts_new {
    const char *name, *email, *password;         /**< email may be NULL; password NULL: nobody can log in by one */
    size_t password_len;
    enum rec_role role;
};
/** REC_SQL_UNIQUE when the name or the e-mail is taken. */
int rec_accounts_add(struct rec_account *out, struct rec_store *store, const struct rec_accounts_new *spec, int64_t now, struct rec_err *err);
/** 1, 0: no such account, -1. */
int rec_accounts_by_id(struct rec_account *out, struct rec_store *store, const char *id, struct rec_err *err);
/** The account that a token is for, and whether that token (its jti) or its family ("": none) was taken back, in one look. Its e-mail stays "": to decrypt it takes longer than to
 *  find it, and few ask for it. 1, 0: no such account, and nothing is known of the token, -1. */
int rec_accounts_by_token(struct rec_account *out, bool *revoked, struct rec_store *store, const char *id, const char *jti, const char *family,
                          struct rec_err *err);
int rec_accounts_by_name(struct rec_account *out, struct rec_store *store, const char *name, struct rec_err *err);
/** Without regard to case, over the whole address; by each version of the keyring. */
int rec_accounts_by_email(struct rec_account *out, struct rec_store *store, const char *email, struct rec_err *err);
/** 1: it is them (and last_login is set, and a stale hash renewed, unless the database is busy, full or read-only); 0: unknown, disabled, no
 *  password, or another one, all in the same time; -1. */
int rec_accounts_login(struct rec_account *out, struct rec_store *store, const char *name, const char *password, size_t len, int64_t now,
                       struct rec_err *err);
/** In the order of names, from after `after` ("": the first), at most `limit`. */
int rec_accounts_list(struct rec_store *store, const char *after, size_t limit, int (*each)(void *context, const struct rec_account *account),
                      void *context, struct rec_err *err);
/** 1, 0: no such account, -1. The last administrator who is not disabled keeps the role and stays enabled (REC_SQL_CONSTRAINT). */
int rec_accounts_set_role(struct rec_store *store, const char *id, enum rec_role role, int64_t now, struct rec_err *err);
int rec_accounts_set_disabled(struct rec_store *store, const char *id, bool disabled, int64_t now, struct rec_err *err);
int rec_accounts_set_password(struct rec_store *store, const char *id, const char *password, size_t len, int64_t now, struct rec_err *err);
int rec_accounts_set_email(struct rec_store *store, const char *id, const char *email, int64_t now, struct rec_err *err);
/** Ties it to a user of the data set that exists and is nobody else's; NULL, or its own id, unties. Ratings and events under the account's
 *  own id move along: of a pair that both have rated the later rating stays; events are stored anew, as received now. What was rated while
 *  tied stays with that user. REC_SQL_CONSTRAINT: no such user; REC_SQL_UNIQUE: another account's. */
int rec_accounts_tie(struct rec_store *store, const char *id, const char *user, int64_t now, struct rec_err *err);
/** Every e-mail that is not so yet encrypted and hashed anew with the newest key, in one transaction; a sign-up waits for it. A program that
 *  still has the old keyring may add older ones, so older keys go only when it has been run again. @param done  how many; may be NULL. */
int rec_accounts_rekey(struct rec_store *store, uint64_t *done, struct rec_err *err);

/* ---- api_keys ------------------------------------------------------------------------------------- */

#define REC_API_KEYS_ID 12
#define REC_API_KEYS_TEXT 64         /**< "rec_" id "_" secret (32 letters, 160 bits), and its NUL */

struct rec_api_key {
    char id[REC_API_KEYS_ID + 1];
    char account[REC_ACCOUNTS_ID + 1];
    char name[65];                   /**< what it is for */
    char scopes[257];                /**< words with blanks between them: "recommend feedback" */
    int64_t created, expires, last_used, revoked; /**< 0: never */
};
/** Draws a key for an account. `text` receives it, the only time it can be had: the store keeps a hash (of 160 random
 *  bits, so that no key is needed). @param scopes  words of a-z 0-9 . : _ - with one blank between them. @param expires  0: never. */
int rec_api_keys_add(char text[REC_API_KEYS_TEXT], struct rec_api_key *out, struct rec_store *store, const char *account, const char *name,
                     const char *scopes, int64_t now, int64_t expires, struct rec_err *err);
/** 1: a key in force, of an account that is not disabled (last_used is set, once a minute at most, where the database can be written at
 *  once); 0; -1. */
int rec_api_keys_check(struct rec_api_key *key, struct rec_account *account, struct rec_store *store, const char *text, size_t len,
                       int64_t now, struct rec_err *err);
/** Of one account, or of all (NULL), the oldest first. */
int rec_api_keys_list(struct rec_store *store, const char *account, int (*each)(void *context, const struct rec_api_key *key),
                      void *context, struct rec_err *err);
/** 1, 0: no such key, -1. */
int rec_api_keys_revoke(struct rec_store *store, const char *id, int64_t now, struct rec_err *err);

/* ---- tokens --------------------------------------------------------------------------------------- */

/** Takes a token back, by its jti, until it would have expired anyway; those that have are dropped on the way. */
int rec_tokens_revoke(struct rec_store *store, const char *jti, const char *account, int64_t expires, int64_t now, struct rec_err *err);
/** Takes a family of tokens back: the one of that jti that was given out at a log in, and all that came of it, one for another. @param until  when
 *  the last of them would have expired anyway. */
int rec_tokens_revoke_family(struct rec_store *store, const char *family, const char *account, int64_t until, int64_t now, struct rec_err *err);
/** As rec_tokens_revoke, for a token that serves once. 1: it was in force; 0: it had been taken back, or its family; -1. One that comes a second time
 *  was stolen, or its successor was: then its family is taken back `until` then (OAuth 2.0 Security Best Current Practice, RFC 9700, section 4.14).
 *  @param used_before  that was so, for the first time in its family */
int rec_tokens_take(bool *used_before, struct rec_store *store, const char *jti, const char *family, const char *account, int64_t expires,
                    int64_t until, int64_t now, struct rec_err *err);
/** 1: it was taken back; 0; -1. */
int rec_tokens_revoked(struct rec_store *store, const char *jti, struct rec_err *err);

/* ---- experiments ---------------------------------------------------------------------------------- */

struct rec_experiment_arm {
    const char *name, *model;        /**< model: a version, or "" */
    double weight;                   /**< share of people, > 0; the sum is what counts */
};
/** REC_SQL_UNIQUE when the name is there. */
int rec_experiments_add(struct rec_store *store, const char *name, const char *salt, const struct rec_experiment_arm *arms, size_t n, int64_t now,
                        struct rec_err *err);
/** 1, 0: no such experiment, or it had ended, -1. */
int rec_experiments_end(struct rec_store *store, const char *name, int64_t now, struct rec_err *err);
int rec_experiments_list(struct rec_store *store, int (*each)(void *context, const char *name, const char *salt, int64_t begun, int64_t ended,
                         const struct rec_experiment_arm *arms, size_t n), void *context, struct rec_err *err);

/* ---- deployments ---------------------------------------------------------------------------------- */

struct rec_deployment {
    int64_t id, time;
    const char *model, *digest;      /**< the version's name, and the digest of its file */
    const char *action;              /**< "promote", "rollback" */
    const char *reason;              /**< one line: the figures that decided */
    const char *actor;
};
int rec_deployments_add(struct rec_store *store, const struct rec_deployment *deployment, struct rec_err *err);
/** The newest first, at most `limit`. */
int rec_deployments_list(struct rec_store *store, size_t limit, int (*each)(void *context, const struct rec_deployment *deployment),
                         void *context, struct rec_err *err);

/* ---- audit ---------------------------------------------------------------------------------------- */

/** Who (an account's id, "rec-db:LOGIN", ""), did what ("account.role"), to what (an id), with what (no secrets, no names of people). Rows
 *  are never changed or deleted (the database refuses it). NULL is "". */
int rec_audit_add(struct rec_store *store, int64_t now, const char *actor, const char *action, const char *object, const char *detail,
                  const char *request, struct rec_err *err);
/** Of those from `since` on the newest, at most `limit`; the oldest of them first. */
int rec_audit_list(struct rec_store *store, int64_t since, size_t limit,
                   int (*each)(void *context, int64_t time, const char *actor, const char *action, const char *object, const char *detail,
                               const char *request), void *context, struct rec_err *err);

/* ---- stats ---------------------------------------------------------------------------------------- */

struct rec_stat {
    const char *name;                /**< "ratings" */
    const char *help;
    int64_t value;
    bool is_time;                    /**< seconds since 1970; 0: never */
};
#define REC_STATS_MAX 48
/** From one snapshot, and exact: ratings and events are counted, which takes about a second for 20 million. Returns how many, or -1. */
int rec_stats(struct rec_stat out[REC_STATS_MAX], struct rec_store *store, struct rec_err *err);

/* ---- forget: erasing a person --------------------------------------------------------------------- */

struct rec_forget_report {
    uint64_t ratings, events, accounts, api_keys;
    bool known;                      /**< there was such a user */
    char user[REC_NAMES_LONGEST + 1];
};
/** Erases a person, named by the id of a user of the data set, or by the name or e-mail of an account (`account` true), in one transaction: ratings,
 *  events, e-mail, name, password, keys, and the row of the user. A user and the account tied to it, or whose own it is, go together. What stays is a keyed hash in `forgotten`, so that a file that still has them
 *  does not bring them back, and a line in the audit log with that hash. Refused for the last administrator.
 *  @param actor  who does it, as rec_audit_add takes it */
int rec_forget(struct rec_forget_report *report, struct rec_store *store, const char *who, bool account, const char *actor, int64_t now,
               struct rec_err *err);
/** Whether somebody of this id was forgotten. 1, 0, -1. */
int rec_forget_was(struct rec_store *store, const char *user, struct rec_err *err);
/** After one or more were forgotten, outside a transaction: leaves nothing of deleted rows in the files of the database, which takes as long
 *  as copying it. SQLite: VACUUM, and the log emptied. PostgreSQL: VACUUM of the tables that people are in; its log, and pages not yet
 *  used again, keep traces until the server overwrites them.
 *  @param left  NULL when all is done, else a line (a literal) that says what remains, and why. */
int rec_forget_scrub(const char **left, struct rec_store *store, struct rec_err *err);

#endif
