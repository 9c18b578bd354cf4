/* SPDX-License-Identifier: MIT
 *
 * Keeping some of the ratings: those whose value meets a condition.
 */
#include <rec/data.h>

static const struct {
    const char *text;
    int op;
} operators[] = {
    /* The longer ones first: ">" begins ">=". */
    {">=", REC_FILTER_GE}, {"<=", REC_FILTER_LE}, {"==", REC_FILTER_EQ}, {"!=", REC_FILTER_NE},
    {">", REC_FILTER_GT},  {"<", REC_FILTER_LT},  {"=", REC_FILTER_EQ},
};

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

int rec_filter_parse(struct rec_filter *filter, const char *text, struct rec_err *err)
{
    const char *at = skip_blanks(text);
    size_t len;

    if (strncmp(at, "rating", 6) != 0)
        goto bad;
    at = skip_blanks(at + 6);
    filter->op = 0;
    for (size_t i = 0; i < REC_LENGTH(operators) && !filter->op; i++) {
        len = strlen(operators[i].text);
        if (strncmp(at, operators[i].text, len) == 0) {
            filter->op = operators[i].op;
            at = skip_blanks(at + len);
        }
    }
    for (len = strlen(at); len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'); len--)
        ;
    if (filter->op && rec_num_double(&filter->bound, at, len) == 0)
        return 0;
bad:
    return rec_err_set(err, "%.80s: not a condition such as 'rating>=4'", text);
}

bool rec_filter_keeps(const struct rec_filter *filter, double value)
{
    switch (filter->op) {
    case REC_FILTER_GE: return value >= filter->bound;
    case REC_FILTER_GT: return value > filter->bound;
    case REC_FILTER_LE: return value <= filter->bound;
    case REC_FILTER_LT: return value < filter->bound;
    case REC_FILTER_EQ: return value == filter->bound;
    case REC_FILTER_NE: return value != filter->bound;
    }
    return false;
}

int rec_filter_ratings(struct rec_ratings *out, const struct rec_ratings *r, const struct rec_filter *filter, struct rec_err *err)
{
    struct rec_ratings kept = {.n_users = r->n_users, .n_items = r->n_items};
    int64_t *ptr, *time = NULL;
    int32_t *item;
    float *value;
    size_t n = 0, to = 0;

    for (size_t p = 0; p < r->nnz; p++)
        n += rec_filter_keeps(filter, r->value[p]);
    kept.owned[0] = ptr = rec_malloc(r->n_users + 1, sizeof *ptr, "ratings", err);
    kept.owned[1] = item = rec_malloc(n, sizeof *item, "ratings", err);
    kept.owned[2] = value = rec_malloc(n, sizeof *value, "ratings", err);
    if (r->time)
        kept.owned[3] = time = rec_malloc(n, sizeof *time, "ratings", err);
    if (!ptr || !item || !value || (r->time && !time)) {
        rec_ratings_clear(&kept);
        return -1;
    }
    ptr[0] = 0;
    for (size_t u = 0; u < r->n_users; u++) {
        for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++) {
            if (!rec_filter_keeps(filter, r->value[p]))
                continue;
            item[to] = r->item[p];
            value[to] = r->value[p];
            if (time)
                time[to] = r->time[p];
            to++;
        }
        ptr[u + 1] = (int64_t)to;
    }
    kept.nnz = n;
    kept.user_ptr = ptr;
    kept.item = item;
    kept.value = value;
    kept.time = time;
    kept.users = (struct rec_ids){.bytes = r->users.bytes, .offset = r->users.offset, .n = r->users.n};
    kept.items = (struct rec_ids){.bytes = r->items.bytes, .offset = r->items.offset, .n = r->items.n};
    *out = kept;
    return 0;
}
