/* SPDX-License-Identifier: MIT
 *
 * rec-registry verify and gc.
 */
#include "rec-registry.h"

#include <unistd.h>

static bool all, without_signature, dry;
static int64_t keep = 5, days = 30;

struct rec_opt registry_verify_opts[] = {
    {0, "all", NULL, REC_OPT_FLAG, &all, .flags = REC_OPT_NO_CONFIG, .help = "all versions, as without a VERSION"},
    {0, "unsigned", NULL, REC_OPT_FLAG, &without_signature, .help = "a version need not be signed; a signature that is there has to be right"},
    {0},
};
struct rec_opt registry_gc_opts[] = {
    {0, "keep", "N", REC_OPT_INT, &keep, .min = 0, .max = INT32_MAX, .help = "the N newest stay, and the last N of production"},
    {0, "days", "D", REC_OPT_INT, &days, .min = 0, .max = 100000, .help = "what is younger stays"},
    {0, "dry-run", NULL, REC_OPT_FLAG, &dry, .flags = REC_OPT_NO_CONFIG, .help = "say what would go, and remove nothing"},
    {0},
};

/* ---- verify ---- */

/* A version that gc took away since is no damaged one. */
static bool is_gone(const struct rec_registry *registry, const struct rec_version *v)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/versions/%s", registry->path, v->digest);
    return access(path, F_OK) < 0;
}

static int verify_one(struct tool *tool, const struct rec_registry *registry, const struct rec_version *v)
{
    struct rec_err why = {0};

    if (rec_registry_verify(registry, v, !without_signature, &why) < 0)
        return is_gone(registry, v) ? TOOL_DONE : tool_fail(tool, &why);
    tool_step(tool, "version %lld: %.12s: right%s%s", (long long)v->number, v->digest, v->signed_by_key ? ", signed by " : ", not signed", v->key);
    return TOOL_DONE;
}

static int verify_all(struct tool *tool, const struct rec_registry *registry, struct rec_err *err)
{
    struct rec_version *list;
    size_t n;
    int status = TOOL_DONE;

    if (rec_version_list(&list, &n, registry, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (verify_one(tool, registry, &list[i]) != TOOL_DONE)
            status = TOOL_FAILED;
    rec_version_list_clear(list, n);
    return status;
}

int registry_verify(struct tool *tool, struct rec_err *err)
{
    const char *which = tool_operand(tool, 0);
    struct rec_registry registry;
    struct rec_version version = {0};
    int status = -1;

    if (which && all)
        return tool_usage(tool, "--all: goes without a VERSION");
    if (registry_open(&registry, REC_REGISTRY_READ, err) < 0)
        return -1;
    if (!which)
        status = verify_all(tool, &registry, err);
    else if (rec_version_read(&version, &registry, which, err) == 0)
        status = verify_one(tool, &registry, &version);
    rec_version_clear(&version);
    rec_registry_close(&registry);
    return status;
}

/* ---- gc ---- */

static void on_version(void *context, const struct rec_version *v)
{
    rec_buf_addf(context, "%lld %s\n", (long long)v->number, v->digest);
}

int registry_gc(struct tool *tool, struct rec_err *err)
{
    struct rec_registry registry;
    struct rec_buf out = {0};
    int status;

    (void)tool;
    if (registry_open(&registry, dry ? REC_REGISTRY_READ : REC_REGISTRY_WRITE, err) < 0)
        return -1;
    status = rec_registry_gc(&registry, (size_t)keep, days, dry, registry_now(), on_version, &out, err);
    rec_registry_close(&registry);
    if (status == 0 && out.len)
        return tool_print(&out, err);
    rec_buf_clear(&out);
    return status;
}
