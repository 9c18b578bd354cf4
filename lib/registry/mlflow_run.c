/* SPDX-License-Identifier: MIT
 *
 * The run that stands for a version: found by its tag rec.digest, or made; its parameters, tags and data sets.
 *
 * A run is made together with its tags, so that there is none without them. What is logged twice with the same value is there once: MLflow has
 * it so for parameters, tags, metrics of the same time and step, and data sets. A request that was given up may still be carried out later,
 * beside the one that followed it: of several runs one is kept, the same whoever looks, and those that nobody finished are deleted.
 */
#include "mlflow_priv.h"

#include <inttypes.h>

#define PARAM_LONGEST 5990      /* of 6000: half a character at the end becomes three bytes */
#define NAME_LONGEST 250
#define BATCH 100
#define SCHEME "mlflow-artifacts:"

/* ---- names and values -------------------------------------------------------------------------------- */

void rec_mlflow_run_name(struct rec_json *json, const char *member, const char *name)
{
    struct rec_buf clean = {0};

    for (const char *c = name; *c && clean.len < NAME_LONGEST - 3; c++)
        if (*c == '@')
            rec_buf_adds(&clean, "_at_");
        else
            rec_buf_addc(&clean, (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || strchr("_-.", *c) ? *c : '_');
    json->out->failed |= clean.failed;
    mlflow_text(json, member, clean.len > 0 ? clean.data : "_");
    rec_buf_clear(&clean);
}

void rec_mlflow_run_pair(struct rec_json *json, const char *key, const char *value, size_t longest)
{
    rec_json_object(json, NULL);
    rec_mlflow_run_name(json, "key", key);
    rec_json_text(json, "value", value, strnlen(value, longest));
    rec_json_end(json);
}

const char *rec_mlflow_run_tag(const struct rec_json_value *object, const char *key)
{
    const struct rec_json_value *tags = rec_json_get(object, "tags");

    for (size_t i = 0; i < rec_json_length(tags); i++)
        if (strcmp(mlflow_get(rec_json_at(tags, i), "key"), key) == 0)
            return mlflow_get(rec_json_at(tags, i), "value");
    return "";
}

/* An id of an answer, which goes into paths and requests. */
int rec_mlflow_run_id(char out[MLFLOW_ID], const struct mlflow_http *http, const char *id, const char *what, struct rec_err *err)
{
    size_t n = strlen(id);

    for (size_t i = 0; i < n; i++)
        if (!((id[i] >= 'a' && id[i] <= 'z') || (id[i] >= 'A' && id[i] <= 'Z') || (id[i] >= '0' && id[i] <= '9') || strchr("-_.", id[i])))
            n = 0;
    if (n == 0 || n >= MLFLOW_ID)
        return rec_err_set(err, "%s: the answer has no %s that could be one", http->url, what);
    memcpy(out, id, n + 1);
    return 0;
}

/* ---- the experiment ------------------------------------------------------------------------------------ */

static int find_experiment(char out[MLFLOW_ID], struct mlflow_http *http, struct rec_err *err)
{
    const char *name = http->mlflow->experiment ? http->mlflow->experiment : "rec";
    struct rec_buf path = {0};
    struct rec_json_value *root = NULL;
    int status = -1;

    rec_buf_adds(&path, "experiments/get-by-name?experiment_name=");
    rec_mlflow_http_escape(&path, name, "");
    if (path.failed) {
        rec_err_memory(err, "experiment");
        goto out;
    }
    root = rec_mlflow_http_ask(http, path.data, NULL, err);
    const struct rec_json_value *experiment = rec_json_get(root, "experiment");
    if (root && strcmp(mlflow_get(experiment, "lifecycle_stage"), "deleted") == 0)
        rec_err_set(err, "%s: experiment %s is deleted: restore it, or choose another one", http->url, name);
    else if (root)
        status = rec_mlflow_run_id(out, http, mlflow_get(experiment, "experiment_id"), "experiment", err);
out:
    rec_json_free(root);
    rec_buf_clear(&path);
    return status;
}

static int make_experiment(char out[MLFLOW_ID], struct mlflow_http *http, struct rec_err *err)
{
    struct rec_buf body = {0};
    struct rec_json json = mlflow_body(&body);

    mlflow_text(&json, "name", http->mlflow->experiment ? http->mlflow->experiment : "rec");
    rec_json_end(&json);
    int status = rec_mlflow_http_tell(http, "experiments/create", &body, err);
    rec_buf_clear(&body);
    // Another one may have made it meanwhile.
    if (status < 0 && strcmp(http->code, "RESOURCE_ALREADY_EXISTS") != 0)
        return -1;
    return find_experiment(out, http, err);
}

/* ---- the run -------------------------------------------------------------------------------------------- */

int rec_mlflow_run_artifacts(char **path, const struct mlflow_http *http, const char *uri, struct rec_err *err)
{
    const char *at = uri + strlen(SCHEME);

    if (strncmp(uri, SCHEME, strlen(SCHEME)) != 0)
        return rec_err_set(err, "%s: artifacts lie at %.120s: start the server with --serve-artifacts and without another --default-artifact-root",
                           http->url, uri);
    if (strncmp(at, "//", 2) == 0) {
        const char *host = strstr(http->url, "://") + 3;
        size_t n = strcspn(at + 2, "/");
        if (n > 0 && (strncmp(at + 2, host, n) != 0 || (host[n] && host[n] != '/')))
            return rec_err_set(err, "%s: artifacts lie with another server: %.120s", http->url, uri);
        at += 2 + n;
    }
    while (*at == '/')
        at++;
    for (const char *part = at; *part; part += strcspn(part, "/"), part += *part == '/')
        if (strcspn(part, "/") == strspn(part, "."))
            return rec_err_set(err, "%s: no path of artifacts: %.120s", http->url, uri);
    *path = strdup(at);
    return *path ? 0 : rec_err_memory(err, "artifacts");
}

static int take_run(struct mlflow_run *run, const struct mlflow_http *http, const struct rec_json_value *one, struct rec_err *err)
{
    const struct rec_json_value *info = rec_json_get(one, "info");
    const char *uri = mlflow_get(info, "artifact_uri");

    if (rec_mlflow_run_id(run->id, http, mlflow_get(info, "run_id"), "run", err) < 0 || rec_mlflow_run_artifacts(&run->artifacts, http, uri, err) < 0)
        return -1;
    run->uri = strdup(uri);
    return run->uri ? 0 : rec_err_memory(err, "run");
}

static bool finished(const struct rec_json_value *run)
{
    return strcmp(mlflow_get(rec_json_get(run, "info"), "status"), "RUNNING") != 0;
}

/* A finished one before others, then the one whose id is the least. */
static bool before(const struct rec_json_value *a, const struct rec_json_value *b)
{
    if (finished(a) != finished(b))
        return finished(a);
    return strcmp(mlflow_get(rec_json_get(a, "info"), "run_id"), mlflow_get(rec_json_get(b, "info"), "run_id")) < 0;
}

static bool is_of(const struct rec_json_value *run, const char *registry, const char *digest)
{
    const struct rec_json_value *data = rec_json_get(run, "data");

    return strcmp(rec_mlflow_run_tag(data, "rec.digest"), digest) == 0 && strcmp(rec_mlflow_run_tag(data, "rec.registry"), registry) == 0;
}

static int delete_run(struct mlflow_http *http, const struct rec_json_value *run, struct rec_err *err)
{
    struct rec_buf body = {0};
    struct rec_json json = mlflow_body(&body);

    mlflow_text(&json, "run_id", mlflow_get(rec_json_get(run, "info"), "run_id"));
    rec_json_end(&json);
    int status = rec_mlflow_http_tell(http, "runs/delete", &body, err);
    rec_buf_clear(&body);
    return status;
}

/* 1: found, 0: there is none, -1. */
static int search(struct mlflow_run *run, struct mlflow_http *http, const char *registry, const char *digest, struct rec_err *err)
{
    struct rec_buf body = {0}, filter = {0};
    struct rec_json json = mlflow_body(&body);
    const struct rec_json_value *kept = NULL;
    int status = -1;

    rec_buf_addf(&filter, "tags.`rec.digest` = '%s'", digest);
    rec_json_array(&json, "experiment_ids");
    mlflow_text(&json, NULL, run->experiment);
    rec_json_end(&json);
    mlflow_text(&json, "filter", filter.failed ? "" : filter.data);
    mlflow_text(&json, "run_view_type", "ACTIVE_ONLY");
    rec_json_int(&json, "max_results", BATCH);
    rec_json_end(&json);
    body.failed |= filter.failed;
    struct rec_json_value *root = rec_mlflow_http_ask(http, "runs/search", &body, err);
    const struct rec_json_value *runs = rec_json_get(root, "runs");
    if (!root)
        goto out;
    for (size_t i = 0; i < rec_json_length(runs); i++)
        if (is_of(rec_json_at(runs, i), registry, digest) && (!kept || before(rec_json_at(runs, i), kept)))
            kept = rec_json_at(runs, i);
    status = kept ? 1 : 0;
    if (kept && !run->uri && take_run(run, http, kept, err) < 0)
        status = -1;
    for (size_t i = 0; status > 0 && i < rec_json_length(runs); i++) {
        const struct rec_json_value *one = rec_json_at(runs, i);
        if (one != kept && is_of(one, registry, digest) && !finished(one) && delete_run(http, one, err) < 0)
            status = -1;
    }
out:
    rec_json_free(root);
    rec_buf_clear(&filter);
    rec_buf_clear(&body);
    return status;
}

static int make(struct mlflow_run *run, struct mlflow_http *http, const char *registry, const struct rec_version *version, struct rec_err *err)
{
    struct rec_buf body = {0};
    struct rec_json json = mlflow_body(&body);
    char name[96];

    snprintf(name, sizeof name, "v%" PRId64 " %.60s", version->number, version->model);
    mlflow_text(&json, "experiment_id", run->experiment);
    rec_json_int(&json, "start_time", version->created * 1000);
    rec_json_array(&json, "tags");
    rec_mlflow_run_pair(&json, "rec.digest", version->digest, MLFLOW_TAG);
    rec_mlflow_run_pair(&json, "rec.registry", registry, MLFLOW_TAG);
    rec_mlflow_run_pair(&json, "mlflow.runName", name, MLFLOW_TAG);
    rec_mlflow_run_pair(&json, "mlflow.source.name", "rec-registry", MLFLOW_TAG);
    rec_mlflow_run_pair(&json, "mlflow.source.type", "LOCAL", MLFLOW_TAG);
    rec_json_end(&json);
    rec_json_end(&json);
    struct rec_json_value *root = rec_mlflow_http_ask(http, "runs/create", &body, err);
    int status = root ? take_run(run, http, rec_json_get(root, "run"), err) : -1;
    rec_json_free(root);
    rec_buf_clear(&body);
    return status;
}

int rec_mlflow_run_find(struct mlflow_run *run, struct mlflow_http *http, const char *registry, const struct rec_version *version,
                        struct rec_err *err)
{
    int status;

    *run = (struct mlflow_run){0};
    status = find_experiment(run->experiment, http, err);
    if (status < 0 && http->status == 404 && strcmp(http->code, "RESOURCE_DOES_NOT_EXIST") == 0)
        status = make_experiment(run->experiment, http, err);
    if (status == 0 && (status = search(run, http, registry, version->digest, err)) == 0)
        status = make(run, http, registry, version, err);
    if (status < 0)
        rec_mlflow_run_clear(run);
    return status < 0 ? -1 : 0;
}

int rec_mlflow_run_tidy(struct mlflow_run *run, struct mlflow_http *http, const char *registry, const struct rec_version *version,
                        struct rec_err *err)
{
    return search(run, http, registry, version->digest, err) < 0 ? -1 : 0;
}

void rec_mlflow_run_clear(struct mlflow_run *run)
{
    free(run->artifacts);
    free(run->uri);
    *run = (struct mlflow_run){0};
}

/* ---- what is told of it ---------------------------------------------------------------------------------- */

/* Sends pairs as "params" or "tags", so many as MLflow takes at once. */
static int log_values(struct mlflow_http *http, const struct mlflow_run *run, const char *kind, const struct rec_registry_value *value, size_t n,
                      size_t longest, struct rec_err *err)
{
    struct rec_buf body = {0};
    int status = 0;

    for (size_t i = 0; i < n && status == 0;) {
        struct rec_json json = mlflow_body(&body);
        mlflow_text(&json, "run_id", run->id);
        rec_json_array(&json, kind);
        for (size_t end = n - i < BATCH ? n : i + BATCH; i < end; i++)
            rec_mlflow_run_pair(&json, value[i].key, value[i].text, longest);
        rec_json_end(&json);
        rec_json_end(&json);
        status = rec_mlflow_http_tell(http, "runs/log-batch", &body, err);
    }
    rec_buf_clear(&body);
    return status;
}

static void add_data(struct rec_json *json, const struct rec_json_value *data)
{
    char key[300];

    snprintf(key, sizeof key, "rec.data.%.200s", mlflow_get(data, "name"));
    rec_mlflow_run_pair(json, key, mlflow_get(data, "sha256"), MLFLOW_TAG);
}

/* Lines of the history as one text. */
static void add_history(struct rec_json *json, const struct rec_json_value *history)
{
    struct rec_buf text = {0};

    for (size_t i = 0; i < rec_json_length(history); i++) {
        const char *line = rec_json_string(rec_json_at(history, i));
        rec_buf_addf(&text, "%s%s", i > 0 ? "\n" : "", line ? line : "");
    }
    if (text.len > 0)
        rec_mlflow_run_pair(json, "rec.history", text.data, MLFLOW_TAG);
    json->out->failed |= text.failed;
    rec_buf_clear(&text);
}

/* Tags of our own: where it comes from. */
static int log_origin(struct mlflow_http *http, const struct mlflow_run *run, const struct rec_version *version,
                      const struct rec_json_value *lineage, struct rec_err *err)
{
    const struct rec_json_value *data = rec_json_get(lineage, "data"), *test = rec_json_get(lineage, "test");
    struct rec_buf body = {0};
    struct rec_json json = mlflow_body(&body);
    char number[24];

    snprintf(number, sizeof number, "%" PRId64, version->number);
    mlflow_text(&json, "run_id", run->id);
    rec_json_array(&json, "tags");
    rec_mlflow_run_pair(&json, "rec.number", number, MLFLOW_TAG);
    rec_mlflow_run_pair(&json, "rec.model", version->model, MLFLOW_TAG);
    if (version->signed_by_key)
        rec_mlflow_run_pair(&json, "rec.key", version->key, MLFLOW_TAG);
    if (version->note && *version->note)
        rec_mlflow_run_pair(&json, "mlflow.note.content", version->note, MLFLOW_TAG);
    if (*mlflow_get(lineage, "tools"))
        rec_mlflow_run_pair(&json, "rec.tools", mlflow_get(lineage, "tools"), MLFLOW_TAG);
    add_history(&json, rec_json_get(lineage, "history"));
    for (size_t i = 0; i < rec_json_length(data) && i < BATCH / 2; i++)
        add_data(&json, rec_json_at(data, i));
    if (*mlflow_get(test, "sha256"))
        rec_mlflow_run_pair(&json, "rec.test", mlflow_get(test, "sha256"), MLFLOW_TAG);
    rec_json_end(&json);
    rec_json_end(&json);
    int status = rec_mlflow_http_tell(http, "runs/log-batch", &body, err);
    rec_buf_clear(&body);
    return status;
}

/* A data set has a name and a digest of at most 36 characters: half of the SHA-256. */
static void add_input(struct rec_json *json, const struct rec_json_value *data, const char *purpose)
{
    const char *digest = mlflow_get(data, "sha256"), *name = mlflow_get(data, "name");

    if (!*digest || !*name)
        return;
    rec_json_object(json, NULL);
    rec_json_array(json, "tags");
    rec_mlflow_run_pair(json, "mlflow.data.context", purpose, MLFLOW_TAG);
    rec_json_end(json);
    rec_json_object(json, "dataset");
    rec_json_text(json, "name", name, strnlen(name, 500));
    rec_json_text(json, "digest", digest, strnlen(digest, 32));
    mlflow_text(json, "source_type", "local");
    rec_json_text(json, "source", name, strnlen(name, 500));
    rec_json_end(json);
    rec_json_end(json);
}

static int log_inputs(struct mlflow_http *http, const struct mlflow_run *run, const struct rec_json_value *lineage, struct rec_err *err)
{
    const struct rec_json_value *data = rec_json_get(lineage, "data"), *test = rec_json_get(lineage, "test");
    struct rec_buf body = {0};
    struct rec_json json = mlflow_body(&body);

    if (rec_json_length(data) == 0 && !test) {
        rec_buf_clear(&body);
        return 0;
    }
    mlflow_text(&json, "run_id", run->id);
    rec_json_array(&json, "datasets");
    for (size_t i = 0; i < rec_json_length(data) && i < BATCH; i++)
        add_input(&json, rec_json_at(data, i), "training");
    add_input(&json, test, "testing");
    rec_json_end(&json);
    rec_json_end(&json);
    int status = rec_mlflow_http_tell(http, "runs/log-inputs", &body, err);
    // A server older than 2.4 knows no data sets; their digests are tags as well.
    if (status < 0 && http->status == 404)
        status = 0;
    rec_buf_clear(&body);
    return status;
}

int rec_mlflow_run_tell(struct mlflow_http *http, const struct mlflow_run *run, const struct rec_version *version, struct rec_err *err)
{
    struct rec_json_value *lineage = NULL;
    int status = -1;

    if (version->lineage && !(lineage = rec_json_read("lineage", version->lineage, strlen(version->lineage), err)))
        return -1;
    if (log_values(http, run, "params", version->param, version->n_params, PARAM_LONGEST, err) == 0 &&
        log_values(http, run, "tags", version->tag, version->n_tags, MLFLOW_TAG, err) == 0 &&
        log_origin(http, run, version, lineage, err) == 0)
        status = log_inputs(http, run, lineage, err);
    rec_json_free(lineage);
    return status;
}

int rec_mlflow_run_finish(struct mlflow_http *http, const struct mlflow_run *run, const struct rec_version *version, struct rec_err *err)
{
    struct rec_buf body = {0};
    struct rec_json json = mlflow_body(&body);

    mlflow_text(&json, "run_id", run->id);
    mlflow_text(&json, "status", "FINISHED");
    rec_json_int(&json, "end_time", version->created * 1000);
    rec_json_end(&json);
    int status = rec_mlflow_http_tell(http, "runs/update", &body, err);
    rec_buf_clear(&body);
    return status;
}
