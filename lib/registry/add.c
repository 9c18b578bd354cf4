/* SPDX-License-Identifier: MIT
 *
 * A model becomes a version. Everything is made in versions/.new, fsynced, and renamed to versions/DIGEST at once; who holds the lock may
 * throw away what a killed run left there.
 */
#include "registry_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the stage ---- */

int rec_add_begin(struct rec_folder *stage, const struct rec_registry *registry, struct rec_err *err)
{
    struct rec_folder versions;
    int status = rec_folder_open(&versions, registry, "versions", err);

    *stage = (struct rec_folder){.fd = -1};
    if (status == 0 && (rec_folder_remove(&versions, REC_VERSION_STAGE, err) < 0 || rec_folder_make(stage, &versions, REC_VERSION_STAGE, err) < 0))
        status = -1;
    rec_folder_close(&versions);
    return status;
}

int rec_add_place(struct rec_folder *stage, const struct rec_registry *registry, const char *digest, struct rec_err *err)
{
    struct rec_folder versions;
    int status = rec_folder_sync(stage, err);

    rec_folder_close(stage);
    if (status < 0 || rec_folder_open(&versions, registry, "versions", err) < 0)
        return -1;
    if (renameat(versions.fd, REC_VERSION_STAGE, versions.fd, digest) < 0)
        status = rec_err_errno(err, "%s/%s", versions.path, digest);
    else
        status = rec_folder_sync(&versions, err);
    rec_folder_close(&versions);
    return status;
}

/* What is left of a version that was not made: room on a full disk, for one. */
static void drop(struct rec_folder *stage, const struct rec_registry *registry)
{
    struct rec_folder versions;

    rec_folder_close(stage);
    if (rec_folder_open(&versions, registry, "versions", NULL) == 0)
        (void)rec_folder_remove(&versions, REC_VERSION_STAGE, NULL);
    rec_folder_close(&versions);
}

/* ---- files ---- */

/* The rest of a file by plain reads: of a pipe, and where the kernel cannot copy between file systems. */
static int copy_slowly(int to, int from)
{
    char block[65536];
    ssize_t got;

    while ((got = read(from, block, sizeof block)) != 0)
        for (ssize_t done = 0, n; done < got || got < 0; done += n) {
            if (got < 0 && errno != EINTR)
                return -1;
            if (got < 0)
                break;
            n = write(to, block + done, (size_t)(got - done));
            if (n < 0 && errno != EINTR)
                return -1;
            n = n < 0 ? 0 : n;
        }
    return 0;
}

/* copy_file_range shares the blocks where the file system can. */
static int copy_bytes(int to, int from)
{
    ssize_t n;

    do
        n = copy_file_range(from, NULL, to, NULL, (size_t)1 << 30, 0);
    while (n > 0 || (n < 0 && errno == EINTR));
    if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == EFBIG))
        return -1;
    return copy_slowly(to, from);
}

static int note_file(struct rec_version *v, const struct rec_registry_file *file, struct rec_err *err)
{
    if (rec_realloc(&v->file, v->n_files + 1, sizeof *v->file, file->name, err) < 0)
        return -1;
    v->file[v->n_files] = *file;
    v->file[v->n_files].name = strdup(file->name);
    return v->file[v->n_files++].name ? 0 : rec_err_memory(err, file->name);
}

/* Copies one, under the name of its role; NULL: there is none. */
static int take_file(struct rec_version *v, const struct rec_folder *stage, const char *path, const char *name, struct rec_err *err)
{
    struct rec_registry_file file = {0};
    struct rec_buf room = {0};
    struct stat st;
    int from, to = -1, status = -1;

    if (!path)
        return 0;
    from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0 || fstat(from, &st) < 0)
        rec_err_errno(err, "%s", path);
    else if (S_ISDIR(st.st_mode))
        rec_err_set(err, "%s: is a directory", path);
    else if (rec_folder_has(stage, name))
        rec_err_set(err, "%s: there are two files %s", path, name);
    else if ((to = openat(stage->fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444)) < 0 || copy_bytes(to, from) < 0 || fsync(to) < 0)
        rec_err_errno(err, "%s: into the registry", path);
    else if (rec_folder_digest(&file, to, stage, name, err) == 0) {
        rec_buf_adds(&room, name);
        file.name = room.data;
        status = room.failed ? rec_err_memory(err, name) : note_file(v, &file, err);
    }
    if (from >= 0)
        close(from);
    if (to >= 0 && close(to) < 0 && status == 0)
        status = rec_err_errno(err, "%s: into the registry", path);
    rec_buf_clear(&room);
    return status;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static int take_extra(struct rec_version *v, const struct rec_folder *stage, const char *const *extra, struct rec_err *err)
{
    for (; extra && *extra; extra++) {
        if (!rec_version_is_file(base_name(*extra)))
            return rec_err_set(err, "%s: a file of a version cannot have that name", *extra);
        if (take_file(v, stage, *extra, base_name(*extra), err) < 0)
            return -1;
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct rec_registry_file *)a)->name, ((const struct rec_registry_file *)b)->name);
}

