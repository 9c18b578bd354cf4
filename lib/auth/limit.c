/* SPDX-License-Identifier: MIT
 *
 * The generic cell rate algorithm (ITU-T I.371, annex A, virtual scheduling) over a table in a mapped file.
 *
 * For each key one moment is kept: when its bucket will be empty again, the theoretical arrival time. A request moves it on by cost / rate,
 * and passes if it is then no further ahead of now than burst / rate. No process waits for another: slots change by compare-and-swap.
 * A moment further ahead than the burst allows cannot be right (the clock began anew, or the rate was changed), and is cut back.
 */
#include <rec/auth.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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
};

/* ---- the file ---- */

static bool is_ours(const struct table *t, size_t n)
{
    return memcmp(t->make, make, sizeof make) == 0 && t->n == n;
}

/* With the file locked: the size, and the head if it is not there. */
static int prepare(int fd, size_t bytes, size_t n, const char *path, struct rec_err *err)
{
    struct table head;
    struct stat st;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return rec_err_set(err, "%s: not a regular file", path);
    if ((size_t)st.st_size == bytes && pread(fd, &head, sizeof head, 0) == (ssize_t)sizeof head && is_ours(&head, n))
        return 0;
    /* A table of another make may be mapped by others: they keep theirs under its old length, in a file that has lost its name. */
    if (st.st_size > 0)
        return rec_err_set(err, "%s: not a table of this size; delete it when no server is running", path);
    memset(&head, 0, sizeof head);
    memcpy(head.make, make, sizeof make);
    head.n = n;
    rec_secret_random(head.secret, sizeof head.secret);
    if (posix_fallocate(fd, 0, (off_t)bytes) != 0 || pwrite(fd, &head, sizeof head, 0) != (ssize_t)sizeof head) {
        if (ftruncate(fd, 0) < 0)
            return rec_err_errno(err, "%s: no room for %zu bytes, and left half made", path, bytes);
        return rec_err_set(err, "%s: no room for %zu bytes", path, bytes);
    }
    return 0;
}

static int map_file(struct rec_limit *limit, const char *path, size_t n, struct rec_err *err)
{
    int status = -1, fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return rec_err_errno(err, "%s", path);
    if (flock(fd, LOCK_EX) < 0) {
        rec_err_errno(err, "%s", path);
    } else if (prepare(fd, limit->bytes, n, path, err) == 0) {
        limit->table = mmap(NULL, limit->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        status = limit->table == MAP_FAILED ? rec_err_errno(err, "%s", path) : 0;
    }
    /* The mapping holds on to the open file, and with it to the lock: closing alone would keep every other process waiting. */
    flock(fd, LOCK_UN);
    close(fd);
    return status;
}

static int map_memory(struct rec_limit *limit, size_t n, struct rec_err *err)
{
    limit->table = mmap(NULL, limit->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (limit->table == MAP_FAILED)
        return rec_err_memory(err, "limits");
    limit->table->n = n;
    rec_secret_random(limit->table->secret, sizeof limit->table->secret);
    return 0;
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
    if ((path ? map_file(limit, path, keys, err) : map_memory(limit, keys, err)) < 0) {
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
    munmap(limit->table, limit->bytes);
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

void rec_limit_ask(struct rec_limit_answer *answer, struct rec_limit *limit, const void *key, size_t len, const struct rec_limit_rate *rate,
                   double cost, double now)
{
    struct slot *slot = find(limit->table, hash_of(limit->table, key, len));
    double interval = 1e6 / rate->per_second, window = rate->burst * interval, at = now * 1e6, ahead, after;
    uint64_t until = atomic_load(&slot->until), next;
    bool wrong;

    do {
        ahead = (double)until - at;
        wrong = ahead > window + 1;
        ahead = ahead < 0 ? 0 : ahead > window ? window : ahead;
        after = ahead + cost * interval;
        answer->allowed = after <= window + 0.5; /* half of a microsecond, which rounding may add */
        next = (uint64_t)(at + (answer->allowed ? after : ahead) + 0.5);
    } while ((answer->allowed || wrong) && !atomic_compare_exchange_weak(&slot->until, &until, next));
    if (answer->allowed)
        ahead = after;
    answer->retry = answer->allowed ? 0 : (after - window) * 1e-6;
    answer->remaining = ahead >= window ? 0 : (double)(uint64_t)((window - ahead) / interval + 1e-6);
    answer->reset = ahead * 1e-6;
}
