/* SPDX-License-Identifier: MIT
 *
 * Cutting ratings into parts.
 *
 * By chance: one pass that deals each rating to a part with the chance (still wanted there) / (still to come), which
 * gives every subset of the wanted size the same chance (selection sampling: Knuth, TAOCP 2, 3.4.2, algorithm S; here
 * with several hands). By time: the moment is found by counting times in ever smaller ranges, without a sorted copy.
 */
#include <rec/data.h>

/* Deals n ratings: want[k] of them to part number name[k], the rest to training. */
static void deal(uint8_t *part, size_t n, size_t *want, const uint8_t *name, size_t parts, struct rec_rng *rng)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t x = rec_rng_below(rng, n - i);
        size_t k = 0;

        while (k < parts && x >= want[k])
            x -= want[k++];
        part[i] = k < parts ? name[k] : REC_SPLIT_TRAIN;
        if (k < parts)
            want[k]--;
    }
}

static const uint8_t held_out[] = {REC_SPLIT_TEST, REC_SPLIT_VALID};

/* share of n, the fraction left over rounded by chance, so that shares hold in sum. */
static size_t share_of(double share, size_t n, struct rec_rng *rng)
{
    double x = share * (double)n + rec_rng_uniform(rng);
    size_t k = (size_t)x;

    return k < n ? k : n;
}