static int take_files(struct rec_version *v, const struct rec_folder *stage, const struct rec_registry_add *add, struct rec_err *err)
{
    if (take_file(v, stage, add->metrics, "metrics.json", err) < 0 || take_file(v, stage, add->users, "users.csv", err) < 0 ||
        take_file(v, stage, add->trace, "trace.csv", err) < 0 || take_file(v, stage, add->catalogue, "movies.rec", err) < 0 ||
        take_extra(v, stage, add->extra, err) < 0)
        return -1;
    qsort(v->file, v->n_files, sizeof *v->file, by_name);
    return 0;
}

/* ---- what is known of it ---- */

static int copy_text(char **out, const char *text, struct rec_err *err)
{
    *out = strdup(text);
    return *out ? 0 : rec_err_memory(err, "version");
}

/* The model's kind and parameters, of the copy, which is read in full: a damaged model is no version. */
static int read_model(struct rec_version *v, char **history, const struct rec_folder *stage, const char *name, struct rec_err *err)
{
    struct rec_safetensors file = {0};
    struct rec_buf path = {0};
    struct rec_json_value *params = NULL;
    const char *type, *text, *lines;
    int status = -1;

    rec_buf_addf(&path, "%s/model.rec", stage->path);
    if (path.failed) {
        rec_err_memory(err, name);
        goto out;
    }
    if (rec_safetensors_open(&file, path.data, err) < 0 || rec_safetensors_expect(&file, "rec.model", 2, err) < 0) {
        /* Of the copy nobody has heard. */
        size_t n = strlen(path.data);
        if (err && !strncmp(err->text, path.data, n)) {
            struct rec_err why = *err;
            rec_err_set(err, "%s%s", name, why.text + n);
        }
        goto out;
    }
    type = rec_safetensors_meta(&file, "type");
    text = rec_safetensors_meta(&file, "params");
    lines = rec_safetensors_meta(&file, "history");
    params = rec_json_read(name, text ? text : "{}", text ? strlen(text) : 2, err);
    if (!params || rec_version_values(&v->param, &v->n_params, params, false, name, err) < 0)
        goto out;
    if (!type || !*type)
        rec_err_set(err, "%s: header: metadata type is missing", name);
    else if (copy_text(&v->model, type, err) == 0)
        status = copy_text(history, lines ? lines : "", err);
out:
    rec_json_free(params);
    rec_safetensors_close(&file);
    rec_buf_clear(&path);
    return status;
}

static int read_metrics(struct rec_version *v, const struct rec_folder *stage, const struct rec_registry_add *add, struct rec_err *err)
{
    struct rec_json_value *root = NULL;
    struct rec_buf text = {0};
    int status = -1;

    if (!add->metrics)
        return 0;
    if (rec_folder_get(&text, stage, "metrics.json", err) == 0 &&
        (root = rec_json_read(add->metrics, text.data ? text.data : "", text.len, err)) != NULL)
        status = rec_version_values(&v->metric, &v->n_metrics, root, true, add->metrics, err);
    rec_json_free(root);
    rec_buf_clear(&text);
    return status;
}

static int read_tags(struct rec_version *v, const char *const *tags, struct rec_err *err)
{
    for (; tags && *tags; tags++) {
        const char *equals = strchr(*tags, '=');
        char key[128];

        if (!equals || equals == *tags || (size_t)(equals - *tags) >= sizeof key)
            return rec_err_set(err, "tag %.60s: is not of the form key=value", *tags);
        snprintf(key, sizeof key, "%.*s", (int)(equals - *tags), *tags);
        for (size_t i = 0; i < v->n_tags; i++)
            if (!strcmp(v->tag[i].key, key))
                return rec_err_set(err, "tag %.60s: is there twice", key);
        if (rec_version_value(&v->tag, &v->n_tags, key, equals + 1, NAN, err) < 0)
            return -1;
    }
    return 0;
}

static int add_origin(struct rec_json *json, const char *key, const char *path, struct rec_err *err)
{
    char sha256[REC_SHA256_TEXT];

    if (rec_sha256_file(sha256, path, err) < 0)
        return -1;
    rec_json_object(json, key);
    rec_json_text(json, "name", base_name(path), strlen(base_name(path)));
    rec_json_text(json, "sha256", sha256, strlen(sha256));
    rec_json_end(json);
    return 0;
}

