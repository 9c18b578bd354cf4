/* SPDX-License-Identifier: MIT
 *
 * What training may know that it could not have known when the test part was the future, and what it cannot know of the test part.
 */
#include <rec/data.h>

/* Which parts an item has ratings in: a bit each. */
static uint8_t *parts_of_items(const struct rec_ratings *r, const uint8_t *part, struct rec_err *err)
{
    uint8_t *in = rec_calloc(r->n_items ? r->n_items : 1, 1, "items", err);

    for (size_t p = 0; in && p < r->nnz; p++)
        in[r->item[p]] |= (uint8_t)(1U << part[p]);
    return in;
}

static void add(size_t count[4], size_t *cold, uint8_t in)
{
    for (int which = 0; which < 4; which++)
        count[which] += in >> which & 1;
    *cold += in >> REC_SPLIT_TEST & 1 && !(in >> REC_SPLIT_TRAIN & 1);
}

static void count_row(struct rec_leaks *out, const struct rec_ratings *r, size_t u, const uint8_t *part, const uint8_t *items, int64_t first_test)
{
    int64_t last_train = INT64_MIN;
    uint8_t in = 0;

    for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++) {
        in |= (uint8_t)(1U << part[p]);
        if (r->time && part[p] == REC_SPLIT_TRAIN && r->time[p] > last_train)
            last_train = r->time[p];
    }
    add(out->users, &out->cold_users, in);
    for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++) {
        out->ratings[part[p]]++;
        if (part[p] == REC_SPLIT_TEST)
            out->cold += !(in >> REC_SPLIT_TRAIN & 1) || !(items[r->item[p]] >> REC_SPLIT_TRAIN & 1);
        if (!r->time)
            continue;
        out->ahead += part[p] == REC_SPLIT_TRAIN && r->time[p] > first_test;
        out->behind += part[p] == REC_SPLIT_TEST && r->time[p] < last_train;
    }
}

int rec_leaks_count(struct rec_leaks *out, const struct rec_ratings *r, const uint8_t *part, struct rec_err *err)
{
    uint8_t *items = parts_of_items(r, part, err);
    int64_t first_test = INT64_MAX;

    *out = (struct rec_leaks){.timed = r->time != NULL};
    if (!items)
        return -1;
    for (size_t p = 0; r->time && p < r->nnz; p++)
        if (part[p] == REC_SPLIT_TEST && r->time[p] < first_test)
            first_test = r->time[p];
    for (size_t i = 0; i < r->n_items; i++)
        add(out->items, &out->cold_items, items[i]);
    for (size_t u = 0; u < r->n_users; u++)
        count_row(out, r, u, part, items, first_test);
    free(items);
    return 0;
}
