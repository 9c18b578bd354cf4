/* SPDX-License-Identifier: MIT
 *
 * The best model of a training, kept while training goes on: the arrays of struct rec_model that a pass may change.
 */
#include <rec/tune.h>

#include <stddef.h>

/* What an array has as many elements of as: */
enum length { USERS, ITEMS, USERS_F, ITEMS_F, USERS_1, ITEMS_1, OF_LINKS, OF_NEAR };

/* In an order in which the pointers of sparse rows come before what they point into. */
static const struct {
    const char *name;
    size_t offset, size;
    enum length length;
} arrays[REC_BEST_ARRAYS] = {
    {"best.user_factors", offsetof(struct rec_model, user_factors), sizeof(float), USERS_F},
    {"best.item_factors", offsetof(struct rec_model, item_factors), sizeof(float), ITEMS_F},
    {"best.history_factors", offsetof(struct rec_model, history_factors), sizeof(float), ITEMS_F},
    {"best.user_bias", offsetof(struct rec_model, user_bias), sizeof(float), USERS},
    {"best.item_bias", offsetof(struct rec_model, item_bias), sizeof(float), ITEMS},
    {"best.link_ptr", offsetof(struct rec_model, link_ptr), sizeof(int64_t), ITEMS_1},
    {"best.link_item", offsetof(struct rec_model, link_item), sizeof(int32_t), OF_LINKS},
    {"best.link_weight", offsetof(struct rec_model, link_weight), sizeof(float), OF_LINKS},
    {"best.near_ptr", offsetof(struct rec_model, near_ptr), sizeof(int64_t), USERS_1},
    {"best.near_user", offsetof(struct rec_model, near_user), sizeof(int32_t), OF_NEAR},
    {"best.near_weight", offsetof(struct rec_model, near_weight), sizeof(float), OF_NEAR},
};

static const void **place(struct rec_model *m, size_t i)
{
    return (const void **)(void *)((char *)m + arrays[i].offset);
}

static size_t bytes(const struct rec_model *m, size_t i)
{
    switch (arrays[i].length) {
    case USERS: return m->n_users * arrays[i].size;
    case ITEMS: return m->n_items * arrays[i].size;
    case USERS_1: return (m->n_users + 1) * arrays[i].size;
    case ITEMS_1: return (m->n_items + 1) * arrays[i].size;
    case USERS_F: return m->n_users * m->factors * arrays[i].size;
    case ITEMS_F: return m->n_items * m->factors * arrays[i].size;
    case OF_LINKS: return m->link_ptr ? (size_t)m->link_ptr[m->n_items] * arrays[i].size : 0;
    case OF_NEAR: return m->near_ptr ? (size_t)m->near_ptr[m->n_users] * arrays[i].size : 0;
    }
    return 0;
}

static int keep_array(struct rec_best *best, size_t i, const void *from, size_t size, struct rec_err *err)
{
    if (!from) {
        free(best->array[i]);
        best->array[i] = NULL;
        best->size[i] = 0;
        return 0;
    }
    if ((!best->array[i] || best->size[i] != size) && rec_realloc(&best->array[i], size + 1, 1, "best model", err) < 0)
        return -1;
    best->size[i] = size;
    memcpy(best->array[i], from, size);
    return 0;
}

int rec_best_keep(struct rec_best *best, const struct rec_model *model, struct rec_err *err)
{
    struct rec_model m = *model;

    best->number[0] = m.mean;
    best->number[1] = m.low;
    best->number[2] = m.high;
    best->number[3] = m.spread;
    best->number[4] = m.history_exponent;
    best->number[5] = (double)m.factors;
    for (size_t i = 0; i < REC_BEST_ARRAYS; i++)
        if (keep_array(best, i, *place(&m, i), bytes(&m, i), err) < 0)
            return -1;
    return 0;
}

void rec_best_use(struct rec_model *model, const struct rec_best *best)
{
    model->mean = best->number[0];
    model->low = best->number[1];
    model->high = best->number[2];
    model->spread = best->number[3];
    model->history_exponent = best->number[4];
    model->factors = (size_t)best->number[5];
    for (size_t i = 0; i < REC_BEST_ARRAYS; i++)
        *place(model, i) = best->array[i];
}

size_t rec_best_parts(struct rec_train_part *part, const struct rec_best *best)
{
    struct rec_best *b = (struct rec_best *)best;
    size_t n = 0;

    part[n++] = (struct rec_train_part){"best.numbers", b->number, sizeof b->number};
    for (size_t i = 0; i < REC_BEST_ARRAYS; i++)
        if (b->array[i])
            part[n++] = (struct rec_train_part){arrays[i].name, b->array[i], b->size[i]};
    return n;
}

int rec_best_restore(struct rec_best *best, const struct rec_train_part *part, size_t n, struct rec_err *err)
{
    for (size_t p = 0; p < n; p++) {
        if (!strcmp(part[p].name, "best.numbers") && part[p].size == sizeof best->number)
            memcpy(best->number, part[p].data, sizeof best->number);
        for (size_t i = 0; i < REC_BEST_ARRAYS; i++)
            if (!strcmp(part[p].name, arrays[i].name) && keep_array(best, i, part[p].data, part[p].size, err) < 0)
                return -1;
    }
    return 0;
}

bool rec_best_fits(const struct rec_best *best, const struct rec_model *model)
{
    struct rec_model m = *model;

    if (best->number[5] != (double)model->factors)
        return false;
    rec_best_use(&m, best);
    for (size_t i = 0; i < REC_BEST_ARRAYS; i++)
        if (best->array[i] && (bytes(&m, i) != best->size[i] || (*place((struct rec_model *)model, i) == NULL)))
            return false;
    return true;
}

void rec_best_clear(struct rec_best *best)
{
    for (size_t i = 0; i < REC_BEST_ARRAYS; i++)
        free(best->array[i]);
    *best = (struct rec_best){0};
}