static int make_lineage(struct rec_version *v, const struct rec_registry_add *add, const char *history, struct rec_err *err)
{
    struct rec_buf text = {0};
    struct rec_json json = {.out = &text, .flat = true};
    int status = 0;

    rec_json_object(&json, NULL);
    rec_json_array(&json, "data");
    for (const char *const *p = add->data; p && *p && status == 0; p++)
        status = add_origin(&json, NULL, *p, err);
    rec_json_end(&json);
    if (add->test && status == 0)
        status = add_origin(&json, "test", add->test, err);
    rec_json_array(&json, "history");
    for (size_t n; *history; history += n + (history[n] == '\n')) {
        n = strcspn(history, "\n");
        rec_json_text(&json, NULL, history, n);
    }
    rec_json_end(&json);
    rec_json_text(&json, "tools", add->tools ? add->tools : "", add->tools ? strlen(add->tools) : 0);
    rec_json_end(&json);
    if (status == 0 && text.failed)
        status = rec_err_memory(err, "lineage");
    v->lineage = text.data;
    return status;
}

/* ---- putting it together ---- */

static int sign(struct rec_version *v, const struct rec_folder *stage, const struct rec_registry *registry, struct rec_registry_add *add,
                const struct rec_buf *text, struct rec_err *err)
{
    struct rec_signer signer;
    struct rec_buf line = {0};
    int status = -1;

    if (!add->key)
        return 0;
    if (rec_signer_open(&signer, &add->key_made, add->key, err) == 0 && rec_signer_publish(&signer, registry, err) == 0 &&
        rec_signer_sign(&line, &signer, text->data, text->len, err) == 0)
        status = rec_folder_put(stage, "version.sig", line.data, line.len, 0444, err);
    v->signed_by_key = status == 0;
    memcpy(v->key, signer.id, sizeof v->key);
    rec_signer_clear(&signer);
    rec_buf_clear(&line);
    return status;
}

static int describe(struct rec_version *v, const struct rec_folder *stage, const struct rec_registry *registry, struct rec_registry_add *add,
                    const char *history, int64_t now, struct rec_err *err)
{
    struct rec_buf text = {0};
    int status = -1;

    v->created = now;
    if (take_files(v, stage, add, err) == 0 && read_metrics(v, stage, add, err) == 0 && read_tags(v, add->tags, err) == 0 &&
        (!add->note || copy_text(&v->note, add->note, err) == 0) && make_lineage(v, add, history, err) == 0 &&
        rec_version_next(&v->number, registry, err) == 0 && rec_version_print(&text, v, err) == 0 &&
        rec_folder_put(stage, "version.json", text.data, text.len, 0444, err) == 0)
        status = sign(v, stage, registry, add, &text, err);
    rec_buf_clear(&text);
    return status;
}

static int tell(struct rec_registry *registry, const struct rec_version *v, int64_t now, struct rec_err *err)
{
    struct rec_buf text = {0};
    struct rec_json json = {.out = &text, .flat = true};
    int status;

    rec_json_object(&json, NULL);
    rec_json_int(&json, "number", v->number);
    rec_json_text(&json, "digest", v->digest, strlen(v->digest));
    rec_json_text(&json, "model", v->model, strlen(v->model));
    if (v->signed_by_key)
        rec_json_text(&json, "key", v->key, strlen(v->key));
    rec_json_end(&json);
    status = text.failed ? rec_err_memory(err, "journal") : rec_registry_journal(registry, "add", text.data, now, err);
    rec_buf_clear(&text);
    return status;
}

static bool has_version(const struct rec_registry *registry, const char *digest)
{
    struct rec_folder versions;
    bool has = rec_folder_open(&versions, registry, "versions", NULL) == 0 && rec_folder_has(&versions, digest);

    rec_folder_close(&versions);
    return has;
}

int rec_registry_add(struct rec_version *v, bool *added, struct rec_registry *registry, struct rec_registry_add *add, int64_t now,
                     struct rec_err *err)
{
    struct rec_folder stage;
    char *history = NULL;
    int status = -1;

    *v = (struct rec_version){0};
    *added = add->key_made = false;
    if (rec_add_begin(&stage, registry, err) < 0)
        return -1;
    if (take_file(v, &stage, add->model, "model.rec", err) < 0 || read_model(v, &history, &stage, add->model, err) < 0)
        goto out;
    memcpy(v->digest, v->file[0].sha256, REC_SHA256_TEXT);
    if (has_version(registry, v->digest)) {
        char digest[REC_SHA256_TEXT];
        memcpy(digest, v->digest, sizeof digest);
        rec_version_clear(v);
        status = rec_version_read(v, registry, digest, err);
    } else if (describe(v, &stage, registry, add, history, now, err) == 0 && rec_add_place(&stage, registry, v->digest, err) == 0) {
        *added = true;
        status = tell(registry, v, now, err);
    }
out:
    drop(&stage, registry);
    free(history);
    if (status < 0)
        rec_version_clear(v);
    return status;
}
