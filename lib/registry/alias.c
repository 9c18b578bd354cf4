/* SPDX-License-Identifier: MIT
 *
 * Aliases: links, replaced by rename. The journal is told first: a run that is killed between the two has said what it did not do, which the
 * next line's "from" sets right; the other order would lose what a rollback goes back to.
 */
#include "registry_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- names ---- */

/* Nothing that could be a number or a digest, or that the registry has a file of. */
bool rec_alias_is_name(const char *text)
{
    static const char *const taken[] = {"versions", "keys", "outbox", "lock", "registry", "journal", "all", "none"};
    size_t n = strlen(text);

    if (n == 0 || n > 64 || strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-") != n || text[0] < 'a' || text[0] > 'z')
        return false;
    if (n >= 6 && strspn(text, "0123456789abcdef") == n)
        return false;
    if (text[0] == 'v' && strspn(text + 1, "0123456789") == n - 1)
        return false;
    for (size_t i = 0; i < REC_LENGTH(taken); i++)
        if (!strcmp(text, taken[i]))
            return false;
    return true;
}

static int check_name(const char *alias, struct rec_err *err)
{
    return rec_alias_is_name(alias) ? 0 : rec_err_set(err, "alias %.70s: is no name for one: small letters, digits, - and _, such as production", alias);
}

/* ---- reading ---- */

static int wrong_link(const struct rec_registry *registry, const char *alias, struct rec_err *err)
{
    return rec_err_set(err, "%s/%s: is no alias: no link of the form versions/DIGEST", registry->path, alias);
}

int rec_registry_target(char digest[REC_SHA256_TEXT], const struct rec_registry *registry, const char *alias, struct rec_err *err)
{
    static const char prefix[] = "versions/";
    char text[sizeof prefix + REC_SHA256_TEXT];
    ssize_t n = readlinkat(registry->dir, alias, text, sizeof text - 1);

    digest[0] = '\0';
    if (n < 0 && errno == ENOENT)
        return 0;
    if (n < 0 && errno != EINVAL)
        return rec_err_errno(err, "%s/%s", registry->path, alias);
    text[n < 0 ? 0 : n] = '\0';
    if (strncmp(text, prefix, sizeof prefix - 1) || !rec_version_is_digest(text + sizeof prefix - 1))
        return wrong_link(registry, alias, err);
    memcpy(digest, text + sizeof prefix - 1, REC_SHA256_TEXT);
    return 0;
}

int rec_registry_aliases(const struct rec_registry *registry, int (*each)(void *context, const char *alias, const char *digest, struct rec_err *err),
                         void *context, struct rec_err *err)
{
    struct rec_folder folder;
    struct rec_buf names = {0};
    char digest[REC_SHA256_TEXT];
    struct stat st;
    int status = rec_folder_open(&folder, registry, NULL, err);

    if (status == 0)
        status = rec_folder_names(&names, &folder, err);
    for (const char *p = names.data; status == 0 && *p; p += strlen(p) + 1) {
        if (!rec_alias_is_name(p) || fstatat(folder.fd, p, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(st.st_mode))
            continue;
        status = rec_registry_target(digest, registry, p, err);
        if (status == 0)
            status = each(context, p, digest, err);
    }
    rec_buf_clear(&names);
    rec_folder_close(&folder);
    return status;
}

/* ---- what was there before ---- */

struct replay {
    const char *alias;
    char (*stack)[REC_SHA256_TEXT];
    size_t n;
};

/* Goes back to where that digest is on top; stays when it is nowhere. */
static void back_to(struct replay *r, const char *digest)
{
    for (size_t i = r->n; i > 0; i--)
        if (!strcmp(r->stack[i - 1], digest)) {
            r->n = i;
            return;
        }
}

static int push(struct replay *r, const char *digest, struct rec_err *err)
{
    if (r->n && !strcmp(r->stack[r->n - 1], digest))
        return 0;
    if (rec_realloc(&r->stack, r->n + 1, sizeof *r->stack, "journal", err) < 0)
        return -1;
    memcpy(r->stack[r->n++], digest, REC_SHA256_TEXT);
    return 0;
}

static int replay_line(void *context, const struct rec_json_value *line, struct rec_err *err)
{
    struct replay *r = context;
    const char *alias = rec_json_string(rec_json_get(line, "alias")), *to = rec_json_string(rec_json_get(line, "to")),
               *from = rec_json_string(rec_json_get(line, "from")), *event = rec_json_string(rec_json_get(line, "event"));

    if (!alias || strcmp(alias, r->alias) || !to || !rec_version_is_digest(to) || !event)
        return 0;
    if (from)
        back_to(r, from);
    if (!strcmp(event, "rollback"))
        back_to(r, to);
    return push(r, to, err);
}

int rec_alias_history(char (**out)[REC_SHA256_TEXT], size_t *n, const struct rec_registry *registry, const char *alias, struct rec_err *err)
{
    struct replay r = {.alias = alias};
    char now[REC_SHA256_TEXT];

    *out = NULL;
    *n = 0;
    if (rec_registry_target(now, registry, alias, err) < 0 || rec_journal_each(registry, replay_line, &r, err) < 0) {
        free(r.stack);
        return -1;
    }
    /* What the journal says last may not have been done, and a link that somebody made by hand is not in it. */
    if (*now)
        back_to(&r, now);
    if (*now && push(&r, now, err) < 0) {
        free(r.stack);
        return -1;
    }
    *out = r.stack;
    *n = r.n;
    return 0;
}

int rec_registry_previous(struct rec_version *version, const struct rec_registry *registry, const char *alias, struct rec_err *err)
{
    struct rec_folder versions = {.fd = -1};
    char (*stack)[REC_SHA256_TEXT] = NULL;
    size_t n;
    int status = -1;

    *version = (struct rec_version){0};
    if (check_name(alias, err) < 0 || rec_alias_history(&stack, &n, registry, alias, err) < 0 ||
        rec_folder_open(&versions, registry, "versions", err) < 0)
        goto out;
    for (n = n ? n - 1 : 0; n > 0 && !rec_folder_has(&versions, stack[n - 1]); n--)
        ;
    if (n == 0)
        rec_err_set(err, "%s: %s pointed at nothing before that is still there", registry->path, alias);
    else
        status = rec_version_read(version, registry, stack[n - 1], err);
out:
    free(stack);
    rec_folder_close(&versions);
    return status;
}

/* ---- pointing ---- */

static int tell(struct rec_registry *registry, const char *alias, const struct rec_version *version, const char *from, const char *event,
                const char *reasons, int64_t now, struct rec_err *err)
{
    struct rec_buf text = {0};
    struct rec_json json = {.out = &text, .flat = true};
    struct rec_json_value *root = NULL;
    int status = -1;

    if (reasons && !(root = rec_json_read("reasons", reasons, strlen(reasons), err)))
        return -1;
    rec_json_object(&json, NULL);
    rec_json_text(&json, "alias", alias, strlen(alias));
    rec_json_int(&json, "number", version->number);
    rec_json_text(&json, "to", version->digest, strlen(version->digest));
    if (*from)
        rec_json_text(&json, "from", from, strlen(from));
    if (root)
        rec_json_copy(&json, "reasons", root);
    rec_json_end(&json);
    status = text.failed ? rec_err_memory(err, "journal") : rec_registry_journal(registry, event, text.data, now, err);
    rec_json_free(root);
    rec_buf_clear(&text);
    return status;
}

static int point(const struct rec_registry *registry, const char *alias, const char *digest, struct rec_err *err)
{
    struct rec_buf target = {0}, temporary = {0};
    int status = -1;

    rec_buf_addf(&target, "versions/%s", digest);
    rec_buf_addf(&temporary, ".%s.rec-tmp", alias);
    if (target.failed || temporary.failed) {
        rec_err_memory(err, alias);
        goto out;
    }
    (void)unlinkat(registry->dir, temporary.data, 0);
    if (symlinkat(target.data, registry->dir, temporary.data) < 0 || renameat(registry->dir, temporary.data, registry->dir, alias) < 0 ||
        (fsync(registry->dir) < 0 && errno != EINVAL)) {
        rec_err_errno(err, "%s/%s", registry->path, alias);
        (void)unlinkat(registry->dir, temporary.data, 0);
    } else
        status = 0;
out:
    rec_buf_clear(&target);
    rec_buf_clear(&temporary);
    return status;
}

int rec_registry_alias(struct rec_registry *registry, const char *alias, const struct rec_version *version, bool trusted, const char *event,
                       const char *reasons, int64_t now, struct rec_err *err)
{
    char from[REC_SHA256_TEXT];

    /* A file or a directory in an alias's place is somebody's: rec_registry_target refuses it. */
    if (check_name(alias, err) < 0 || rec_registry_verify(registry, version, trusted, err) < 0 ||
        rec_registry_target(from, registry, alias, err) < 0 || tell(registry, alias, version, from, event, reasons, now, err) < 0)
        return -1;
    return point(registry, alias, version->digest, err);
}
