/* SPDX-License-Identifier: MIT
 *
 * What a visitor has, from text: CSV lines of an item, or of an item and a rating.
 */
#include <rec/score.h>

/* One line: where it stands decides which rating of an item is the last. */
struct said {
    int32_t item;
    float value;
    size_t place;
};

struct reading {
    struct said *said;
    size_t n, cap;
};

static int ascending(const void *a, const void *b)
{
    const struct said *x = a, *y = b;

    return x->item != y->item ? (x->item > y->item) - (x->item < y->item) : (x->place > y->place) - (x->place < y->place);
}

/* Whether a first line is a header: its first word names a column of items. */
static bool is_header(const struct rec_csv *csv)
{
    static const char *const names[] = {"item", "itemid", "item_id", "movie", "movieid", "movie_id", "product", "productid"};
    char word[16];
    size_t n = csv->field[0].len;

    if (n >= sizeof word)
        return false;
    for (size_t i = 0; i < n; i++)
        word[i] = csv->field[0].text[i] >= 'A' && csv->field[0].text[i] <= 'Z' ? (char)(csv->field[0].text[i] + 'a' - 'A') : csv->field[0].text[i];
    word[n] = 0;
    for (size_t i = 0; i < REC_LENGTH(names); i++)
        if (strcmp(word, names[i]) == 0)
            return true;
    return false;
}

static int add(struct rec_visitor_items *out, struct reading *r, const struct rec_csv *csv, const struct rec_model *m, struct rec_err *err)
{
    const struct rec_csv_field *id = &csv->field[0], *rating = csv->n > 1 ? &csv->field[1] : NULL;
    int32_t item = rec_ids_find(&m->items, id->text, id->len);
    double value = m->ratings_scale ? m->high : 1;

    if (rating && rating->len > 0 && (rec_num_double(&value, rating->text, rating->len) < 0 || !(value >= -1e6 && value <= 1e6)))
        return rec_err_set(err, "%s:%llu: rating '%.*s' is not a number within 1e6 of 0", csv->name, (unsigned long long)csv->line,
                           rating->len < 40 ? (int)rating->len : 40, rating->text);
    if (item < 0) {
        if (out->unknown++ == 0)
            snprintf(out->first_unknown, sizeof out->first_unknown, "%.*s", id->len < 60 ? (int)id->len : 60, id->text);
        return 0;
    }
    if (r->n == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 64;
        if (rec_realloc(&r->said, cap, sizeof *r->said, "items", err) < 0)
            return -1;
        r->cap = cap;
    }
    r->said[r->n] = (struct said){item, (float)value, r->n};
    r->n++;
    return 0;
}

/* Ascending, of each item what was said last. */
static int arrange(struct rec_visitor_items *out, struct reading *r, struct rec_err *err)
{
    out->item = rec_malloc(r->n, sizeof *out->item, "items", err);
    out->value = rec_malloc(r->n, sizeof *out->value, "items", err);
    if (!out->item || !out->value)
        return -1;
    if (r->n)
        qsort(r->said, r->n, sizeof *r->said, ascending);
    for (size_t i = 0; i < r->n; i++) {
        if (i + 1 < r->n && r->said[i + 1].item == r->said[i].item)
            continue;
        out->item[out->n] = r->said[i].item;
        out->value[out->n++] = r->said[i].value;
    }
    return 0;
}

int rec_visitor_read(struct rec_visitor_items *out, const char *path, const struct rec_model *model, struct rec_err *err)
{
    static const struct rec_csv_dialect dialect = {.delimiter = ",", .delimiter_len = 1, .quotes = true};
    struct reading r = {0};
    struct rec_csv csv;
    int status, rc = -1;

    *out = (struct rec_visitor_items){0};
    if (rec_csv_open(&csv, path, &dialect, err) < 0)
        return -1;
    for (bool first = true; (status = rec_csv_next(&csv, err)) == REC_CSV_RECORD; first = false) {
        if ((first && is_header(&csv)) || (csv.n == 1 && csv.field[0].len == 0))
            continue;
        if (add(out, &r, &csv, model, err) < 0)
            goto out;
    }
    if (status == REC_CSV_BAD)
        rec_csv_complain(err, &csv);
    else if (status == REC_CSV_END)
        rc = arrange(out, &r, err);
out:
    rec_csv_close(&csv);
    free(r.said);
    if (rc < 0)
        rec_visitor_clear(out);
    return rc;
}

void rec_visitor_clear(struct rec_visitor_items *items)
{
    free(items->item);
    free(items->value);
    *items = (struct rec_visitor_items){0};
}
