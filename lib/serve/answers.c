/* SPDX-License-Identifier: MIT
 *
 * Answers that this process made before, in memory of a bounded size: what was asked for the longest time ago gives way. A hash table with chains, and a
 * list in the order of asking; an entry is one piece of memory: its key, its answer, and that compressed, where somebody asked for it.
 */
#include "serve_priv.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    struct entry *next;                    /* of the same bucket */
    struct entry *newer, *older;
    uint64_t hash;
    int64_t until;                         /* seconds; from then on it is none */
    size_t key_len, len, packed_len;       /* packed_len 0: not compressed yet */
    char bytes[];
};

struct rec_answers {
    pthread_mutex_t lock;
    struct entry **bucket;
    size_t buckets, most, used;            /* a power of two; bytes */
    struct entry *newest, *oldest;
};

/* What an allocation costs besides its bytes, and an answer of ten items and its key. */
enum { OVERHEAD = 16, USUAL = 2048 };

int rec_answers_open(struct rec_answers **out, size_t bytes, struct rec_err *err)
{
    struct rec_answers *a = rec_calloc(1, sizeof *a, "answers", err);

    *out = a;
    if (!a)
        return -1;
    a->most = bytes;
    for (a->buckets = 64; a->buckets < bytes / USUAL && a->buckets < (size_t)1 << 24;)
        a->buckets *= 2;
    pthread_mutex_init(&a->lock, NULL);
    a->bucket = rec_calloc(a->buckets, sizeof(struct entry *), "answers", err);
    if (a->bucket)
        return 0;
    rec_answers_close(a);
    *out = NULL;
    return -1;
}

static size_t size_of(size_t bytes)
{
    return sizeof(struct entry) + OVERHEAD + bytes;
}

static void take_out_of_order(struct rec_answers *a, struct entry *e)
{
    *(e->newer ? &e->newer->older : &a->newest) = e->older;
    *(e->older ? &e->older->newer : &a->oldest) = e->newer;
}

static void put_first(struct rec_answers *a, struct entry *e)
{
    e->newer = NULL;
    e->older = a->newest;
    *(a->newest ? &a->newest->newer : &a->oldest) = e;
    a->newest = e;
}

static struct entry **find(struct rec_answers *a, uint64_t hash, const char *key, size_t key_len)
{
    struct entry **at = &a->bucket[hash & (a->buckets - 1)];

    while (*at && ((*at)->hash != hash || (*at)->key_len != key_len || memcmp((*at)->bytes, key, key_len) != 0))
        at = &(*at)->next;
    return at;
}

static void drop(struct rec_answers *a, struct entry **at)
{
    struct entry *e = *at;

    *at = e->next;
    take_out_of_order(a, e);
    a->used -= size_of(e->key_len + e->len + e->packed_len);
    free(e);
}

static void drop_oldest(struct rec_answers *a)
{
    struct entry *e = a->oldest, **at = &a->bucket[e->hash & (a->buckets - 1)];

    while (*at != e)
        at = &(*at)->next;
    drop(a, at);
}

void rec_answers_close(struct rec_answers *a)
{
    if (!a)
        return;
    while (a->oldest)
        drop_oldest(a);
    pthread_mutex_destroy(&a->lock);
    free(a->bucket);
    free(a);
}

bool rec_answers_get(struct rec_buf *body, struct rec_buf *packed, struct rec_answers *a, const char *key, size_t key_len, int64_t now)
{
    uint64_t hash = rec_hashmap_hash(key, key_len);
    struct entry **at, *e;
    bool found;

    pthread_mutex_lock(&a->lock);
    at = find(a, hash, key, key_len);
    e = *at;
    found = e && e->until > now;
    if (e && !found)
        drop(a, at);
    if (found) {
        rec_buf_add(body, e->bytes + key_len, e->len);
        rec_buf_add(packed, e->bytes + key_len + e->len, e->packed_len);
        take_out_of_order(a, e);
        put_first(a, e);
    }
    pthread_mutex_unlock(&a->lock);
    return found && !body->failed && !packed->failed;
}

void rec_answers_put(struct rec_answers *a, const char *key, size_t key_len, const struct rec_buf *body, const struct rec_buf *packed, int64_t until)
{
    size_t bytes = key_len + body->len + packed->len;
    struct entry *e = size_of(bytes) <= a->most / 4 ? malloc(sizeof *e + bytes) : NULL, **at;

    if (!e)
        return;
    *e = (struct entry){.hash = rec_hashmap_hash(key, key_len), .until = until, .key_len = key_len, .len = body->len, .packed_len = packed->len};
    memcpy(e->bytes, key, key_len);
    memcpy(e->bytes + key_len, body->data, body->len);
    if (packed->len)
        memcpy(e->bytes + key_len + body->len, packed->data, packed->len);
    pthread_mutex_lock(&a->lock);
    at = find(a, e->hash, key, key_len);
    if (*at)
        drop(a, at);
    while (a->used + size_of(bytes) > a->most)
        drop_oldest(a);
    at = &a->bucket[e->hash & (a->buckets - 1)];
    e->next = *at;
    *at = e;
    put_first(a, e);
    a->used += size_of(bytes);
    pthread_mutex_unlock(&a->lock);
}
