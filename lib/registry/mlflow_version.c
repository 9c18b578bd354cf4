/* SPDX-License-Identifier: MIT
 *
 * The registered model, a version of it, its alias. A version of MLflow's is made when all that it stands for is there, so that one that is found
 * needs nothing more.
 */
#include "mlflow_priv.h"

static int number_of(int64_t *number, const struct rec_json_value *version)
{
    const char *text = mlflow_get(version, "version");

    return rec_num_int64(number, text, strlen(text));
}

static bool is_of(const struct rec_json_value *version, const char *model, const char *digest)
{
    return strcmp(mlflow_get(version, "name"), model) == 0 && strcmp(rec_mlflow_run_tag(version, "rec.digest"), digest) == 0;
}

static int delete_version(struct mlflow_http *http, const struct rec_json_value *version, struct rec_err *err);

/* The least number of those that stand for this digest, 0: none. Others, without an alias, are of requests that were given up and yet
 * carried out: they go. */
static int find(int64_t *number, struct mlflow_http *http, const char *model, const char *digest, struct rec_err *err)
{
    struct rec_buf path = {0};
    struct rec_json_value *root = NULL;
    int64_t n;
    int status = -1;

    *number = 0;
    rec_buf_adds(&path, "model-versions/search?max_results=1000&filter=");
    rec_mlflow_http_escape(&path, "tags.`rec.digest` = '", "");
    rec_buf_addf(&path, "%s%%27", digest);
    if (path.failed) {
        rec_err_memory(err, "versions");
        goto out;
    }
    root = rec_mlflow_http_ask(http, path.data, NULL, err);
    if (!root)
        goto out;
    const struct rec_json_value *list = rec_json_get(root, "model_versions");
    for (size_t i = 0; i < rec_json_length(list); i++)
        if (is_of(rec_json_at(list, i), model, digest) && number_of(&n, rec_json_at(list, i)) == 0 && (*number == 0 || n < *number))
            *number = n;
    status = 0;
    for (size_t i = 0; i < rec_json_length(list) && status == 0; i++) {
        const struct rec_json_value *one = rec_json_at(list, i);
        if (is_of(one, model, digest) && number_of(&n, one) == 0 && n != *number && rec_json_length(rec_json_get(one, "aliases")) == 0)
            status = delete_version(http, one, err);
    }
out:
    rec_json_free(root);
    rec_buf_clear(&path);
    return status;
}

static int delete_version(struct mlflow_http *http, const struct rec_json_value *version, struct rec_err *err)
{
    struct rec_buf body = {0};
    struct rec_json json = mlflow_body(&body);

    mlflow_text(&json, "name", mlflow_get(version, "name"));
    mlflow_text(&json, "version", mlflow_get(version, "version"));
    rec_json_end(&json);
    int status = rec_mlflow_http_delete(http, "model-versions/delete", &body, err);
    rec_buf_clear(&body);
    return status;
}

/* ---- making ---------------------------------------------------------------------------------------------- */

static int make_model(struct mlflow_http *http, const char *model, struct rec_err *err)
{
    struct rec_buf body = {0};
    struct rec_json json = mlflow_body(&body);

    mlflow_text(&json, "name", model);
    rec_json_end(&json);
    int status = rec_mlflow_http_tell(http, "registered-models/create", &body, err);
    rec_buf_clear(&body);
    return status < 0 && strcmp(http->code, "RESOURCE_ALREADY_EXISTS") != 0 ? -1 : 0;
}

static int make_version(struct mlflow_http *http, const char *model, const struct mlflow_run *run, const struct rec_version *version,
                        struct rec_err *err)
{
    struct rec_buf body = {0}, source = {0};
    struct rec_json json = mlflow_body(&body);
    char number[24];

    snprintf(number, sizeof number, "%lld", (long long)version->number);
    rec_buf_addf(&source, "%s/%s", run->uri, MLFLOW_MODEL);
    mlflow_text(&json, "name", model);
    mlflow_text(&json, "source", source.failed ? "" : source.data);
    mlflow_text(&json, "run_id", run->id);
    if (version->note && *version->note)
        rec_json_text(&json, "description", version->note, strnlen(version->note, MLFLOW_TAG));
    rec_json_array(&json, "tags");
    rec_mlflow_run_pair(&json, "rec.digest", version->digest, MLFLOW_TAG);
    rec_mlflow_run_pair(&json, "rec.number", number, MLFLOW_TAG);
    rec_mlflow_run_pair(&json, "rec.model", version->model, MLFLOW_TAG);
    for (size_t i = 0; i < version->n_tags && i < 100; i++)
        rec_mlflow_run_pair(&json, version->tag[i].key, version->tag[i].text, MLFLOW_TAG);
    rec_json_end(&json);
    rec_json_end(&json);
    body.failed |= source.failed;
    int status = rec_mlflow_http_tell(http, "model-versions/create", &body, err);
    rec_buf_clear(&source);
    rec_buf_clear(&body);
    return status;
}

static int make(struct mlflow_http *http, const struct rec_registry *registry, const struct rec_version *version, struct rec_err *err)
{
    struct mlflow_run run;
    int status = -1;

    if (rec_mlflow_run_find(&run, http, registry->name, version, err) < 0)
        return -1;
    if (rec_mlflow_run_tell(http, &run, version, err) == 0 && rec_mlflow_series_tell(http, &run, registry, version, err) == 0 &&
        rec_mlflow_files_send(http, &run, registry, version, err) == 0 && rec_mlflow_run_finish(http, &run, version, err) == 0 &&
        make_model(http, registry->name, err) == 0 && make_version(http, registry->name, &run, version, err) == 0)
        status = rec_mlflow_run_tidy(&run, http, registry->name, version, err);
    rec_mlflow_run_clear(&run);
    return status;
}

int rec_mlflow_version_tell(char number[MLFLOW_ID], struct mlflow_http *http, const struct rec_registry *registry,
                            const struct rec_version *version, struct rec_err *err)
{
    int64_t n;

    if (find(&n, http, registry->name, version->digest, err) < 0)
        return -1;
    if (n == 0 && (make(http, registry, version, err) < 0 || find(&n, http, registry->name, version->digest, err) < 0))
        return -1;
    if (n == 0)
        return rec_err_set(err, "%s: version %lld was made and is not there", http->url, (long long)version->number);
    number[rec_num_print_int64(number, n)] = 0;
    return 0;
}

int rec_mlflow_version_alias(struct mlflow_http *http, const char *model, const char *alias, const char *number, struct rec_err *err)
{
    struct rec_buf body = {0};
    struct rec_json json = mlflow_body(&body);

    mlflow_text(&json, "name", model);
    mlflow_text(&json, "alias", alias);
    mlflow_text(&json, "version", number);
    rec_json_end(&json);
    int status = rec_mlflow_http_tell(http, "registered-models/alias", &body, err);
    rec_buf_clear(&body);
    return status;
}
