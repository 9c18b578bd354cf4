/* SPDX-License-Identifier: MIT
 *
 * registry: versions of models. A directory that any file system, rsync or backup can carry; MLflow is told of it when it is configured.
 *
 *     registry   the directory: opening, locking
 *     version    version.json: what a version is, written once; finding a version
 *     add        a model and what belongs to it become a version
 *     alias      production and other names: promote, rollback
 *     journal    journal.jsonl: every decision and its reasons
 *     verify     digests and signatures
 *     gc         what nobody needs any more
 *     mlflow     MLflow's REST API (2.0, as of MLflow 3): runs, metrics, artifacts, registered versions, aliases
 *     outbox     what MLflow has still to be told: nothing lost, nothing twice
 *     pyfunc     the files that make a version a model of MLflow's python_function flavor
 *
 * The directory:
 *
 *     REGISTRY/registry.json               {"format":"rec.registry/1","name":"rec"}
 *     REGISTRY/versions/DIGEST/            a version: read-only, complete or not there (made beside, then renamed)
 *         model.rec  metrics.json  users.csv  ...    as they were added; the names are fixed by the role of a file, below
 *         version.json                     what it is: number, time, model, metrics, parameters, lineage, SHA-256 of every other file
 *         version.sig                      Ed25519 signature of version.json's bytes: "KEYID SIGNATURE\n", base64url
 *     REGISTRY/production -> versions/DIGEST         an alias: a link, replaced by rename
 *     REGISTRY/journal.jsonl               add, promote, refuse, rollback, gc: a line each, appended under the lock, fsynced
 *     REGISTRY/keys/KEYID.pub              who may sign; KEYID is the first 16 hexadecimal digits of the public key's SHA-256
 *     REGISTRY/outbox/NNNNNNNN.json        what MLflow has still to be told, in order
 *     REGISTRY/lock
 *
 * DIGEST is the SHA-256 of model.rec in hexadecimal, as sha256sum prints it: the same model added twice is one version. Versions have
 * numbers too, 1, 2, 3 ..., given once. A version is asked for as "3", "v3", a digest or the first 6 digits or more of one, or an alias.
 *
 * Functions that may fail return 0, or -1 with the reason in `err`. Those who change a registry take turns (flock on REGISTRY/lock); readers
 * need no lock.
 */
#ifndef REC_REGISTRY_H
#define REC_REGISTRY_H

#include <rec/format.h>
#include <rec/util.h>

#define REC_SHA256_TEXT 65       /**< 64 hexadecimal digits and NUL */

/* ---- registry ----------------------------------------------------------------------------------- */

struct rec_registry {
    char *path;                  /**< as given */
    char *name;                  /**< of registry.json: the registered model's name in MLflow */
    int dir, lock;               /**< descriptors; lock -1: not held */
};
enum { REC_REGISTRY_READ, REC_REGISTRY_WRITE, REC_REGISTRY_CREATE }; /**< create: made when it is not there; write and create hold the lock */
int rec_registry_open(struct rec_registry *registry, const char *path, int how, struct rec_err *err);
void rec_registry_close(struct rec_registry *registry);

/* ---- version ------------------------------------------------------------------------------------- */

struct rec_registry_file {
    char *name;                  /**< "model.rec" */
    char sha256[REC_SHA256_TEXT];
    uint64_t bytes;
};
struct rec_registry_value {      /**< a metric or a parameter or a tag; `number` is NAN where it is a text */
    char *key, *text;
    double number;
};
struct rec_version {
    int64_t number;              /**< from 1 */
    char digest[REC_SHA256_TEXT];
    int64_t created;             /**< seconds since 1970 */
    char *model;                 /**< "ials" */
    char *note;                  /**< of who added it, or NULL */
    struct rec_registry_value *metric, *param, *tag;
    size_t n_metrics, n_params, n_tags;
    struct rec_registry_file *file;      /**< all but version.json and version.sig, by name */
    size_t n_files;
    char *lineage;               /**< JSON: {"data":[{"name","sha256"}],"test":{"name","sha256"},"history":[lines],"tools":"0.1.0 (commit)"} */
    bool signed_by_key;
    char key[17];                /**< KEYID, or "" */
    char *damage;                /**< why version.json cannot be read, of rec_version_list alone; or NULL */
};
/** Reads what `which` asks for: number, digest, alias. The text of version.json is checked; files are not (rec_registry_verify). */
int rec_version_read(struct rec_version *version, const struct rec_registry *registry, const char *which, struct rec_err *err);
/** All of them, by number; those whose version.json cannot be read first, with `digest` and `damage` and nothing else. */
int rec_version_list(struct rec_version **list, size_t *n, const struct rec_registry *registry, struct rec_err *err);
/** The text of version.json, added to `out`. */
int rec_version_print(struct rec_buf *out, const struct rec_version *version, struct rec_err *err);
void rec_version_clear(struct rec_version *version);
void rec_version_list_clear(struct rec_version *list, size_t n);
/** A metric's value; NAN when it is not there. */
double rec_version_metric(const struct rec_version *version, const char *key);
/** The path of one of its files. */
int rec_version_path(struct rec_buf *out, const struct rec_registry *registry, const struct rec_version *version, const char *file, struct rec_err *err);

/* ---- add ----------------------------------------------------------------------------------------- */

