/* SPDX-License-Identifier: MIT
 *
 * What the parts of MLflow's side share: a connection, and the steps by which MLflow learns of a version.
 *
 *     mlflow_http     one request and its answer, within limits
 *     mlflow_run      the experiment and the run: parameters, metrics, tags, data sets
 *     mlflow_series   the metrics of a run: as they were measured, and by pass
 *     mlflow_files    a version's files as the run's artifacts, and back
 *     mlflow_version  the registered model, its version, its alias
 *     mlflow_pull     a version brought from MLflow into a registry
 *
 * Each step looks for what it is about to make: it may be repeated after it was done, half done, or done without a word of it coming back.
 */
#ifndef REC_REGISTRY_MLFLOW_PRIV_H
#define REC_REGISTRY_MLFLOW_PRIV_H

#include "registry_priv.h"

#include <string.h>

#define MLFLOW_ID 128            /**< room for an id of MLflow's, and NUL */
#define MLFLOW_TAG 5000          /**< the longest value of a tag */
#define MLFLOW_MODEL "model"     /**< the folder of a run's artifacts that mlflow.pyfunc loads, */
#define MLFLOW_VERSION "version" /**< and in it that of a version's files, as they are in the registry */

/* ---- mlflow_http ---------------------------------------------------------------------------------- */

struct mlflow_http {
    const struct rec_mlflow *mlflow;
    void *curl;                  /**< kept from request to request, and its connection with it */
    char *url;                   /**< without an end of "/" and without a password: also for messages */
    char *user;                  /**< "name:password", or NULL */
    long status;                 /**< of the last answer; 0: none came */
    char code[64];               /**< its error_code, "RESOURCE_DOES_NOT_EXIST", or "" */
};
int rec_mlflow_http_open(struct mlflow_http *http, const struct rec_mlflow *mlflow, struct rec_err *err);
void rec_mlflow_http_close(struct mlflow_http *http);

/** Asks MLflow's REST API and reads the answer as JSON. @param path  "runs/create", behind /api/2.0/mlflow/, with what is asked behind a '?'
 *  @param body  JSON for a POST, NULL: a GET.  @return NULL with err set, and http->status and http->code when it was MLflow who said no */
struct rec_json_value *rec_mlflow_http_ask(struct mlflow_http *http, const char *path, const struct rec_buf *body, struct rec_err *err);
/** The same where nothing is wanted of the answer. */
int rec_mlflow_http_tell(struct mlflow_http *http, const char *path, const struct rec_buf *body, struct rec_err *err);
int rec_mlflow_http_delete(struct mlflow_http *http, const char *path, const struct rec_buf *body, struct rec_err *err);
/** PUTs `bytes` bytes of a file from its present place, or of memory, as the artifact of that path. */
int rec_mlflow_http_put(struct mlflow_http *http, const char *path, int fd, const void *text, uint64_t bytes, struct rec_err *err);
/** GETs an artifact of at most `limit` bytes into a file and its SHA-256 into `sha256`. */
int rec_mlflow_http_get(struct mlflow_http *http, const char *path, int fd, uint64_t limit, char sha256[REC_SHA256_TEXT], struct rec_err *err);
/** Adds text as a URL has it. `keep` are characters besides letters, digits and "-._~" that stay as they are. */
void rec_mlflow_http_escape(struct rec_buf *out, const char *text, const char *keep);

/* ---- JSON ------------------------------------------------------------------------------------------ */

static inline void mlflow_text(struct rec_json *json, const char *key, const char *text)
{
    rec_json_text(json, key, text, strlen(text));
}
/** The body of a POST: an object, to be ended. */
static inline struct rec_json mlflow_body(struct rec_buf *out)
{
    struct rec_json json = {.out = out, .flat = true};
    rec_buf_reset(out);
    rec_json_object(&json, NULL);
    return json;
}
/** A member that is a text, or "". */
static inline const char *mlflow_get(const struct rec_json_value *object, const char *key)
{
    const char *text = rec_json_string(rec_json_get(object, key));
    return text ? text : "";
}
/** The value of {"tags":[{"key":KEY,"value":...}]}, or "". */
const char *rec_mlflow_run_tag(const struct rec_json_value *object, const char *key);
/** {"key":...,"value":...} with a key that MLflow takes, which has no @ in it, and a value of at most `longest` bytes. */
void rec_mlflow_run_pair(struct rec_json *json, const char *key, const char *value, size_t longest);
/** ndcg@10 becomes ndcg_at_10; what else MLflow does not take becomes _. */
void rec_mlflow_run_name(struct rec_json *json, const char *member, const char *name);

/* ---- the steps ------------------------------------------------------------------------------------- */

struct mlflow_run {
    char experiment[MLFLOW_ID], id[MLFLOW_ID];
    char *artifacts;             /**< path of its artifacts as mlflow-artifacts has it: "1/07b4.../artifacts" */
    char *uri;                   /**< the same as MLflow names it: "mlflow-artifacts:/1/07b4.../artifacts" */
};
/** Finds the run of a version of that registered model, or makes it; a second one, of a request that was given up and yet carried out, goes. */
int rec_mlflow_run_find(struct mlflow_run *run, struct mlflow_http *http, const char *registry, const struct rec_version *version,
                        struct rec_err *err);
/** The last part of it once more, when all is done. */
int rec_mlflow_run_tidy(struct mlflow_run *run, struct mlflow_http *http, const char *registry, const struct rec_version *version,
                        struct rec_err *err);
/** Parameters, tags, data sets. */
int rec_mlflow_run_tell(struct mlflow_http *http, const struct mlflow_run *run, const struct rec_version *version, struct rec_err *err);
int rec_mlflow_run_finish(struct mlflow_http *http, const struct mlflow_run *run, const struct rec_version *version, struct rec_err *err);
void rec_mlflow_run_clear(struct mlflow_run *run);
/** Reads "mlflow-artifacts:/1/..." of a run or a version; what another server holds is refused. *path is to be freed. */
int rec_mlflow_run_artifacts(char **path, const struct mlflow_http *http, const char *uri, struct rec_err *err);

/** Metrics, and the columns of trace.csv by pass. */
int rec_mlflow_series_tell(struct mlflow_http *http, const struct mlflow_run *run, const struct rec_registry *registry,
                           const struct rec_version *version, struct rec_err *err);

/** All of a version's files, and those that make it a model of MLflow's, as far as they are not there. */
int rec_mlflow_files_send(struct mlflow_http *http, const struct mlflow_run *run, const struct rec_registry *registry,
                          const struct rec_version *version, struct rec_err *err);

/** Everything: whatever of it is missing is made. Puts the number that MLflow gave it in `number`. */
int rec_mlflow_version_tell(char number[MLFLOW_ID], struct mlflow_http *http, const struct rec_registry *registry,
                            const struct rec_version *version, struct rec_err *err);
/** What an answer says in the place of an id; it goes into paths and requests. */
int rec_mlflow_run_id(char out[MLFLOW_ID], const struct mlflow_http *http, const char *id, const char *what, struct rec_err *err);
int rec_mlflow_version_alias(struct mlflow_http *http, const char *model, const char *alias, const char *number, struct rec_err *err);

#endif
