/* SPDX-License-Identifier: MIT
 *
 * A version's files as artifacts of its run: model/version/ holds them as the registry does, and beside it lies what mlflow.pyfunc loads.
 *
 * A file is sent from the disk as it is read. One that is there in its full size is not sent again, when it is large: an upload that broke off
 * goes on with the files that are missing.
 */
#include "mlflow_priv.h"

#include <sys/stat.h>
#include <unistd.h>

#define SMALL (64 << 10)         /* always sent: cheaper than thinking about it */

struct sending {
    struct mlflow_http *http;
    const struct mlflow_run *run;
    struct rec_json_value *there;/* the answer of artifacts/list */
};

/* Whether the server's list has the file in that size. */
static bool is_there(const struct sending *s, const char *name, uint64_t bytes)
{
    const struct rec_json_value *files = rec_json_get(s->there, "files");
    int64_t size;

    for (size_t i = 0; i < rec_json_length(files); i++) {
        const char *path = mlflow_get(rec_json_at(files, i), "path"), *slash = strrchr(path, '/');
        if (strcmp(slash ? slash + 1 : path, name) == 0 && rec_json_integer(&size, rec_json_get(rec_json_at(files, i), "file_size")) == 0)
            return size >= 0 && (uint64_t)size == bytes;
    }
    return false;
}

/* "1/07b4.../artifacts/model/version/model.rec" */
static int path_of(struct rec_buf *path, const struct mlflow_run *run, const char *folder, const char *name, struct rec_err *err)
{
    rec_buf_reset(path);
    rec_buf_addf(path, "%s/%s/%s%s", run->artifacts, MLFLOW_MODEL, folder, name);
    return path->failed ? rec_err_memory(err, name) : 0;
}

static int send_file(const struct sending *s, const struct rec_folder *folder, const char *name, struct rec_err *err)
{
    struct rec_buf path = {0};
    struct stat st;
    int status = -1, fd = rec_folder_file(folder, name, err);

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0)
        rec_err_errno(err, "%s/%s", folder->path, name);
    else if (st.st_size > SMALL && is_there(s, name, (uint64_t)st.st_size))
        status = 0;
    else if (path_of(&path, s->run, MLFLOW_VERSION "/", name, err) == 0)
        status = rec_mlflow_http_put(s->http, path.data, fd, NULL, (uint64_t)st.st_size, err);
    close(fd);
    rec_buf_clear(&path);
    return status;
}

static int send_text(void *context, const char *name, const void *bytes, size_t n, struct rec_err *err)
{
    const struct sending *s = context;
    struct rec_buf path = {0};
    int status = path_of(&path, s->run, "", name, err);

    if (status == 0)
        status = rec_mlflow_http_put(s->http, path.data, -1, bytes, n, err);
    rec_buf_clear(&path);
    return status;
}

static int open_version(struct rec_folder *folder, const struct rec_registry *registry, const char *digest, struct rec_err *err)
{
    struct rec_folder versions;
    int status = rec_folder_open(&versions, registry, "versions", err);

    *folder = (struct rec_folder){.fd = -1};
    if (status == 0)
        status = rec_folder_enter(folder, &versions, digest, err);
    rec_folder_close(&versions);
    return status;
}

int rec_mlflow_files_send(struct mlflow_http *http, const struct mlflow_run *run, const struct rec_registry *registry,
                          const struct rec_version *version, struct rec_err *err)
{
    struct sending s = {.http = http, .run = run};
    struct rec_buf list = {0};
    struct rec_folder folder;
    int status = open_version(&folder, registry, version->digest, err);

    rec_buf_addf(&list, "artifacts/list?run_id=%s&path=%s%%2F%s", run->id, MLFLOW_MODEL, MLFLOW_VERSION);
    if (status == 0 && list.failed)
        status = rec_err_memory(err, "artifacts");
    if (status == 0 && !(s.there = rec_mlflow_http_ask(http, list.data, NULL, err)))
        status = -1;
    for (size_t i = 0; i < version->n_files && status == 0; i++)
        status = send_file(&s, &folder, version->file[i].name, err);
    if (status == 0)
        status = send_file(&s, &folder, "version.json", err);
    if (status == 0 && rec_folder_has(&folder, "version.sig"))
        status = send_file(&s, &folder, "version.sig", err);
    if (status == 0)
        status = rec_pyfunc_files(version, send_text, &s, err);
    rec_folder_close(&folder);
    rec_json_free(s.there);
    rec_buf_clear(&list);
    return status;
}
