/* SPDX-License-Identifier: MIT
 *
 * Whether a version is what it was: its files by their digests, version.json by its signature. Everything is read anew from the directory.
 */
#include "registry_priv.h"

#include <unistd.h>

/* ---- files ---- */

static int check_file(const struct rec_folder *folder, const struct rec_registry_file *file, struct rec_err *err)
{
    struct rec_registry_file found;
    int fd = rec_folder_file(folder, file->name, err), status;

    if (fd < 0)
        return -1;
    status = rec_folder_digest(&found, fd, folder, file->name, err);
    close(fd);
    if (status < 0)
        return -1;
    if (found.bytes != file->bytes)
        return rec_err_set(err, "%s/%s: has %llu bytes, and had %llu when it was added", folder->path, file->name,
                           (unsigned long long)found.bytes, (unsigned long long)file->bytes);
    return strcmp(found.sha256, file->sha256) ? rec_err_set(err, "%s/%s: is not the file that was added: its SHA-256 is another one", folder->path,
                                                            file->name) : 0;
}

static bool is_known(const struct rec_version *v, const char *name)
{
    bool known = !strcmp(name, "version.json") || !strcmp(name, "version.sig");

    for (size_t i = 0; i < v->n_files && !known; i++)
        known = !strcmp(v->file[i].name, name);
    return known;
}

static int check_files(const struct rec_folder *folder, const struct rec_version *v, struct rec_err *err)
{
    struct rec_buf names;
    int status = rec_folder_names(&names, folder, err);

    for (const char *p = names.data; status == 0 && *p; p += strlen(p) + 1)
        if (!is_known(v, p))
            status = rec_err_set(err, "%s/%s: was not there when the version was added", folder->path, p);
    for (size_t i = 0; i < v->n_files && status == 0; i++)
        status = check_file(folder, &v->file[i], err);
    rec_buf_clear(&names);
    return status;
}

/* ---- signature ---- */

static int check_signature(const struct rec_registry *registry, const struct rec_folder *folder, const struct rec_buf *text, bool trusted,
                           struct rec_err *err)
{
    unsigned char signature[REC_SIGN_BYTES], public_key[REC_SIGN_PUBLIC];
    struct rec_buf sig = {0};
    struct rec_err why = {0};
    char id[17];
    int status = -1;

    if (!rec_folder_has(folder, "version.sig"))
        return trusted ? rec_err_set(err, "%s: is not signed (--unsigned takes it all the same)", folder->path) : 0;
    if (rec_folder_get(&sig, folder, "version.sig", err) < 0)
        goto out;
    if (rec_version_signature(id, signature, sig.data ? sig.data : "", sig.len) < 0)
        rec_err_set(err, "%s/version.sig: is no signature", folder->path);
    else if (rec_signer_find(public_key, registry, id, &why) < 0) {
        if (trusted)
            rec_err_set(err, "%s", why.text);
        else
            status = 0;
    } else if (!rec_sign_verify(signature, text->data, text->len, public_key))
        rec_err_set(err, "%s/version.json: is not what key %s signed", folder->path, id);
    else
        status = 0;
out:
    rec_buf_clear(&sig);
    return status;
}

/* ---- both ---- */

int rec_registry_verify(const struct rec_registry *registry, const struct rec_version *version, bool trusted, struct rec_err *err)
{
    struct rec_folder versions = {.fd = -1}, folder = {.fd = -1};
    struct rec_version now = {0};
    struct rec_buf text = {0}, name = {0};
    int status = -1;

    if (rec_folder_open(&versions, registry, "versions", err) < 0 || rec_folder_enter(&folder, &versions, version->digest, err) < 0 ||
        rec_folder_get(&text, &folder, "version.json", err) < 0)
        goto out;
    rec_buf_addf(&name, "%s/version.json", folder.path);
    if (name.failed)
        rec_err_memory(err, folder.path);
    /* The signature first: what nobody signed is not worth reading. */
    else if (check_signature(registry, &folder, &text, trusted, err) == 0 &&
             rec_version_parse(&now, name.data, text.data ? text.data : "", text.len, version->digest, err) == 0)
        status = check_files(&folder, &now, err);
out:
    rec_version_clear(&now);
    rec_buf_clear(&text);
    rec_buf_clear(&name);
    rec_folder_close(&folder);
    rec_folder_close(&versions);
    return status;
}