static size_t at_most(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void by_user(uint8_t *part, const struct rec_ratings *r, const struct rec_split_options *o)
{
    for (size_t u = 0; u < r->n_users; u++) {
        size_t from = (size_t)r->user_ptr[u], n = (size_t)r->user_ptr[u + 1] - from, len, spare, want[2];
        const char *id = rec_ids_get(&r->users, u, &len);
        struct rec_rng rng;

        rec_rng_seed(&rng, o->seed, rec_hashmap_hash(id, len));
        spare = n > o->min_train ? n - o->min_train : 0;
        want[0] = at_most(share_of(o->test, n, &rng), spare);
        want[1] = at_most(share_of(o->valid, n, &rng), spare - want[0]);
        deal(part + from, n, want, held_out, 2, &rng);
    }
}

static void by_chance(uint8_t *part, const struct rec_ratings *r, const struct rec_split_options *o)
{
    size_t want[2] = {at_most((size_t)(o->test * (double)r->nnz + 0.5), r->nnz), 0};
    struct rec_rng rng;

    want[1] = at_most((size_t)(o->valid * (double)r->nnz + 0.5), r->nnz - want[0]);
    rec_rng_seed(&rng, o->seed, 0);
    deal(part, r->nnz, want, held_out, 2, &rng);
}

/* Every rating gets a fold, whatever fold is asked for, so that the folds of one seed fit together. */
static int by_fold(uint8_t *part, const struct rec_ratings *r, const struct rec_split_options *o, struct rec_err *err)
{
    size_t want[UINT8_MAX];
    uint8_t name[UINT8_MAX];
    struct rec_rng rng;

    if (o->folds < 2 || o->folds > UINT8_MAX || o->fold < 1 || o->fold > o->folds)
        return rec_err_set(err, "fold %zu of %zu: folds are 1 to 2..255", o->fold, o->folds);
    for (size_t k = 0; k < o->folds; k++) {
        want[k] = r->nnz / o->folds + (k < r->nnz % o->folds);
        name[k] = REC_SPLIT_TRAIN;
    }
    if (o->want_valid)
        name[o->fold % o->folds] = REC_SPLIT_VALID;
    name[o->fold - 1] = REC_SPLIT_TEST;
    rec_rng_seed(&rng, o->seed, 0);
    deal(part, r->nnz, want, name, o->folds, &rng);
    return 0;
}

/* True when rating p comes after q in the same row. */
static bool later(const struct rec_ratings *r, int64_t p, int64_t q)
{
    if (r->time && r->time[p] != r->time[q])
        return r->time[p] > r->time[q];
    return p > q;
}

/* The `wanted` latest of the row, latest first, by insertion: most ratings fall at the first comparison. */
static size_t latest(int64_t *best, size_t wanted, const struct rec_ratings *r, size_t u)
{
    size_t n = 0;

    for (int64_t p = r->user_ptr[u]; wanted && p < r->user_ptr[u + 1]; p++) {
        size_t k;

        if (n == wanted && !later(r, p, best[n - 1]))
            continue;
        n += n < wanted;
        for (k = n - 1; k > 0 && later(r, p, best[k - 1]); k--)
            best[k] = best[k - 1];
        best[k] = p;
    }
    return n;
}

static int by_last(uint8_t *part, const struct rec_ratings *r, const struct rec_split_options *o, struct rec_err *err)
{
    size_t longest = 0, wanted;
    int64_t *best;

    if (!r->time)
        return rec_err_set(err, "no times: the last ratings of a user are not known");
    for (size_t u = 0; u < r->n_users; u++)
        if ((size_t)(r->user_ptr[u + 1] - r->user_ptr[u]) > longest)
            longest = (size_t)(r->user_ptr[u + 1] - r->user_ptr[u]);
    wanted = at_most(o->last, longest);
    wanted = at_most(o->want_valid ? wanted * 2 : wanted, longest);
    if (!(best = rec_malloc(wanted, sizeof *best, "last ratings", err)))
        return -1;
    for (size_t u = 0; u < r->n_users; u++) {
        size_t n = (size_t)(r->user_ptr[u + 1] - r->user_ptr[u]);
        size_t k = latest(best, at_most(wanted, n > o->min_train ? n - o->min_train : 0), r, u);

        memset(part + r->user_ptr[u], REC_SPLIT_TRAIN, n);
        for (size_t j = 0; j < k; j++)
            part[best[j]] = j < o->last ? REC_SPLIT_TEST : REC_SPLIT_VALID;
    }
    free(best);
    return 0;
}

/* The k-th smallest time (from 0): its range is cut into 65,536 pieces, again and again, until one is a second. */
static int time_at(int64_t *out, const struct rec_ratings *r, size_t k, struct rec_err *err)
{
    enum { PIECES = 1 << 16 };
    size_t *count = rec_malloc(PIECES, sizeof *count, "times", err);
    uint64_t lo = UINT64_MAX, hi = 0;
    const uint64_t sign = (uint64_t)1 << 63; /* makes the order that of unsigned numbers */

    if (!count)
        return -1;
    for (size_t p = 0; p < r->nnz; p++) {
        uint64_t t = (uint64_t)r->time[p] ^ sign;

        lo = t < lo ? t : lo;
        hi = t > hi ? t : hi;
    }
    while (lo < hi) {
        uint64_t width = (hi - lo) / PIECES + 1, i = 0;

        memset(count, 0, PIECES * sizeof *count);
        for (size_t p = 0; p < r->nnz; p++) {
            uint64_t t = (uint64_t)r->time[p] ^ sign;

            if (t >= lo && t <= hi)
                count[(t - lo) / width]++;
        }
        while (k >= count[i])
            k -= count[i++];
        lo += i * width;
        hi = hi - lo < width ? hi : lo + width - 1;
    }
    *out = (int64_t)(lo ^ sign);
    free(count);
    return 0;
}

/* The first second of the latest `share`; ratings of one second stay together. Leaves something before it where that
 * can be. */
static int cut_at(int64_t *cut, const struct rec_ratings *r, double share, struct rec_err *err)
{
    size_t wanted = at_most((size_t)(share * (double)r->nnz + 0.5), r->nnz);
    int64_t first;

    if (wanted == 0) {
        *cut = INT64_MAX;
        return 0;
    }
    if (time_at(cut, r, r->nnz - wanted, err) < 0 || time_at(&first, r, 0, err) < 0)
        return -1;
    if (*cut == first && wanted < r->nnz && first < INT64_MAX)
        ++*cut;
    return 0;
}

static int by_time(uint8_t *part, int64_t *cut, const struct rec_ratings *r, const struct rec_split_options *o,
                   struct rec_err *err)
{
    int64_t test = o->before, valid = INT64_MAX;

    if (!r->time)
        return rec_err_set(err, "no times: there is no before and after");
    if (!o->has_before && cut_at(&test, r, o->test, err) < 0)
        return -1;
    if (o->valid > 0) {
        size_t after = 0;

        for (size_t p = 0; p < r->nnz; p++)
            after += r->time[p] >= test;
        if (cut_at(&valid, r, o->valid + (double)after / (double)r->nnz, err) < 0)
            return -1;
    }
    for (size_t p = 0; p < r->nnz; p++)
        part[p] = r->time[p] >= test ? REC_SPLIT_TEST : r->time[p] >= valid ? REC_SPLIT_VALID : REC_SPLIT_TRAIN;
    *cut = test;
    return 0;
}

/* A row's ratings by time. */
struct moment {
    int64_t time, p;
};

static int by_moment(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;

    return x->time != y->time ? (x->time < y->time ? -1 : 1) : x->p < y->p ? -1 : 1;
}

/* Training, then validation, then test, in each row. */
static int by_user_time(uint8_t *part, const struct rec_ratings *r, const struct rec_split_options *o, struct rec_err *err)
{
    size_t longest = 0;
    struct moment *row;

    if (!r->time)
        return rec_err_set(err, "no times: the latest ratings of a user are not known");
    for (size_t u = 0; u < r->n_users; u++)
        if ((size_t)(r->user_ptr[u + 1] - r->user_ptr[u]) > longest)
            longest = (size_t)(r->user_ptr[u + 1] - r->user_ptr[u]);
    if (!(row = rec_malloc(longest, sizeof *row, "times", err)))
        return -1;
    for (size_t u = 0; u < r->n_users; u++) {
        int64_t from = r->user_ptr[u];
        size_t n = (size_t)(r->user_ptr[u + 1] - from), len, spare = n > o->min_train ? n - o->min_train : 0, test, valid;
        const char *id = rec_ids_get(&r->users, u, &len);
        struct rec_rng rng;

        rec_rng_seed(&rng, o->seed, rec_hashmap_hash(id, len));
        test = at_most(share_of(o->test, n, &rng), spare);
        valid = at_most(share_of(o->valid, n, &rng), spare - test);
        for (size_t j = 0; j < n; j++)
            row[j] = (struct moment){r->time[from + (int64_t)j], from + (int64_t)j};
        if (n > 0)
            qsort(row, n, sizeof *row, by_moment);
        for (size_t j = 0; j < n; j++)
            part[row[j].p] = n - j <= test ? REC_SPLIT_TEST : n - j <= test + valid ? REC_SPLIT_VALID : REC_SPLIT_TRAIN;
    }
    free(row);
    return 0;
}

/* Users or items are dealt as ratings are elsewhere, and their ratings go with them. */
static int by_cold(uint8_t *part, const struct rec_ratings *r, const struct rec_split_options *o, struct rec_err *err)
{
    bool users = o->method == REC_SPLIT_USERS;
    size_t n = users ? r->n_users : r->n_items;
    size_t want[2] = {at_most((size_t)(o->test * (double)n + 0.5), n), 0};
    uint8_t *of = rec_malloc(n, 1, "parts", err);
    struct rec_rng rng;

    if (!of)
        return -1;
    want[1] = at_most((size_t)(o->valid * (double)n + 0.5), n - want[0]);
    rec_rng_seed(&rng, o->seed, 0);
    deal(of, n, want, held_out, 2, &rng);
    for (size_t u = 0; u < r->n_users; u++)
        for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++)
            part[p] = of[users ? u : (size_t)r->item[p]];
    free(of);
    return 0;
}

