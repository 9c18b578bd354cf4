/* SPDX-License-Identifier: MIT
 *
 * Versions that nobody needs any more. One that goes is renamed to versions/.gone first: it is there whole, or not at all.
 */
#include "registry_priv.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* ---- who is needed ---- */

struct needed {
    struct rec_buf digests;      /* one behind another, each ended by NUL */
};

static bool is_needed(const struct needed *needed, const char *digest)
{
    for (size_t at = 0; at + REC_SHA256_TEXT <= needed->digests.len; at += REC_SHA256_TEXT)
        if (!strcmp(needed->digests.data + at, digest))
            return true;
    return false;
}

static void need(struct needed *needed, const char *digest)
{
    if (rec_version_is_digest(digest))
        rec_buf_add(&needed->digests, digest, REC_SHA256_TEXT);
}

/* An alias's version, and those that it may be rolled back to. */
static int need_alias(struct needed *needed, const struct rec_registry *registry, const char *alias, size_t keep, struct rec_err *err)
{
    char (*stack)[REC_SHA256_TEXT];
    size_t n;

    if (rec_alias_history(&stack, &n, registry, alias, err) < 0)
        return -1;
    for (size_t i = n > keep ? n - keep : 0; i < n; i++)
        need(needed, stack[i]);
    free(stack);
    return 0;
}

static int see_alias(void *context, const char *alias, const char *digest, struct rec_err *err)
{
    (void)alias, (void)err;
    need(context, digest);
    return 0;
}

/* What MLflow has still to be told of. */
static int need_outbox(struct needed *needed, const struct rec_registry *registry, struct rec_err *err)
{
    struct rec_folder outbox;
    struct rec_buf names = {0}, text = {0};
    int status = rec_folder_open(&outbox, registry, "outbox", err);

    if (status == 0)
        status = rec_folder_names(&names, &outbox, err);
    for (const char *p = names.data; status == 0 && *p; p += strlen(p) + 1) {
        struct rec_json_value *entry = NULL;
        const char *digest;

        rec_buf_reset(&text);
        if (rec_folder_get(&text, &outbox, p, NULL) == 0 && text.len)
            entry = rec_json_read(p, text.data, text.len, NULL);
        digest = rec_json_string(rec_json_get(entry, "digest"));
        if (digest)
            need(needed, digest);
        rec_json_free(entry);
    }
    rec_buf_clear(&names);
    rec_buf_clear(&text);
    rec_folder_close(&outbox);
    return status;
}

static int find_needed(struct needed *needed, const struct rec_registry *registry, size_t keep, struct rec_err *err)
{
    if (rec_registry_aliases(registry, see_alias, needed, err) < 0 || need_alias(needed, registry, REC_ALIAS_PRODUCTION, keep, err) < 0 ||
        need_outbox(needed, registry, err) < 0)
        return -1;
    return needed->digests.failed ? rec_err_memory(err, "versions") : 0;
}

/* ---- removing ---- */

static int tell(struct rec_registry *registry, const struct rec_version *v, int64_t now, struct rec_err *err)
{
    char text[160];

    snprintf(text, sizeof text, "{\"number\":%lld,\"digest\":\"%s\"}", (long long)v->number, v->digest);
    return rec_registry_journal(registry, "gc", text, now, err);
}

static int remove_version(struct rec_registry *registry, const struct rec_folder *versions, const struct rec_version *v, int64_t now,
                          struct rec_err *err)
{
    /* The journal first: a number that was given is known for good. */
    if (rec_folder_remove(versions, REC_VERSION_GONE, err) < 0 || tell(registry, v, now, err) < 0)
        return -1;
    if (renameat(versions->fd, v->digest, versions->fd, REC_VERSION_GONE) < 0)
        return rec_err_errno(err, "%s/%s", versions->path, v->digest);
    if (rec_folder_sync(versions, err) < 0)
        return -1;
    return rec_folder_remove(versions, REC_VERSION_GONE, err);
}

static int clean_up(const struct rec_folder *versions, struct rec_err *err)
{
    return rec_folder_remove(versions, REC_VERSION_STAGE, err) < 0 ? -1 : rec_folder_remove(versions, REC_VERSION_GONE, err);
}

int rec_registry_gc(struct rec_registry *registry, size_t keep, int64_t days, bool dry, int64_t now,
                    void (*each)(void *context, const struct rec_version *version), void *context, struct rec_err *err)
{
    struct needed needed = {0};
    struct rec_folder versions = {.fd = -1};
    struct rec_version *list = NULL;
    size_t n = 0;
    int status = -1;

    if (find_needed(&needed, registry, keep, err) < 0 || rec_version_list(&list, &n, registry, err) < 0 ||
        rec_folder_open(&versions, registry, "versions", err) < 0 || (!dry && clean_up(&versions, err) < 0))
        goto out;
    status = 0;
    for (size_t i = 0; i + keep < n && status == 0; i++) {
        const struct rec_version *v = &list[i];
        /* What cannot be read is not ours to judge. */
        if (v->damage || is_needed(&needed, v->digest) || now - v->created < days * 86400)
            continue;
        if (!dry)
            status = remove_version(registry, &versions, v, now, err);
        if (status == 0 && each)
            each(context, v);
    }
out:
    rec_version_list_clear(list, n);
    rec_folder_close(&versions);
    rec_buf_clear(&needed.digests);
    return status;
}
