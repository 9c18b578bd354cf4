/* SPDX-License-Identifier: MIT
 *
 * Reading an archive: from the file through the encrypted stream, zstd and tar, with the digest of each member on the way. The manifest,
 * which comes last, must say the same of all of them; nothing that was read counts before that.
 */
#include "backup_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { MANIFEST_LONGEST = 256 << 20 };

static int from_file(void *context, void *bytes, size_t len, size_t *got, struct rec_err *err)
{
    struct rec_archive_reader *r = context;

    *got = 0;
    while (*got < len) {
        ssize_t n = read(r->fd, (char *)bytes + *got, len - *got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rec_err_errno(err, "%s", r->name);
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    r->sealed += *got;
    return 0;
}

static int from_stream(void *context, void *bytes, size_t len, size_t *got, struct rec_err *err)
{
    struct rec_archive_reader *r = context;
    return rec_stream_read(&r->stream, bytes, len, got, err);
}

static int from_zstd(void *context, void *bytes, size_t len, size_t *got, struct rec_err *err)
{
    struct rec_archive_reader *r = context;

    if (rec_zstd_read(&r->zstd, bytes, len, got, err) < 0)
        return -1;
    r->bytes += *got;
    return 0;
}

/* ---- opening ---- */

/* Byte by byte, as what follows the line is the stream's. */
static int read_head(struct rec_archive_reader *r, struct rec_err *err)
{
    char line[sizeof r->head.line];
    size_t n = 0, got = 1;

    while (n < sizeof line - 1 && got == 1) {
        if (from_file(r, line + n, 1, &got, err) < 0)
            return -1;
        n += got;
        if (got && line[n - 1] == '\n')
            break;
    }
    return rec_archive_parse(&r->head, r->name, line, n, err);
}

static int open_layers(struct rec_archive_reader *r, const struct rec_keyring *keys, struct rec_err *err)
{
    unsigned char key[REC_KEY_BYTES];
    int status;

    if (rec_keyring_derive(key, keys, r->head.key, REC_KEY_BACKUP, NULL) < 0)
        return rec_err_set(err, "%s: sealed with key %lu, which is not in the keyring", r->name, (unsigned long)r->head.key);
    status = rec_stream_open(&r->stream, from_file, r, r->name, r->head.line, r->head.len, key, err);
    rec_secret_wipe(key, sizeof key);
    if (status < 0)
        return -1;
    r->tar = (struct rec_tar_reader){.source = from_zstd, .context = r, .name = r->name};
    return rec_zstd_open(&r->zstd, from_stream, r, r->name, err);
}

int rec_archive_open(struct rec_archive_reader *r, const char *path, const struct rec_keyring *keys, struct rec_err *err)
{
    bool stdio = !strcmp(path, "-");

    memset(r, 0, sizeof *r);
    r->name = stdio ? "standard input" : path;
    r->fd = stdio ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (r->fd < 0) {
        rec_err_errno(err, "%s", path);
        r->name = NULL;
        return -1;
    }
    (void)posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    if (!keys)
        rec_err_set(err, "%s: is encrypted; name the keyring", r->name);
    else if (read_head(r, err) == 0 && open_layers(r, keys, err) == 0)
        return 0;
    rec_archive_close(r);
    return -1;
}

void rec_archive_close(struct rec_archive_reader *r)
{
    if (!r->name)
        return;
    rec_tar_close(&r->tar);
    rec_zstd_close(&r->zstd);
    rec_stream_close(&r->stream);
    rec_manifest_clear(&r->manifest);
    rec_manifest_clear(&r->found);
    rec_hashmap_clear(&r->names);
    if (r->fd != STDIN_FILENO)
        close(r->fd);
    memset(r, 0, sizeof *r);
}

/* ---- reading ---- */

int rec_archive_read(struct rec_archive_reader *r, void *bytes, size_t len, size_t *got, struct rec_err *err)
{
    if (rec_tar_read(&r->tar, bytes, len, got, err) < 0)
        return -1;
    rec_hash_add(&r->hash, bytes, *got);
    return 0;
}

int rec_archive_raw(struct rec_archive_reader *r, void *bytes, size_t len, size_t *got, struct rec_err *err)
{
    return from_zstd(r, bytes, len, got, err);
}

/* Reads on to the end of the member that is open, and keeps its digest. */
static int finish_member(struct rec_archive_reader *r, struct rec_err *err)
{
    unsigned char block[32768];
    size_t got;

    if (!r->found.n)
        return 0;
    do {
        if (rec_archive_read(r, block, sizeof block, &got, err) < 0)
            return -1;
    } while (got == sizeof block);
    rec_hash_end(&r->hash, r->found.member[r->found.n - 1].digest);
    return 0;
}

static int start_member(struct rec_archive_reader *r, const struct rec_tar_member *member, struct rec_err *err)
{
    struct rec_manifest_member *found;
    size_t len = strlen(member->name);

    if (rec_hashmap_find(&r->names, member->name, len) != REC_HASHMAP_NONE)
        return rec_err_set(err, "%s: damaged (%s: is there twice)", r->name, member->name);
    found = rec_manifest_add(&r->found, member->name);
    if (!found || rec_hashmap_intern(&r->names, member->name, len) == REC_HASHMAP_NONE)
        return rec_err_memory(err, r->name);
    found->bytes = member->size;
    rec_hash_begin(&r->hash, NULL);
    return 1;
}

/* The manifest, and the end behind it. */
static int finish(struct rec_archive_reader *r, uint64_t size, struct rec_err *err)
{
    struct rec_tar_member beyond;
    struct rec_buf text = {0};
    size_t got;
    int status = -1;

    if (size > MANIFEST_LONGEST)
        return rec_err_set(err, "%s: damaged (its manifest is too large)", r->name);
    if (rec_buf_reserve(&text, (size_t)size + 1) < 0) {
        rec_err_memory(err, r->name);
        goto out;
    }
    if (rec_tar_read(&r->tar, text.data, (size_t)size, &got, err) < 0)
        goto out;
    status = rec_tar_next(&r->tar, &beyond, err);
    if (status > 0)
        status = rec_err_set(err, "%s: damaged (%s: behind the manifest)", r->name, beyond.name);
    if (status == 0)
        status = rec_manifest_parse(&r->manifest, r->name, text.data, got, err);
    if (status == 0 && (strcmp(r->manifest.store, r->head.store) != 0 || r->manifest.created != r->head.created))
        status = rec_err_set(err, "%s: damaged (its manifest is of another archive)", r->name);
    if (status == 0)
        status = rec_manifest_compare(&r->manifest, &r->found, r->name, err);
out:
    rec_buf_clear(&text);
    return status;
}

int rec_archive_next(struct rec_archive_reader *r, struct rec_tar_member *member, struct rec_err *err)
{
    int status;

    if (finish_member(r, err) < 0)
        return -1;
    status = rec_tar_next(&r->tar, member, err);
    if (status == 0)
        return rec_err_set(err, "%s: damaged (it has no manifest)", r->name);
    if (status < 0)
        return -1;
    if (member->type == REC_TAR_FILE && !strcmp(member->name, BACKUP_MANIFEST))
        return finish(r, member->size, err);
    return start_member(r, member, err);
}
