/* SPDX-License-Identifier: MIT
 *
 * A stream in blocks of 64 KiB by libsodium's secretstream: each block is authenticated with all before it (the nonce counts them, and part of
 * it comes from the block before), and the last carries the tag FINAL. All blocks but the last are full, so that where they begin is known
 * without lengths in the file. A writer holds a full block back until it knows whether another one follows.
 */
#include "crypto_priv.h"

#include <sodium.h>
#include <stdlib.h>

enum {
    BLOCK = 64 * 1024,
    HEADER = crypto_secretstream_xchacha20poly1305_HEADERBYTES,
    EXTRA = crypto_secretstream_xchacha20poly1305_ABYTES,
    MESSAGE = crypto_secretstream_xchacha20poly1305_TAG_MESSAGE,
    FINAL = crypto_secretstream_xchacha20poly1305_TAG_FINAL
};

typedef crypto_secretstream_xchacha20poly1305_state sodium_state;
_Static_assert(sizeof(sodium_state) <= sizeof((struct rec_stream_writer){0}.state), "room for libsodium's state");
_Static_assert(sizeof(sodium_state) <= sizeof((struct rec_stream_reader){0}.state), "room for libsodium's state");
_Static_assert(_Alignof(sodium_state) <= 16, "its alignment");
_Static_assert(crypto_secretstream_xchacha20poly1305_KEYBYTES == REC_KEY_BYTES, "size of keys");

static sodium_state *state_of(unsigned char *state)
{
    return (sodium_state *)(void *)state;
}

/* Frees a block of plain text, which is nobody else's business. */
static void forget(unsigned char *plain)
{
    if (plain)
        sodium_memzero(plain, BLOCK);
    free(plain);
}

/* ---- writing ---- */

void rec_stream_abort(struct rec_stream_writer *w)
{
    forget(w->plain);
    free(w->sealed);
    sodium_memzero(w, sizeof *w);
}

int rec_stream_begin(struct rec_stream_writer *w, rec_stream_sink *sink, void *context, const void *about, size_t about_len,
                     const unsigned char key[REC_KEY_BYTES], struct rec_err *err)
{
    unsigned char header[HEADER];

    rec_secret_ready();
    *w = (struct rec_stream_writer){.sink = sink, .context = context, .about = about, .about_len = about_len};
    w->plain = rec_malloc(BLOCK, 1, "sealed stream", err);
    w->sealed = rec_malloc(BLOCK + EXTRA, 1, "sealed stream", err);
    if (!w->plain || !w->sealed) {
        rec_stream_abort(w);
        return -1;
    }
    crypto_secretstream_xchacha20poly1305_init_push(state_of(w->state), header, key);
    if (sink(context, header, HEADER, err) < 0) {
        rec_stream_abort(w);
        return -1;
    }
    return 0;
}

/* A block that failed to be written ends the stream: what came out is of no use. */
static int push(struct rec_stream_writer *w, const unsigned char *plain, size_t len, unsigned char tag, struct rec_err *err)
{
    crypto_secretstream_xchacha20poly1305_push(state_of(w->state), w->sealed, NULL, plain, len, w->about, w->about_len, tag);
    if (w->sink(w->context, w->sealed, len + EXTRA, err) == 0)
        return 0;
    rec_stream_abort(w);
    return -1;
}

int rec_stream_write(struct rec_stream_writer *w, const void *bytes, size_t len, struct rec_err *err)
{
    const unsigned char *from = bytes;

    if (!w->plain)
        return rec_err_set(err, "sealed stream: has ended, or failed before");
    while (len > BLOCK - w->fill) {
        size_t more = BLOCK - w->fill;
        if (w->fill == 0) {
            if (push(w, from, BLOCK, MESSAGE, err) < 0)
                return -1;
        } else {
            memcpy(w->plain + w->fill, from, more);
            if (push(w, w->plain, BLOCK, MESSAGE, err) < 0)
                return -1;
        }
        w->fill = 0;
        from += more;
        len -= more;
    }
    if (len > 0)
        memcpy(w->plain + w->fill, from, len);
    w->fill += len;
    return 0;
}

