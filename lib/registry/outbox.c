/* SPDX-License-Identifier: MIT
 *
 * What MLflow has still to be told: outbox/NNNNNNNN.json, one file for an event, in order.
 *
 * An entry is written whole and fsynced under the registry's lock, and removed when all that it asks for was found done on the server. Whoever sends
 * holds a lock on the folder itself, not the registry's: a server that is slow keeps nobody from a rollback.
 */
#include "mlflow_priv.h"

#include <errno.h>
#include <sys/file.h>
#include <unistd.h>

#define DIGITS 8
#define MOST 99999999

/* 00000012.json is 12; 0 for what is no entry. */
static int64_t number_of(const char *name)
{
    int64_t n;

    if (strlen(name) != DIGITS + 5 || strcmp(name + DIGITS, ".json") != 0 || strspn(name, "0123456789") != DIGITS ||
        rec_num_int64(&n, name, DIGITS) < 0)
        return 0;
    return n;
}

/* MLflow keeps these names for itself, and an entry that it will never take would keep back all that come after it. */
static bool is_reserved(const char *alias)
{
    return strcmp(alias, "latest") == 0 || ((*alias == 'v' || *alias == 'V') && alias[1] && alias[1 + strspn(alias + 1, "0123456789")] == 0);
}

int rec_outbox_put(struct rec_registry *registry, const char *event, const struct rec_version *version, const char *alias, int64_t now,
                   struct rec_err *err)
{
    struct rec_folder outbox;
    struct rec_buf names = {0}, text = {0};
    struct rec_json json = mlflow_body(&text);
    char name[32], time[REC_NUM_MAX];
    int64_t last = 0;
    int status;

    if (alias && is_reserved(alias)) {
        rec_buf_clear(&text);
        return rec_err_set(err, "%s: MLflow keeps this name for itself", alias);
    }
    status = rec_folder_open(&outbox, registry, "outbox", err);
    mlflow_text(&json, "event", event);
    mlflow_text(&json, "digest", version->digest);
    rec_json_int(&json, "number", version->number);
    if (alias)
        mlflow_text(&json, "alias", alias);
    mlflow_text(&json, "time", rec_date_print_time(time, now));
    rec_json_end(&json);
    rec_buf_addc(&text, '\n');
    if (status == 0)
        status = rec_folder_names(&names, &outbox, err);
    for (const char *p = names.data; status == 0 && p && *p; p += strlen(p) + 1)
        last = number_of(p) > last ? number_of(p) : last;
    if (status == 0 && (text.failed || last >= MOST))
        status = text.failed ? rec_err_memory(err, "outbox") : rec_err_set(err, "%s/outbox: is full", registry->path);
    if (status == 0) {
        snprintf(name, sizeof name, "%08lld.json", (long long)last + 1);
        status = rec_folder_put(&outbox, name, text.data, text.len, 0644, err);
    }
    rec_folder_close(&outbox);
    rec_buf_clear(&names);
    rec_buf_clear(&text);
    return status;
}

/* ---- sending ------------------------------------------------------------------------------------------- */

/* Whether the version still exists; one that was removed since is nothing to tell of. */
static bool exists(const struct rec_registry *registry, const char *digest)
{
    struct rec_folder versions;
    bool has = rec_folder_open(&versions, registry, "versions", NULL) == 0 && rec_folder_has(&versions, digest);

    rec_folder_close(&versions);
    return has;
}

static int send_entry(const struct rec_registry *registry, struct mlflow_http *http, const struct rec_json_value *entry, struct rec_err *err)
{
    const char *event = mlflow_get(entry, "event"), *digest = mlflow_get(entry, "digest"), *alias = mlflow_get(entry, "alias");
    char number[MLFLOW_ID];
    struct rec_version version;

    if (!rec_version_is_digest(digest) || (strcmp(event, "add") != 0 && strcmp(event, "alias") != 0) || (strcmp(event, "alias") == 0 && !*alias))
        return rec_err_set(err, "it is no entry of an outbox: remove it");
    if (!exists(registry, digest))
        return 0;
    if (rec_version_read(&version, registry, digest, err) < 0)
        return -1;
    int status = rec_mlflow_version_tell(number, http, registry, &version, err);
    if (status == 0 && strcmp(event, "alias") == 0)
        status = rec_mlflow_version_alias(http, registry->name, alias, number, err);
    rec_version_clear(&version);
    return status;
}

/* One file of the outbox, and it is gone. */
static int send_one(const struct rec_registry *registry, struct mlflow_http *http, const struct rec_folder *outbox, const char *name,
                    struct rec_err *err)
{
    struct rec_buf text = {0};
    struct rec_json_value *entry = NULL;
    int status = rec_folder_get(&text, outbox, name, err);

    if (status == 0 && !(entry = rec_json_read(name, text.data ? text.data : "", text.len, err)))
        status = -1;
    if (status == 0 && (status = send_entry(registry, http, entry, err)) < 0)
        rec_err_prefix(err, name);
    if (status == 0 && unlinkat(outbox->fd, name, 0) < 0 && errno != ENOENT)
        status = rec_err_errno(err, "%s/%s", outbox->path, name);
    rec_json_free(entry);
    rec_buf_clear(&text);
    return status;
}

/* How many entries there are. */
static size_t count(const struct rec_folder *outbox)
{
    struct rec_buf names = {0};
    size_t n = 0;

    if (rec_folder_names(&names, outbox, NULL) == 0)
        for (const char *p = names.data; p && *p; p += strlen(p) + 1)
            n += number_of(p) > 0;
    rec_buf_clear(&names);
    return n;
}

/* All entries, also those that come meanwhile. */
static int send_all(const struct rec_registry *registry, const struct rec_mlflow *mlflow, const struct rec_folder *outbox, struct rec_err *err)
{
    struct mlflow_http http;
    struct rec_buf names = {0};
    int status;

    if (rec_mlflow_http_open(&http, mlflow, err) < 0)
        return -1;
    do {
        rec_buf_reset(&names);
        status = rec_folder_names(&names, outbox, err);
        for (const char *p = names.data; status == 0 && p && *p; p += strlen(p) + 1)
            if (number_of(p) > 0)
                status = send_one(registry, &http, outbox, p, err);
    } while (status == 0 && count(outbox) > 0);
    rec_mlflow_http_close(&http);
    rec_buf_clear(&names);
    return status;
}

int rec_outbox_send(struct rec_registry *registry, const struct rec_mlflow *mlflow, size_t *left, struct rec_err *err)
{
    struct rec_folder outbox;
    int status = 0;

    *left = 0;
    if (rec_folder_open(&outbox, registry, "outbox", err) < 0)
        return -1;
    if (registry->lock >= 0)
        close(registry->lock);
    registry->lock = -1;
    while ((status = flock(outbox.fd, LOCK_EX)) < 0 && errno == EINTR)
        ;
    if (status < 0)
        rec_err_errno(err, "%s", outbox.path);
    else if (count(&outbox) > 0)
        status = send_all(registry, mlflow, &outbox, err);
    *left = count(&outbox);
    rec_folder_close(&outbox);
    return status;
}