static int by_pairs(uint8_t *part, size_t *missing, const struct rec_ratings *r, const struct rec_split_options *o,
                    struct rec_err *err)
{
    struct rec_ratings pairs = {0};
    size_t dropped, found = 0;

    if (rec_csr_join(&pairs, o->pairs, &r->users, &r->items, &dropped, err) < 0)
        return -1;
    memset(part, REC_SPLIT_TRAIN, r->nnz);
    for (size_t u = 0; u < r->n_users; u++) {
        int64_t p = r->user_ptr[u];

        for (int64_t q = pairs.user_ptr[u]; q < pairs.user_ptr[u + 1]; q++) {
            while (p < r->user_ptr[u + 1] && r->item[p] < pairs.item[q])
                p++;
            if (p < r->user_ptr[u + 1] && r->item[p] == pairs.item[q]) {
                part[p] = REC_SPLIT_TEST;
                found++;
            }
        }
    }
    *missing = o->pairs->nnz - found;
    rec_ratings_clear(&pairs);
    return 0;
}

/* Ratings held out go back to training, the earliest first, until their user has enough there. */
static void give_back(uint8_t *part, const struct rec_ratings *r, size_t min_train)
{
    for (size_t u = 0; u < r->n_users; u++) {
        size_t kept = 0;

        for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++)
            kept += part[p] == REC_SPLIT_TRAIN;
        for (; kept < min_train; kept++) {
            int64_t first = -1;

            for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++)
                if (part[p] != REC_SPLIT_TRAIN && (first < 0 || later(r, first, p)))
                    first = p;
            if (first < 0)
                break;
            part[first] = REC_SPLIT_TRAIN;
        }
    }
}

