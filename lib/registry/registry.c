/* SPDX-License-Identifier: MIT
 *
 * The registry's directory: made, told from other directories, locked. It is made of parts that may be there already, registry.json last: a
 * run that was killed on the way is continued by the next.
 */
#include "registry_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char format[] = "rec.registry/1";

/* ---- making ---- */

/* What a registry in the making may hold. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {"lock", "versions", "keys", "outbox", ".registry.json.rec-tmp"};

    for (size_t i = 0; i < REC_LENGTH(ours); i++)
        if (!strcmp(name, ours[i]))
            return true;
    return false;
}

static int check_foreign(const struct rec_folder *folder, struct rec_err *err)
{
    struct rec_buf names;
    int status = rec_folder_names(&names, folder, err);

    for (const char *p = names.data; status == 0 && *p; p += strlen(p) + 1)
        if (!is_ours(p))
            status = rec_err_set(err, "%s: is no registry (it has no registry.json) and not empty: name another directory", folder->path);
    rec_buf_clear(&names);
    return status;
}

static int fill(const struct rec_folder *folder, struct rec_err *err)
{
    static const char *const parts[] = {"versions", "keys", "outbox"};
    static const char text[] = "{\"format\":\"rec.registry/1\",\"name\":\"rec\"}\n";

    for (size_t i = 0; i < REC_LENGTH(parts); i++)
        if (mkdirat(folder->fd, parts[i], 0777) < 0 && errno != EEXIST)
            return rec_err_errno(err, "%s/%s", folder->path, parts[i]);
    return rec_folder_put(folder, "registry.json", text, sizeof text - 1, 0666, err);
}

/* ---- opening ---- */

static int lock(struct rec_registry *registry, struct rec_err *err)
{
    registry->lock = openat(registry->dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
    if (registry->lock < 0 && errno == ELOOP)
        return rec_err_set(err, "%s/lock: is a symbolic link, which is not followed in a registry", registry->path);
    if (registry->lock < 0)
        return rec_err_errno(err, "%s/lock", registry->path);
    while (flock(registry->lock, LOCK_EX) < 0)
        if (errno != EINTR)
            return rec_err_errno(err, "%s/lock", registry->path);
    return 0;
}

static int read_name(struct rec_registry *registry, const struct rec_folder *folder, struct rec_err *err)
{
    struct rec_json_value *root = NULL;
    struct rec_buf text = {0};
    const char *found, *name;
    int status = -1;

    if (rec_folder_get(&text, folder, "registry.json", err) < 0)
        goto out;
    root = rec_json_read("registry.json", text.data, text.len, err);
    if (!root) {
        rec_err_prefix(err, registry->path);
        goto out;
    }
    found = rec_json_string(rec_json_get(root, "format"));
    name = rec_json_string(rec_json_get(root, "name"));
    if (!found || strcmp(found, format) || !name || !*name) {
        rec_err_set(err, "%s/registry.json: is not of format %s", registry->path, format);
        goto out;
    }
    registry->name = strdup(name);
    status = registry->name ? 0 : rec_err_memory(err, registry->path);
out:
    rec_json_free(root);
    rec_buf_clear(&text);
    return status;
}

static int open_parts(struct rec_registry *registry, int how, struct rec_err *err)
{
    struct rec_folder folder;
    int status = 0;
    bool there;

    if (rec_folder_open(&folder, registry, NULL, err) < 0)
        return -1;
    there = rec_folder_has(&folder, "registry.json");
    if (!there && how != REC_REGISTRY_CREATE)
        status = rec_err_set(err, "%s: is no registry (it has no registry.json): the first rec-registry add makes one", registry->path);
    else if (!there)
        status = check_foreign(&folder, err);
    if (status == 0 && how != REC_REGISTRY_READ)
        status = lock(registry, err);
    /* Somebody else may have made it while we waited. */
    if (status == 0 && !there && !rec_folder_has(&folder, "registry.json"))
        status = fill(&folder, err);
    if (status == 0)
        status = read_name(registry, &folder, err);
    rec_folder_close(&folder);
    return status;
}

int rec_registry_open(struct rec_registry *registry, const char *path, int how, struct rec_err *err)
{
    *registry = (struct rec_registry){.path = strdup(path), .dir = -1, .lock = -1};
    if (!registry->path)
        return rec_err_memory(err, path);
    if (how == REC_REGISTRY_CREATE && mkdir(path, 0777) < 0 && errno != EEXIST) {
        rec_err_errno(err, "%s", path);
        goto failed;
    }
    registry->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (registry->dir < 0 && errno == ENOENT)
        rec_err_set(err, "%s: there is no registry: the first rec-registry add makes one (--registry names another)", path);
    else if (registry->dir < 0)
        rec_err_errno(err, "%s", path);
    else if (open_parts(registry, how, err) == 0)
        return 0;
failed:
    rec_registry_close(registry);
    return -1;
}

void rec_registry_close(struct rec_registry *registry)
{
    if (registry->lock >= 0 && registry->path)
        close(registry->lock);
    if (registry->dir >= 0 && registry->path)
        close(registry->dir);
    free(registry->path);
    free(registry->name);
    *registry = (struct rec_registry){.dir = -1, .lock = -1};
}
