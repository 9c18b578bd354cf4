/* SPDX-License-Identifier: MIT
 *
 * Ratings as text: CSV as MovieLens has it, MatrixMarket (https://math.nist.gov/MatrixMarket/formats.html), and the judgements
 * ("qrels") of TREC.
 *
 * Speed: ids are put into their written form once, ratings are looked up among those written before, and a row is copied
 * together in a block whose room is checked once a row.
 */
#include <rec/data.h>

#include <math.h>

enum { BLOCK = 1 << 18, CACHE = 256 };

struct text {
    struct rec_out *out;
    struct rec_err *err;
    char *block;
    size_t fill, cap, row_max;
    struct {
        uint32_t bits, len;      /* len 0: nothing there yet */
        char text[REC_NUM_MAX];
    } cache[CACHE];
};

/* Ids as they are written, the delimiter after each. */
struct names {
    struct rec_buf bytes;
    size_t *offset;
    size_t longest;
};

static int text_begin(struct text *t, size_t row_max, struct rec_out *out, struct rec_err *err)
{
    *t = (struct text){.out = out, .err = err, .row_max = row_max};
    t->cap = row_max > BLOCK / 2 ? 2 * row_max : BLOCK;
    t->block = rec_malloc(t->cap, 1, out->name, err);
    return t->block ? 0 : -1;
}

/* Room for a row. */
static int text_row(struct text *t)
{
    size_t fill = t->fill;
    if (t->cap - fill >= t->row_max)
        return 0;
    t->fill = 0;
    return rec_out_write(t->out, t->block, fill, t->err);
}

static int text_end(struct text *t, int result)
{
    if (result == 0)
        result = rec_out_write(t->out, t->block, t->fill, t->err);
    free(t->block);
    return result;
}

static void add(struct text *t, const char *text, size_t len)
{
    memcpy(t->block + t->fill, text, len);
    t->fill += len;
}

static void add_name(struct text *t, const struct names *names, size_t i)
{
    add(t, names->bytes.data + names->offset[i], names->offset[i + 1] - names->offset[i]);
}

static void add_int(struct text *t, int64_t value)
{
    t->fill += rec_num_print_int64(t->block + t->fill, value);
}

static void add_value(struct text *t, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    size_t at = bits * 2654435761u >> 24;
    if (t->cache[at].len == 0 || t->cache[at].bits != bits) {
        t->cache[at].bits = bits;
        t->cache[at].len = (uint32_t)rec_num_print_float(t->cache[at].text, value);
    }
    add(t, t->cache[at].text, t->cache[at].len);
}

static void names_clear(struct names *names)
{
    rec_buf_clear(&names->bytes);
    free(names->offset);
}

static int names_make(struct names *names, const struct rec_ids *ids, char delimiter, bool quote, struct rec_err *err)
{
    struct rec_buf one = {0};
    *names = (struct names){0};
    names->offset = rec_calloc(ids->n + 1, sizeof *names->offset, "ids", err);
    if (names->offset == NULL)
        return -1;
    for (size_t i = 0; i < ids->n; i++) {
        size_t len;
        const char *id = rec_ids_get(ids, i, &len);
        rec_buf_reset(&one);
        if (quote)
            rec_csv_add(&one, delimiter, id, len);
        else
            rec_buf_add(&one, id, len);
        rec_buf_add(&names->bytes, one.data, one.len);
        rec_buf_addc(&names->bytes, delimiter);
        names->offset[i + 1] = names->bytes.len;
        len = names->offset[i + 1] - names->offset[i];
        names->longest = len > names->longest ? len : names->longest;
    }
    names->bytes.failed |= one.failed;
    rec_buf_clear(&one);
    return names->bytes.failed ? rec_err_memory(err, "ids") : 0;
}

/* ---- CSV ----------------------------------------------------------------------------------------- */

struct rec_export {
    struct text text;
    struct names users, items;
    char delimiter;
    bool timed;
};

static int csv_head(const char *item, char delimiter, bool timed, struct rec_out *out, struct rec_err *err)
{
    struct rec_buf head = {0};
    int result;
    rec_buf_addf(&head, "userId%c%s%crating", delimiter, item, delimiter);
    if (timed)
        rec_buf_addf(&head, "%ctimestamp", delimiter);
    rec_buf_addc(&head, '\n');
    result = head.failed ? rec_err_memory(err, out->name) : rec_out_write(out, head.data, head.len, err);
    rec_buf_clear(&head);
    return result;
}

int rec_export_begin(struct rec_export **export, const struct rec_ids *users, const struct rec_ids *items, const char *item, char delimiter,
                     bool timed, struct rec_out *out, struct rec_err *err)
{
    struct rec_export *e = rec_calloc(1, sizeof *e, out->name, err);
    *export = e;
    if (e == NULL)
        return -1;
    e->delimiter = delimiter;
    e->timed = timed;
    if (names_make(&e->users, users, delimiter, true, err) < 0 || names_make(&e->items, items, delimiter, true, err) < 0 ||
        (item != NULL && csv_head(item, delimiter, timed, out, err) < 0) ||
        text_begin(&e->text, e->users.longest + e->items.longest + 2 * REC_NUM_MAX + 2, out, err) < 0)
        return rec_export_end(e, -1);
    return 0;
}

