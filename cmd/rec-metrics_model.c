/* SPDX-License-Identifier: MIT
 *
 * What a model is worth: the figures of rec-eval(1), from its file or from the registry, with what the registry says of the version in production.
 */
#include "rec-metrics.h"

#include <rec/registry.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- figures ---- */

/* "ndcg@10" is metric="ndcg",k="10"; "rmse" is metric="rmse". */
static void add_figure(struct rec_buf *out, const char *key, double value)
{
    const char *at = strrchr(key, '@');
    size_t digits = at ? strspn(at + 1, "0123456789") : 0;
    struct rec_buf label = {0}, name = {0};

    if (digits == 0 || at[1 + digits])
        at = NULL;
    rec_buf_add(&name, key, at ? (size_t)(at - key) : strlen(key));
    metrics_label(&label, "metric", name.len ? name.data : "");
    if (at)
        metrics_label(&label, "k", at + 1);
    metrics_sample(out, "rec_model_metric", &label, value);
    out->failed |= name.failed;
    rec_buf_clear(&name);
    rec_buf_clear(&label);
}

static void begin_figures(struct rec_buf *out)
{
    metrics_family(out, "rec_model_metric", "gauge", "What the model was measured to be worth on held-out ratings.");
}

struct figures {
    struct rec_buf *out;
    size_t n;
};

static int each_member(void *context, const char *key, const struct rec_json_value *value)
{
    struct figures *f = context;
    double number;

    if (rec_json_number(&number, value) == 0) {
        add_figure(f->out, key, number);
        f->n++;
    }
    return 0;
}

int metrics_model(struct rec_buf *out, const char *path, struct rec_err *err)
{
    struct figures f = {.out = out};
    struct rec_json_value *root;
    struct rec_in in;
    int rc = 0;

    if (rec_in_open(&in, path, err) < 0)
        return -1;
    root = rec_json_read(path, (const char *)in.data, in.len, err);
    begin_figures(out);
    if (root)
        rec_json_members(root, each_member, &f);
    if (!root)
        rc = -1;
    else if (f.n == 0)
        rc = rec_err_set(err, "%s: no figures of rec-eval", path);
    rec_json_free(root);
    rec_in_close(&in);
    return rc;
}

/* ---- registry ---- */

static void add_version(struct rec_buf *out, const struct rec_version *v, int64_t since)
{
    struct rec_buf label = {0};
    char number[REC_NUM_MAX + 1];

    number[rec_num_print_int64(number, v->number)] = '\0';
    metrics_label(&label, "version", number);
    metrics_label(&label, "digest", v->digest);
    metrics_label(&label, "model", v->model ? v->model : "");
    metrics_family(out, "rec_model_info", "gauge", "The version in production, by its labels.");
    metrics_sample(out, "rec_model_info", &label, 1);
    metrics_family(out, "rec_model_version", "gauge", "Number of the version in production.");
    metrics_sample(out, "rec_model_version", NULL, (double)v->number);
    metrics_family(out, "rec_model_created_timestamp_seconds", "gauge", "When the version in production was added to the registry.");
    metrics_sample(out, "rec_model_created_timestamp_seconds", NULL, (double)v->created);
    if (since > 0) {
        metrics_family(out, "rec_model_promoted_timestamp_seconds", "gauge", "When this version was put into production.");
        metrics_sample(out, "rec_model_promoted_timestamp_seconds", NULL, (double)since);
    }
    if (v->n_metrics)
        begin_figures(out);
    for (size_t i = 0; i < v->n_metrics; i++)
        if (!isnan(v->metric[i].number))
            add_figure(out, v->metric[i].key, v->metric[i].number);
    rec_buf_clear(&label);
}

/* A registry that has no production model yet has none to tell of. */
static int add_production(struct rec_buf *out, const struct rec_registry *registry, struct rec_err *err)
{
    struct rec_version v = {0};
    struct stat link;
    int rc;

    if (fstatat(registry->dir, REC_ALIAS_PRODUCTION, &link, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : rec_err_errno(err, "%s/" REC_ALIAS_PRODUCTION, registry->path);
    rc = rec_version_read(&v, registry, REC_ALIAS_PRODUCTION, err);
    if (rc == 0)
        add_version(out, &v, link.st_mtim.tv_sec);
    rec_version_clear(&v);
    return rc;
}

/* What MLflow has not been told yet. */
static double waiting(const struct rec_registry *registry)
{
    int fd = openat(registry->dir, "outbox", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    double n = 0;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    while ((entry = readdir(dir)))
        n += strspn(entry->d_name, "0123456789") > 0 && strstr(entry->d_name, ".json");
    closedir(dir);
    return n;
}

int metrics_registry(struct rec_buf *out, const char *path, struct rec_err *err)
{
    struct rec_registry registry = {.dir = -1, .lock = -1};
    struct rec_version *list = NULL;
    size_t n = 0;
    int rc = -1;

    if (rec_registry_open(&registry, path, REC_REGISTRY_READ, err) < 0)
        return -1;
    if (rec_version_list(&list, &n, &registry, err) < 0 || add_production(out, &registry, err) < 0)
        goto out;
    metrics_family(out, "rec_registry_versions", "gauge", "Versions in the registry.");
    metrics_sample(out, "rec_registry_versions", NULL, (double)n);
    if (n) {
        metrics_family(out, "rec_registry_newest_created_timestamp_seconds", "gauge", "When the newest version was added.");
        metrics_sample(out, "rec_registry_newest_created_timestamp_seconds", NULL, (double)list[n - 1].created);
    }
    metrics_family(out, "rec_registry_outbox_entries", "gauge", "What MLflow has still to be told.");
    metrics_sample(out, "rec_registry_outbox_entries", NULL, waiting(&registry));
    rc = 0;
out:
    rec_version_list_clear(list, n);
    rec_registry_close(&registry);
    return rc;
}
