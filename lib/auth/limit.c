/* SPDX-License-Identifier: MIT
 *
 * The generic cell rate algorithm (ITU-T I.371, annex A, virtual scheduling) over a table in a mapped file.
 *
 * For each key one moment is kept: when its bucket will be empty again, the theoretical arrival time. A request moves it on by cost / rate,
 * and passes if it is then no further ahead of now than burst / rate. No process waits for another: slots change by compare-and-swap.
 * A moment further ahead than the burst allows cannot be right (the clock began anew, or the rate was changed), and is cut back.
 */
#include "limit_priv.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { NEIGHBOURS = 8 };

static const char make[16] = "rec.limit/1\n";

struct slot {
    _Atomic uint64_t key;              /**< 0: empty */
    _Atomic uint64_t until;            /**< the theoretical arrival time, microseconds */
};

struct table {
    char make[16];
    uint64_t n;                        /**< slots, a power of two */
    unsigned char secret[REC_KEY_BYTES]; /**< so that nobody can choose keys that meet in one place */
    unsigned char rest[8];
    struct slot slot[];
};
_Static_assert(sizeof(struct table) == 64, "slots begin on a cache line");

struct rec_limit {
    struct table *table;
    size_t bytes;
    uint64_t number;                   /**< of this table among all that this process opened, from 1 */
};

static _Atomic uint64_t opened;

static struct table *map_table(const char *path, size_t bytes, size_t n, struct rec_err *err)
{
    struct table head = {.n = n};
    struct table *table;

    memcpy(head.make, make, sizeof make);
    rec_secret_random(head.secret, sizeof head.secret);
    table = rec_shared_map(&(struct rec_shared){.bytes = bytes, .head = &head, .head_len = sizeof head, .same = offsetof(struct table, secret),
                                                .what = "a table of limits"}, path, err);
    rec_secret_wipe(&head, sizeof head);
    return table;
}

int rec_limit_open(struct rec_limit **out, const char *path, size_t keys, struct rec_err *err)
{
    struct rec_limit *limit;
    size_t bytes;

    *out = NULL;
    if (keys < NEIGHBOURS || (keys & (keys - 1)) || keys > (size_t)1 << 30)
        return rec_err_set(err, "limits: %zu keys: not a power of two from 8 to 2^30", keys);
    bytes = sizeof(struct table) + keys * sizeof(struct slot);
    limit = rec_calloc(1, sizeof *limit, "limits", err);
    if (!limit)
        return -1;
    limit->bytes = bytes;
    limit->number = atomic_fetch_add(&opened, 1) + 1;
    limit->table = map_table(path, bytes, keys, err);
    if (!limit->table) {
        free(limit);
        return -1;
    }
    *out = limit;
    return 0;
}

void rec_limit_close(struct rec_limit *limit)
{
    if (!limit)
        return;
    rec_shared_unmap(limit->table, limit->bytes);
    free(limit);
}

/* ---- asking ---- */

static uint64_t hash_of(const struct table *t, const void *key, size_t len)
{
    unsigned char digest[REC_HASH_BYTES];
    uint64_t hash;

    rec_hash(digest, key, len, t->secret);
    memcpy(&hash, digest, sizeof hash);
    return hash ? hash : 1;
}

/* The same few ask again and again: a thread remembers the hashes of some. */
enum { REMEMBERED = 32, SHORT = 48 };

static uint64_t remembered_hash(const struct rec_limit *limit, const void *key, size_t len)
{
    static _Thread_local struct {
        uint64_t number, hash;
        size_t len;
        char key[SHORT];
    } known[REMEMBERED];
    size_t at = rec_hashmap_hash(key, len) % REMEMBERED;

    if (len > SHORT)
        return hash_of(limit->table, key, len);
    if (known[at].number != limit->number || known[at].len != len || memcmp(known[at].key, key, len) != 0) {
        known[at].number = limit->number;
        known[at].hash = hash_of(limit->table, key, len);
        known[at].len = len;
        memcpy(known[at].key, key, len);
    }
    return known[at].hash;
}

/* The slot of that key; else one that is free the longest, taken for it. */
static struct slot *find(struct table *t, uint64_t hash)
{
    struct slot *row = &t->slot[hash & (t->n - 1) & ~(uint64_t)(NEIGHBOURS - 1)], *oldest;
    uint64_t was;

    do {
        oldest = row;
        for (size_t i = 0; i < NEIGHBOURS; i++) {
            if (atomic_load(&row[i].key) == hash)
                return &row[i];
            if (atomic_load(&row[i].until) < atomic_load(&oldest->until))
                oldest = &row[i];
        }
        was = atomic_load(&oldest->key);
    } while (was == hash || !atomic_compare_exchange_strong(&oldest->key, &was, hash));
    /* Whoever comes in between finds what the slot said of its last key: of all eight, the least. */
    atomic_store(&oldest->until, 0);
    return oldest;
}

void rec_limit_tell(struct rec_limit_answer *answer, const struct rec_limit_rate *rate, double cost, double ahead)
{
    double interval = 1e6 / rate->per_second, window = rate->burst * interval, after = ahead + cost * interval;

    answer->allowed = after <= window + 0.5; /* half of a microsecond, which rounding may add */
    if (answer->allowed)
        ahead = after > 0 ? after : 0;
    answer->retry = answer->allowed ? 0 : (after - window) * 1e-6;
    answer->remaining = ahead >= window ? 0 : (double)(uint64_t)((window - ahead) / interval + 1e-6);
    answer->reset = ahead * 1e-6;
}

void rec_limit_ask(struct rec_limit_answer *answer, struct rec_limit *limit, const void *key, size_t len, const struct rec_limit_rate *rate,
                   double cost, double now)
{
    struct slot *slot = find(limit->table, remembered_hash(limit, key, len));
    double window = rate->burst * (1e6 / rate->per_second), at = now * 1e6, ahead;
    uint64_t until = atomic_load(&slot->until), next;
    bool wrong;

    do {
        ahead = (double)until - at;
        wrong = ahead > window + 1;
        ahead = ahead < 0 ? 0 : ahead > window ? window : ahead;
        rec_limit_tell(answer, rate, cost, ahead);
        next = (uint64_t)(at + (answer->allowed ? answer->reset * 1e6 : ahead) + 0.5);
    } while ((answer->allowed || wrong) && !atomic_compare_exchange_weak(&slot->until, &until, next));
}
