/* SPDX-License-Identifier: MIT
 *
 * Which version somebody means: a number, the beginning of a digest, an alias.
 */
#include "registry_priv.h"

enum { PREFIX_MIN = 6 };

/* @return  how many versions have that number: the digest of the last */
static int find_number(char digest[REC_SHA256_TEXT], const struct rec_registry *registry, int64_t number, struct rec_err *err)
{
    struct rec_version *list;
    size_t n;
    int found = 0;

    if (rec_version_list(&list, &n, registry, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (list[i].number == number) {
            memcpy(digest, list[i].digest, REC_SHA256_TEXT);
            found++;
        }
    rec_version_list_clear(list, n);
    return found;
}

static int find_prefix(char digest[REC_SHA256_TEXT], const struct rec_registry *registry, const char *prefix, struct rec_err *err)
{
    struct rec_folder versions;
    struct rec_buf names = {0};
    int found = -1;

    if (rec_folder_open(&versions, registry, "versions", err) < 0)
        return -1;
    if (rec_folder_names(&names, &versions, err) == 0) {
        found = 0;
        for (const char *p = names.data; *p; p += strlen(p) + 1)
            if (rec_version_is_digest(p) && !strncmp(p, prefix, strlen(prefix))) {
                memcpy(digest, p, REC_SHA256_TEXT);
                found++;
            }
    }
    rec_buf_clear(&names);
    rec_folder_close(&versions);
    return found;
}

static int find(char digest[REC_SHA256_TEXT], const struct rec_registry *registry, const char *which, struct rec_err *err)
{
    const char *digits = which[0] == 'v' ? which + 1 : which;
    size_t len = strlen(which);
    int64_t number;
    int found = 0;

    if (rec_alias_is_name(which)) {
        if (rec_registry_target(digest, registry, which, err) < 0)
            return -1;
        return *digest ? 0 : rec_err_set(err, "%s: there is no alias %.70s", registry->path, which);
    }
    if (digits[0] >= '1' && digits[0] <= '9' && rec_num_int64(&number, digits, strlen(digits)) == 0)
        found = find_number(digest, registry, number, err);
    if (found == 0 && len >= PREFIX_MIN && len < REC_SHA256_TEXT && strspn(which, "0123456789abcdef") == len)
        found = find_prefix(digest, registry, which, err);
    if (found > 1)
        return rec_err_set(err, "%s: %.70s means %d versions: write more of the digest", registry->path, which, found);
    if (found == 0)
        return rec_err_set(err, "%s: there is no version %.70s (a number, 6 digits or more of a digest, or an alias)", registry->path, which);
    return found < 0 ? -1 : 0;
}

int rec_version_read(struct rec_version *v, const struct rec_registry *registry, const char *which, struct rec_err *err)
{
    struct rec_folder versions = {0}, folder = {0};
    char digest[REC_SHA256_TEXT];
    int status = -1;

    *v = (struct rec_version){0};
    if (find(digest, registry, which, err) == 0 && rec_folder_open(&versions, registry, "versions", err) == 0 &&
        rec_folder_enter(&folder, &versions, digest, err) == 0)
        status = rec_version_load(v, &folder, digest, err);
    rec_folder_close(&folder);
    rec_folder_close(&versions);
    return status;
}

int rec_version_path(struct rec_buf *out, const struct rec_registry *registry, const struct rec_version *version, const char *file,
                     struct rec_err *err)
{
    for (size_t i = 0; i < version->n_files; i++)
        if (!strcmp(version->file[i].name, file)) {
            rec_buf_addf(out, "%s/versions/%s/%s", registry->path, version->digest, file);
            return out->failed ? rec_err_memory(err, file) : 0;
        }
    return rec_err_set(err, "%s: version %lld has no %s", registry->path, (long long)version->number, file);
}