/* Leaves out what is held out of users and items that have nothing in training. */
static int keep_warm(uint8_t *part, const struct rec_ratings *r, struct rec_err *err)
{
    uint8_t *items = rec_calloc(r->n_items, 1, "items", err);

    if (!items)
        return -1;
    for (size_t p = 0; p < r->nnz; p++)
        items[r->item[p]] |= part[p] == REC_SPLIT_TRAIN;
    for (size_t u = 0; u < r->n_users; u++) {
        bool user = false;
        for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++)
            user |= part[p] == REC_SPLIT_TRAIN;
        for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++)
            if (!user || !items[r->item[p]])
                part[p] = REC_SPLIT_NONE;
    }
    free(items);
    return 0;
}

int rec_split_assign(uint8_t *part, struct rec_split_found *found, const struct rec_ratings *r,
                     const struct rec_split_options *o, struct rec_err *err)
{
    struct rec_split_found unused;
    int rc = 0;

    found = found ? found : &unused;
    *found = (struct rec_split_found){0};
    if (!(o->test >= 0 && o->valid >= 0 && o->test + o->valid < 1))
        return rec_err_set(err, "shares of test and validation must be at least 0, and below 1 together");
    switch (o->method) {
    case REC_SPLIT_RANDOM:        by_user(part, r, o); break;
    case REC_SPLIT_GLOBAL_RANDOM: by_chance(part, r, o); break;
    case REC_SPLIT_KFOLD:         rc = by_fold(part, r, o, err); break;
    case REC_SPLIT_LAST:          rc = by_last(part, r, o, err); break;
    case REC_SPLIT_TIME:          rc = by_time(part, &found->cut, r, o, err); break;
    case REC_SPLIT_USER_TIME:     rc = by_user_time(part, r, o, err); break;
    case REC_SPLIT_USERS:
    case REC_SPLIT_ITEMS:         rc = by_cold(part, r, o, err); break;
    case REC_SPLIT_PAIRS:         rc = by_pairs(part, &found->missing, r, o, err); break;
    }
    if (rc == 0 && o->min_train > 0)
        give_back(part, r, o->min_train);
    return rc == 0 && o->warm ? keep_warm(part, r, err) : rc;
}

int rec_split_take(struct rec_ratings *out, const struct rec_ratings *r, const uint8_t *part, uint8_t which,
                   struct rec_err *err)
{
    struct rec_ratings taken = {.n_users = r->n_users, .n_items = r->n_items};
    int64_t *ptr, *time = NULL;
    int32_t *item;
    float *value;
    size_t n = 0;

    for (size_t p = 0; p < r->nnz; p++)
        taken.nnz += part[p] == which;
    taken.owned[0] = ptr = rec_malloc(r->n_users + 1, sizeof *ptr, "split", err);
    taken.owned[1] = item = rec_malloc(taken.nnz, sizeof *item, "split", err);
    taken.owned[2] = value = rec_malloc(taken.nnz, sizeof *value, "split", err);
    taken.owned[3] = time = r->time ? rec_malloc(taken.nnz, sizeof *time, "split", err) : NULL;
    if (!ptr || !item || !value || (r->time && !time)) {
        rec_ratings_clear(&taken);
        return -1;
    }
    for (size_t u = 0; u < r->n_users; u++) {
        ptr[u] = (int64_t)n;
        for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++) {
            if (part[p] != which)
                continue;
            item[n] = r->item[p];
            value[n] = r->value[p];
            if (time)
                time[n] = r->time[p];
            n++;
        }
    }
    ptr[r->n_users] = (int64_t)n;
    taken.user_ptr = ptr;
    taken.item = item;
    taken.value = value;
    taken.time = time;
    taken.users = (struct rec_ids){.bytes = r->users.bytes, .offset = r->users.offset, .n = r->users.n};
    taken.items = (struct rec_ids){.bytes = r->items.bytes, .offset = r->items.offset, .n = r->items.n};
    *out = taken;
    return 0;
}