static inline int csv_row(struct rec_export *e, size_t u, size_t i, float value, int64_t time)
{
    struct text *t = &e->text;
    if (text_row(t) < 0)
        return -1;
    add_name(t, &e->users, u);
    add_name(t, &e->items, i);
    add_value(t, value);
    if (e->timed) {
        add(t, &e->delimiter, 1);
        add_int(t, time);
    }
    add(t, "\n", 1);
    return 0;
}

int rec_export_row(struct rec_export *e, size_t u, size_t i, float value, int64_t time, struct rec_err *err)
{
    e->text.err = err;
    return csv_row(e, u, i, value, time);
}

int rec_export_end(struct rec_export *e, int result)
{
    if (e == NULL)
        return result;
    if (e->text.block != NULL)
        result = text_end(&e->text, result);
    names_clear(&e->users);
    names_clear(&e->items);
    free(e);
    return result;
}

int rec_export_csv(const struct rec_ratings *r, char delimiter, bool header, struct rec_out *out, struct rec_err *err)
{
    struct rec_export *e;
    int result = 0;
    if (rec_export_begin(&e, &r->users, &r->items, header ? "itemId" : NULL, delimiter, r->time != NULL, out, err) < 0)
        return -1;
    for (size_t u = 0; u < r->n_users; u++)
        for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1] && result == 0; p++)
            result = csv_row(e, u, (size_t)r->item[p], r->value[p], e->timed ? r->time[p] : 0);
    return rec_export_end(e, result);
}

/* ---- MatrixMarket -------------------------------------------------------------------------------- */

static int mtx_rows(struct text *t, const struct rec_ratings *r)
{
    for (size_t u = 0; u < r->n_users; u++)
        for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++) {
            if (text_row(t) < 0)
                return -1;
            add_int(t, (int64_t)u + 1);
            add(t, " ", 1);
            add_int(t, (int64_t)r->item[p] + 1);
            add(t, " ", 1);
            add_value(t, r->value[p]);
            add(t, "\n", 1);
        }
    return 0;
}

int rec_export_mtx(const struct rec_ratings *r, struct rec_out *out, struct rec_err *err)
{
    struct text t;
    char head[128];
    int len = snprintf(head, sizeof head, "%%%%MatrixMarket matrix coordinate real general\n%zu %zu %zu\n", r->n_users, r->n_items,
                       r->nnz);
    if (rec_out_write(out, head, (size_t)len, err) < 0 || text_begin(&t, 4 * REC_NUM_MAX, out, err) < 0)
        return -1;
    return text_end(&t, mtx_rows(&t, r));
}

/* ---- TREC ---------------------------------------------------------------------------------------- */

/* Words of a qrels line are parted by blanks, so that an id cannot hold one. */
static int check_words(const struct rec_ids *ids, struct rec_err *err)
{
    for (size_t i = 0; i < ids->n; i++) {
        size_t len;
        const char *id = rec_ids_get(ids, i, &len);
        for (size_t k = 0; k < len; k++)
            if ((unsigned char)id[k] <= ' ')
                return rec_err_set(err, "id %.*s: holds a blank, which TREC's formats cannot carry", len > 64 ? 64 : (int)len, id);
    }
    return 0;
}

static int qrels_rows(struct text *t, const struct rec_ratings *r, const struct names *users, const struct names *items)
{
    for (size_t u = 0; u < r->n_users; u++)
        for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++) {
            float value = r->value[p];
            if (value != truncf(value) || fabsf(value) > 1e6f)
                return rec_err_set(t->err, "rating %zu is %g, and a relevance of TREC is a whole number", (size_t)p + 1, (double)value);
            if (text_row(t) < 0)
                return -1;
            add_name(t, users, u);
            add(t, "0 ", 2);
            add_name(t, items, (size_t)r->item[p]);
            add_int(t, (int64_t)value);
            add(t, "\n", 1);
        }
    return 0;
}

int rec_export_qrels(const struct rec_ratings *r, struct rec_out *out, struct rec_err *err)
{
    struct names users = {0}, items = {0};
    struct text t;
    int result = -1;
    if (check_words(&r->users, err) < 0 || check_words(&r->items, err) < 0 ||
        names_make(&users, &r->users, ' ', false, err) < 0 || names_make(&items, &r->items, ' ', false, err) < 0 ||
        text_begin(&t, users.longest + items.longest + REC_NUM_MAX + 8, out, err) < 0)
        goto out;
    result = text_end(&t, qrels_rows(&t, r, &users, &items));
out:
    names_clear(&users);
    names_clear(&items);
    return result;
}

/* ---- ids ----------------------------------------------------------------------------------------- */

int rec_export_ids(const struct rec_ids *ids, struct rec_out *out, struct rec_err *err)
{
    for (size_t i = 0; i < ids->n; i++) {
        size_t len;
        const char *id = rec_ids_get(ids, i, &len);
        if (memchr(id, '\n', len) != NULL)
            return rec_err_set(err, "id %zu: holds a line break", i);
        if (rec_out_write(out, id, len, err) < 0 || rec_out_write(out, "\n", 1, err) < 0)
            return -1;
    }
    return 0;
}