int rec_stream_end(struct rec_stream_writer *w, struct rec_err *err)
{
    if (!w->plain)
        return rec_err_set(err, "sealed stream: has ended, or failed before");
    if (push(w, w->plain, w->fill, FINAL, err) < 0)
        return -1;
    rec_stream_abort(w);
    return 0;
}

/* ---- reading ---- */

void rec_stream_close(struct rec_stream_reader *r)
{
    forget(r->plain);
    free(r->sealed);
    sodium_memzero(r, sizeof *r);
}

int rec_stream_open(struct rec_stream_reader *r, rec_stream_source *source, void *context, const char *name, const void *about,
                    size_t about_len, const unsigned char key[REC_KEY_BYTES], struct rec_err *err)
{
    unsigned char header[HEADER];
    size_t got;

    rec_secret_ready();
    *r = (struct rec_stream_reader){.source = source, .context = context, .name = name, .about = about, .about_len = about_len};
    if (source(context, header, HEADER, &got, err) < 0)
        return -1;
    if (got < HEADER)
        return rec_err_set(err, "%s: cut off at byte %llu", name, (unsigned long long)got);
    r->offset = HEADER;
    r->plain = rec_malloc(BLOCK, 1, name, err);
    r->sealed = rec_malloc(BLOCK + EXTRA, 1, name, err);
    if (!r->plain || !r->sealed) {
        rec_stream_close(r);
        return -1;
    }
    crypto_secretstream_xchacha20poly1305_init_pull(state_of(r->state), header, key);
    return 0;
}

static int damaged(const struct rec_stream_reader *r, const char *what, const char *more, struct rec_err *err)
{
    return rec_err_set(err, "%s: %s at byte %llu%s", r->name, what, (unsigned long long)r->offset, more);
}

/* The next block into r->plain. Short ones are the last or cut, and behind the last there is nothing. */
static int pull(struct rec_stream_reader *r, struct rec_err *err)
{
    unsigned char tag;
    size_t got, beyond = 0;

    if (r->source(r->context, r->sealed, BLOCK + EXTRA, &got, err) < 0)
        return -1;
    if (got < EXTRA) {
        r->offset += got;
        return damaged(r, "cut off", "", err);
    }
    if (crypto_secretstream_xchacha20poly1305_pull(state_of(r->state), r->plain, NULL, &tag, r->sealed, got, r->about, r->about_len) < 0)
        return damaged(r, got < BLOCK + EXTRA ? "damaged or cut off" : "damaged",
                       r->offset == HEADER ? ", or sealed with another key" : "", err);
    r->offset += got;
    r->at = 0;
    r->fill = got - EXTRA;
    if (tag == MESSAGE && got == BLOCK + EXTRA)
        return 0;
    if (tag != FINAL)
        return damaged(r, tag == MESSAGE ? "cut off" : "no block of rec's", "", err);
    r->last = true;
    if (r->source(r->context, r->sealed, 1, &beyond, err) < 0)
        return -1;
    return beyond > 0 ? damaged(r, "bytes behind the end", "", err) : 0;
}

/* As pull; one failure is for good, so that nobody can go on behind a damaged block. */
static int pull_or_end(struct rec_stream_reader *r, struct rec_err *err)
{
    if (pull(r, err) == 0)
        return 0;
    forget(r->plain);
    r->plain = NULL;
    r->at = r->fill = 0;
    return -1;
}

int rec_stream_read(struct rec_stream_reader *r, void *bytes, size_t len, size_t *got, struct rec_err *err)
{
    unsigned char *to = bytes;

    *got = 0;
    if (!r->plain)
        return rec_err_set(err, "%s: cannot be read on", r->name ? r->name : "sealed stream");
    while (*got < len) {
        size_t n = r->fill - r->at;
        if (n == 0 && r->last)
            break;
        if (n == 0) {
            if (pull_or_end(r, err) < 0)
                return -1;
            continue;
        }
        n = n < len - *got ? n : len - *got;
        memcpy(to + *got, r->plain + r->at, n);
        r->at += n;
        *got += n;
    }
    return 0;
}
