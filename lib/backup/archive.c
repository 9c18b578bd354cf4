/* SPDX-License-Identifier: MIT
 *
 * The head of an archive, and writing one: tar into zstd into the encrypted stream into the file, each handing on to the next by a callback,
 * so that memory does not grow with what is put in. archive_read.c is the way back.
 */
#include "backup_priv.h"

/* ---- head: the first line ---- */

void rec_archive_print(struct rec_archive_head *head)
{
    char created[REC_NUM_MAX];
    int n;

    n = snprintf(head->line, sizeof head->line, "rec.backup/1 %s %lu %s\n", head->store, (unsigned long)head->key,
                 rec_date_print_time(created, head->created));
    head->len = n > 0 && (size_t)n < sizeof head->line ? (size_t)n : 0;
}

/* The word at *at, which ends in `end`; it is copied, NUL-terminated. */
static int take_word(char *out, size_t cap, const char **at, const char *stop, char end)
{
    const char *p = memchr(*at, end, (size_t)(stop - *at));

    if (!p || (size_t)(p - *at) >= cap || p == *at)
        return -1;
    memcpy(out, *at, (size_t)(p - *at));
    out[p - *at] = '\0';
    *at = p + 1;
    return 0;
}

/* What is read must be what would be written, so that there is one line for each head. */
int rec_archive_parse(struct rec_archive_head *head, const char *name, const char *text, size_t len, struct rec_err *err)
{
    const char *at = text, *stop = text + (len < sizeof head->line ? len : sizeof head->line - 1);
    char kind[24], key[16], created[REC_NUM_MAX];
    int64_t version, n;

    *head = (struct rec_archive_head){0};
    if (take_word(kind, sizeof kind, &at, stop, ' ') < 0 || strncmp(kind, "rec.backup/", 11) != 0)
        return rec_err_set(err, "%s: no backup of rec", name);
    if (rec_num_int64(&version, kind + 11, strlen(kind + 11)) == 0 && version > 1)
        return rec_err_set(err, "%s: made by a newer rec (%s; this program reads rec.backup/1)", name, kind);
    if (take_word(head->store, sizeof head->store, &at, stop, ' ') == 0 && take_word(key, sizeof key, &at, stop, ' ') == 0 &&
        take_word(created, sizeof created, &at, stop, '\n') == 0 && rec_num_int64(&n, key, strlen(key)) == 0 && n > 0 && n <= UINT32_MAX &&
        rec_date_parse(&head->created, created, "", NULL) == 0 && strlen(head->store) == REC_STORE_ID) {
        head->key = (uint32_t)n;
        rec_archive_print(head);
        if (head->len == (size_t)(at - text) && !memcmp(head->line, text, head->len))
            return 0;
    }
    return rec_err_set(err, "%s: damaged in its first line", name);
}

/* ---- writing ---- */

static int to_file(void *context, const void *bytes, size_t len, struct rec_err *err)
{
    struct rec_archive_writer *w = context;
    return rec_out_write(w->out, bytes, len, err);
}

static int to_stream(void *context, const void *bytes, size_t len, struct rec_err *err)
{
    struct rec_archive_writer *w = context;
    return rec_stream_write(&w->stream, bytes, len, err);
}

static int to_zstd(void *context, const void *bytes, size_t len, struct rec_err *err)
{
    struct rec_archive_writer *w = context;
    return rec_zstd_write(&w->zstd, bytes, len, err);
}

int rec_archive_begin(struct rec_archive_writer *w, struct rec_out *out, const struct rec_archive_head *head, const struct rec_keyring *keys,
                      struct rec_err *err)
{
    unsigned char key[REC_KEY_BYTES];
    int status = -1;

    memset(w, 0, sizeof *w);
    w->out = out;
    w->head = *head;
    rec_archive_print(&w->head);
    memcpy(w->manifest.store, head->store, sizeof w->manifest.store);
    w->manifest.created = head->created;
    w->tar = (struct rec_tar_writer){.sink = to_zstd, .context = w};
    if (rec_keyring_derive(key, keys, head->key, REC_KEY_BACKUP, err) < 0)
        return -1;
    if (rec_out_write(out, w->head.line, w->head.len, err) < 0 ||
        rec_stream_begin(&w->stream, to_file, w, w->head.line, w->head.len, key, err) < 0)
        goto out;
    w->streaming = true;
    status = rec_zstd_begin(&w->zstd, 3, to_stream, w, err);
out:
    rec_secret_wipe(key, sizeof key);
    if (status < 0)
        rec_archive_abort(w);
    return status;
}

/* The digest of the member before. */
static void finish_member(struct rec_archive_writer *w)
{
    if (w->manifest.n)
        rec_hash_end(&w->hash, w->manifest.member[w->manifest.n - 1].digest);
}

int rec_archive_add(struct rec_archive_writer *w, const struct rec_tar_member *member, uint64_t rows, struct rec_err *err)
{
    struct rec_manifest_member *said;

    finish_member(w);
    if (rec_hashmap_find(&w->names, member->name, strlen(member->name)) != REC_HASHMAP_NONE)
        return rec_err_set(err, "%s: is named twice", member->name);
    if (rec_hashmap_intern(&w->names, member->name, strlen(member->name)) == REC_HASHMAP_NONE)
        return rec_err_memory(err, member->name);
    said = rec_manifest_add(&w->manifest, member->name);
    if (!said)
        return rec_err_memory(err, member->name);
    said->bytes = member->size;
    said->rows = rows;
    rec_hash_begin(&w->hash, NULL);
    return rec_tar_add(&w->tar, member, err);
}

int rec_archive_write(struct rec_archive_writer *w, const void *bytes, size_t len, struct rec_err *err)
{
    rec_hash_add(&w->hash, bytes, len);
    return rec_tar_write(&w->tar, bytes, len, err);
}

void rec_archive_skip(struct rec_archive_writer *w, const char *name, const char *why)
{
    rec_buf_add(&w->manifest.skipped, name, strlen(name) + 1);
    rec_buf_add(&w->manifest.skipped, why, strlen(why) + 1);
}

static int write_manifest(struct rec_archive_writer *w, struct rec_err *err)
{
    struct rec_tar_member member = {.type = REC_TAR_FILE, .name = BACKUP_MANIFEST, .mode = 0600, .mtime = w->head.created};
    struct rec_buf text = {0};
    int status;

    rec_manifest_print(&text, &w->manifest);
    member.size = text.len;
    if (text.failed || w->manifest.skipped.failed)
        status = rec_err_memory(err, BACKUP_MANIFEST);
    else if ((status = rec_tar_add(&w->tar, &member, err)) == 0)
        status = rec_tar_write(&w->tar, text.data, text.len, err);
    rec_buf_clear(&text);
    return status;
}

int rec_archive_end(struct rec_archive_writer *w, struct rec_err *err)
{
    finish_member(w);
    if (write_manifest(w, err) < 0 || rec_tar_end(&w->tar, err) < 0 || rec_zstd_end(&w->zstd, err) < 0)
        return -1;
    w->streaming = false;
    return rec_stream_end(&w->stream, err);
}

void rec_archive_abort(struct rec_archive_writer *w)
{
    rec_zstd_abort(&w->zstd);
    if (w->streaming)
        rec_stream_abort(&w->stream);
    w->streaming = false;
    rec_manifest_clear(&w->manifest);
    rec_hashmap_clear(&w->names);
}