/** What a version is made of. Paths are of files that stay where they are; NULL: there is none. */
struct rec_registry_add {
    const char *model;           /**< rec.model, whole: becomes model.rec */
    const char *metrics;         /**< flat JSON, as rec-eval writes: metrics.json */
    const char *users;           /**< rec-eval --per-user: users.csv, for tests of significance */
    const char *trace;           /**< CSV by pass, as rec-train --trace: trace.csv */
    const char *catalogue;       /**< movies.rec */
    const char *const *extra;    /**< other files, under their own names; ends at NULL */
    const char *const *data;     /**< files it was trained on: their SHA-256 goes into the lineage */
    const char *test;            /**< the held-out ratings it was measured on: likewise */
    const char *note;
    const char *const *tags;     /**< "key=value"; ends at NULL */
    const char *key;             /**< file of the signing key (32 bytes in base64url, 0600), made when it is not there; NULL: not signed */
    const char *tools;           /**< "0.1.0 (commit)": the toolchain's version, for the lineage */
    bool key_made;               /**< set by rec_registry_add: the key was made, and somebody has to be told to keep it */
};
/** Makes a version, or finds the one there is: *added says which. Its files are copied (reflink where the file system can), fsynced, made
 *  read-only and renamed into place at once: after a kill at any moment it is there whole, or not at all. */
int rec_registry_add(struct rec_version *version, bool *added, struct rec_registry *registry, struct rec_registry_add *add,
                     int64_t now, struct rec_err *err);

/* ---- alias --------------------------------------------------------------------------------------- */

#define REC_ALIAS_PRODUCTION "production"

/** Points an alias at a version, after verifying it (rec_registry_verify with `trusted`), by renaming a link into place; `event` ("promote",
 *  "rollback", "pull") and `reasons` (a JSON object, or NULL) go to the journal. */
int rec_registry_alias(struct rec_registry *registry, const char *alias, const struct rec_version *version, bool trusted, const char *event,
                       const char *reasons, int64_t now, struct rec_err *err);
/** The digest that an alias points at, or "" when there is no such alias. */
int rec_registry_target(char digest[REC_SHA256_TEXT], const struct rec_registry *registry, const char *alias, struct rec_err *err);
/** Calls `each` for every alias, by name. */
int rec_registry_aliases(const struct rec_registry *registry, int (*each)(void *context, const char *alias, const char *digest, struct rec_err *err),
                         void *context, struct rec_err *err);
/** What an alias pointed at before: the version that a rollback goes to, by the journal; a rollback of a rollback goes further back.
 *  -1 when there is none that still exists. */
int rec_registry_previous(struct rec_version *version, const struct rec_registry *registry, const char *alias, struct rec_err *err);

/* ---- verify, gc, journal ------------------------------------------------------------------------- */

/** Every file's digest, no file too many or too few, and the signature by a key of REGISTRY/keys, which must be there when `trusted` says so. */
int rec_registry_verify(const struct rec_registry *registry, const struct rec_version *version, bool trusted, struct rec_err *err);
/** Removes versions without alias, beyond the `keep` newest and younger than no `days`; leftovers of killed runs as well. Removed numbers go to
 *  `each`; with `dry` nothing is removed. What a rollback may need (the last `keep` of production) stays. */
int rec_registry_gc(struct rec_registry *registry, size_t keep, int64_t days, bool dry, int64_t now,
                    void (*each)(void *context, const struct rec_version *version), void *context, struct rec_err *err);
/** Appends {"time":...,"event":EVENT,...} with the members of `members` (a JSON object's text, or NULL). */
int rec_registry_journal(struct rec_registry *registry, const char *event, const char *members, int64_t now, struct rec_err *err);

/* ---- outbox, mlflow ------------------------------------------------------------------------------ */

/** Who is told: MLflow's address and how to speak to it. From MLFLOW_TRACKING_URI, MLFLOW_TRACKING_TOKEN, MLFLOW_TRACKING_USERNAME/_PASSWORD,
 *  MLFLOW_EXPERIMENT_NAME, MLFLOW_TRACKING_SERVER_CERT_PATH and MLFLOW_TRACKING_INSECURE_TLS, which cmd/ reads. */
struct rec_mlflow {
    const char *url;             /**< "http://127.0.0.1:5000"; "https://user:password@host" does in place of the two below */
    const char *token, *user, *password;
    const char *experiment;      /**< "rec" */
    const char *ca;              /**< certificates that the server's is checked by, instead of the system's; or NULL */
    bool insecure;               /**< the server's certificate is not checked */
    bool trust;                  /**< pull takes what nobody has signed whose key is here */
    int timeout;                 /**< seconds for a request, more for a file by its size; 0: 30 */
};

/** Notes that MLflow has to be told of a version, or of an alias ("add" or "alias"): durable when it returns. */
int rec_outbox_put(struct rec_registry *registry, const char *event, const struct rec_version *version, const char *alias, int64_t now,
                   struct rec_err *err);
/** Tells MLflow what is in the outbox, in order, and removes what was taken; ends at the first that fails. Every step is found again by tags
 *  (rec.digest on the run and the version), so that one that was done before a crash is not done twice. *left: entries still there.
 *  Senders take turns; the registry's lock is let go, so that nobody else waits for a server. */
int rec_outbox_send(struct rec_registry *registry, const struct rec_mlflow *mlflow, size_t *left, struct rec_err *err);
/** Brings the version that an alias of MLflow's has into this registry (verified by digests, and by the signature of a key of REGISTRY/keys)
 *  and points the alias here at it. Its number is the one that it was given where it was added. */
int rec_mlflow_pull(struct rec_version *version, struct rec_registry *registry, const struct rec_mlflow *mlflow, const char *alias, int64_t now,
                    struct rec_err *err);

/** Adds the files that make a version loadable by mlflow.pyfunc: MLmodel, python_env.yaml, code/rec_pyfunc.py; for the upload and for those
 *  who read the directory with MLflow. Adds name and text of each to `each`. */
int rec_pyfunc_files(const struct rec_version *version, int (*each)(void *context, const char *name, const void *bytes, size_t n, struct rec_err *err),
                     void *context, struct rec_err *err);

#endif
