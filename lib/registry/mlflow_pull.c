/* SPDX-License-Identifier: MIT
 *
 * A version brought from MLflow: the server says which one an alias means, and nothing else of it is believed. What comes lies in versions/.new
 * until every file has the SHA-256 that version.json says, and version.json the signature of a key of this registry; then it is a
 * version as if it had been added.
 */
#include "mlflow_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define DESCRIPTION_LONGEST ((size_t)4 << 20)

struct pull {
    struct mlflow_http http;
    struct rec_registry *registry;
    struct rec_folder stage;
    char *artifacts;             /* "1/07b4.../artifacts/model" */
    struct rec_version *version;
};

/* Where the files of the version lie that the alias has there; its digest, if it has one. */
static int resolve(struct pull *p, char digest[REC_SHA256_TEXT], const char *alias, struct rec_err *err)
{
    struct rec_buf path = {0};
    struct rec_json_value *root = NULL, *where = NULL;
    int status = -1;

    rec_buf_adds(&path, "registered-models/alias?name=");
    rec_mlflow_http_escape(&path, p->registry->name, "");
    rec_buf_adds(&path, "&alias=");
    rec_mlflow_http_escape(&path, alias, "");
    if (path.failed) {
        rec_err_memory(err, alias);
        goto out;
    }
    if (!(root = rec_mlflow_http_ask(&p->http, path.data, NULL, err)))
        goto out;
    const struct rec_json_value *version = rec_json_get(root, "model_version");
    const char *of = rec_mlflow_run_tag(version, "rec.digest");
    if (!rec_version_is_digest(of)) {
        rec_err_set(err, "%s: %s@%.60s: has no tag rec.digest: it is no version of a registry", p->http.url, p->registry->name, alias);
        goto out;
    }
    memcpy(digest, of, REC_SHA256_TEXT);
    rec_buf_reset(&path);
    rec_buf_adds(&path, "model-versions/get-download-uri?name=");
    rec_mlflow_http_escape(&path, p->registry->name, "");
    rec_buf_adds(&path, "&version=");
    rec_mlflow_http_escape(&path, mlflow_get(version, "version"), "");
    if (path.failed)
        rec_err_memory(err, alias);
    else if ((where = rec_mlflow_http_ask(&p->http, path.data, NULL, err)) != NULL)
        status = rec_mlflow_run_artifacts(&p->artifacts, &p->http, mlflow_get(where, "artifact_uri"), err);
out:
    rec_json_free(where);
    rec_json_free(root);
    rec_buf_clear(&path);
    return status;
}

/* One file into the stage, fsynced. */
static int fetch(struct pull *p, const char *name, uint64_t limit, char sha256[REC_SHA256_TEXT], struct rec_err *err)
{
    struct rec_buf path = {0};
    int status = -1, fd = openat(p->stage.fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);

    if (fd < 0)
        return rec_err_errno(err, "%s/%s", p->stage.path, name);
    rec_buf_addf(&path, "%s/%s/%s", p->artifacts, MLFLOW_VERSION, name);
    if (path.failed)
        rec_err_memory(err, name);
    else
        status = rec_mlflow_http_get(&p->http, path.data, fd, limit, sha256, err);
    if (status == 0 && fsync(fd) < 0)
        status = rec_err_errno(err, "%s/%s", p->stage.path, name);
    close(fd);
    rec_buf_clear(&path);
    return status;
}

/* version.sig, by a key that is here. */
static int check_signature(struct pull *p, const struct rec_buf *text, struct rec_err *err)
{
    unsigned char signature[REC_SIGN_BYTES], key[REC_SIGN_PUBLIC];
    char sha256[REC_SHA256_TEXT], id[17];
    struct rec_buf line = {0};
    int status = -1;

    if (fetch(p, "version.sig", 4096, sha256, err) < 0) {
        if (p->http.status != 404)
            return -1;
        unlinkat(p->stage.fd, "version.sig", 0);
        return p->http.mlflow->trust ? 0 : rec_err_set(err, "%s: the version is not signed: --unsigned takes it all the same", p->http.url);
    }
    if (rec_folder_get(&line, &p->stage, "version.sig", err) < 0 || rec_version_signature(id, signature, line.data ? line.data : "", line.len) < 0)
        rec_err_set(err, "%s: version.sig is damaged", p->http.url);
    else if (rec_signer_find(key, p->registry, id, err) < 0)
        status = p->http.mlflow->trust ? 0 : -1;
    else if (!rec_sign_verify(signature, text->data ? text->data : "", text->len, key))
        rec_err_set(err, "%s: version.json is not what key %s signed", p->http.url, id);
    else
        status = 0;
    rec_buf_clear(&line);
    return status;
}

/* Everything that version.json names, and nothing else. */
static int fetch_all(struct pull *p, const char *digest, struct rec_err *err)
{
    struct rec_buf text = {0};
    char sha256[REC_SHA256_TEXT];
    int status = fetch(p, "version.json", DESCRIPTION_LONGEST, sha256, err);

    if (status == 0)
        status = rec_folder_get(&text, &p->stage, "version.json", err);
    // The signature first: what nobody signed is not worth reading.
    if (status == 0)
        status = check_signature(p, &text, err);
    if (status == 0 && (status = rec_version_parse(p->version, "version.json", text.data ? text.data : "", text.len, digest, err)) < 0)
        rec_err_prefix(err, p->http.url);
    for (size_t i = 0; status == 0 && i < p->version->n_files; i++) {
        const struct rec_registry_file *file = &p->version->file[i];
        status = fetch(p, file->name, file->bytes, sha256, err);
        if (status == 0 && strcmp(sha256, file->sha256) != 0)
            status = rec_err_set(err, "%s: %s is not what its SHA-256 in version.json says", p->http.url, file->name);
    }
    rec_buf_clear(&text);
    return status;
}

static bool is_here(const struct rec_registry *registry, const char *digest)
{
    struct rec_folder versions;
    bool has = rec_folder_open(&versions, registry, "versions", NULL) == 0 && rec_folder_has(&versions, digest);

    rec_folder_close(&versions);
    return has;
}

static void drop(struct pull *p)
{
    struct rec_folder versions;

    if (!p->stage.path)
        return;
    rec_folder_close(&p->stage);
    if (rec_folder_open(&versions, p->registry, "versions", NULL) == 0)
        rec_folder_remove(&versions, REC_VERSION_STAGE, NULL);
    rec_folder_close(&versions);
}

int rec_mlflow_pull(struct rec_version *version, struct rec_registry *registry, const struct rec_mlflow *mlflow, const char *alias, int64_t now,
                    struct rec_err *err)
{
    struct pull p = {.registry = registry, .version = version, .stage.fd = -1};
    char digest[REC_SHA256_TEXT];
    int status = -1;

    *version = (struct rec_version){0};
    if (rec_mlflow_http_open(&p.http, mlflow, err) < 0)
        return -1;
    if (resolve(&p, digest, alias, err) < 0)
        goto out;
    if (!is_here(registry, digest) &&
        (rec_add_begin(&p.stage, registry, err) < 0 || fetch_all(&p, digest, err) < 0 || rec_add_place(&p.stage, registry, digest, err) < 0))
        goto out;
    rec_version_clear(version);
    if (rec_version_read(version, registry, digest, err) == 0)
        status = rec_registry_alias(registry, alias, version, !mlflow->trust, "pull", NULL, now, err);
out:
    drop(&p);
    rec_mlflow_http_close(&p.http);
    free(p.artifacts);
    if (status < 0)
        rec_version_clear(version);
    return status;
}
