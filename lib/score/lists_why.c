/* SPDX-License-Identifier: MIT
 *
 * What a score is made of, beside it in a list: the items of the history that say most, and the rest.
 */
#include "lists_priv.h"

#include <math.h>
#include <stdlib.h>

struct share {
    size_t place;
    float part;
};

static int greatest_first(const void *a, const void *b)
{
    const struct share *x = a, *y = b;
    float p = fabsf(x->part), q = fabsf(y->part);

    return p != q ? (p < q) - (p > q) : (x->place > y->place) - (x->place < y->place);
}

/* The shares to be named, greatest first; what is not named joins the rest. */
static struct share *choose(size_t *n, double *rest, const struct rec_lists_why *why, size_t r)
{
    struct share *share = malloc((why->n ? why->n : 1) * sizeof *share);
    const float *part = why->part + r * why->n;

    *n = 0;
    *rest = why->rest[r];
    if (!share)
        return NULL;
    for (size_t j = 0; j < why->n; j++)
        if (part[j] != 0)
            share[(*n)++] = (struct share){j, part[j]};
    if (*n > 0)
        qsort(share, *n, sizeof *share, greatest_first);
    for (size_t j = why->most; j < *n; j++)
        *rest += share[j].part;
    *n = *n < why->most ? *n : why->most;
    return share;
}

static void add_number(struct rec_buf *buf, float value)
{
    char text[REC_NUM_MAX];

    rec_buf_add(buf, text, rec_num_print_float(text, value));
}

/* ,"50:0.31|172:0.12",0.04 */
void rec_lists_why_csv(struct rec_lists *lists, const struct rec_lists_why *why, size_t r)
{
    struct rec_buf cell = {0};
    size_t n, len;
    double rest;
    struct share *share = choose(&n, &rest, why, r);

    for (size_t j = 0; share && j < n; j++) {
        const char *id = rec_ids_get(lists->items, (size_t)why->item[share[j].place], &len);
        if (j > 0)
            rec_buf_addc(&cell, '|');
        rec_buf_add(&cell, id, len);
        rec_buf_addc(&cell, ':');
        add_number(&cell, share[j].part);
    }
    rec_csv_add(&lists->buf, ',', cell.data ? cell.data : "", cell.len);
    rec_buf_addc(&lists->buf, ',');
    add_number(&lists->buf, (float)rest);
    lists->buf.failed |= cell.failed || !share;
    rec_buf_clear(&cell);
    free(share);
}

static double printed(float value)
{
    char text[REC_NUM_MAX];
    double d = value;

    return rec_num_double(&d, text, rec_num_print_float(text, value)) < 0 ? value : d;
}

static const char *title(const struct rec_lists *lists, int32_t item, size_t *len)
{
    int32_t e = lists->labels ? lists->labels->entry[item] : -1;

    return e < 0 ? NULL : rec_catalogue_title(&lists->labels->catalogue, (size_t)e, len);
}

/* "because":[{"item":"50","title":"Star Wars (1977)","contribution":0.31}],"rest":0.04 */
void rec_lists_why_json(struct rec_json *json, struct rec_lists *lists, const struct rec_lists_why *why, size_t r)
{
    size_t n, len;
    double rest;
    struct share *share = choose(&n, &rest, why, r);

    rec_json_array(json, "because");
    for (size_t j = 0; share && j < n; j++) {
        int32_t item = why->item[share[j].place];
        const char *text = rec_ids_get(lists->items, (size_t)item, &len);
        rec_json_object(json, NULL);
        rec_json_text(json, lists->answer, text, len);
        text = title(lists, item, &len);
        if (text)
            rec_json_text(json, "title", text, len);
        rec_json_real(json, "contribution", printed(share[j].part));
        rec_json_end(json);
    }
    rec_json_end(json);
    rec_json_real(json, "rest", printed((float)rest));
    lists->buf.failed |= !share;
    free(share);
}

/* A line for each below the item, set in. */
void rec_lists_why_table(struct rec_lists *lists, const struct rec_lists_why *why, size_t r)
{
    size_t n, len;
    double rest;
    struct share *share = choose(&n, &rest, why, r);

    for (size_t j = 0; share && j < n; j++) {
        int32_t item = why->item[share[j].place];
        const char *id = rec_ids_get(lists->items, (size_t)item, &len);
        rec_buf_addf(&lists->buf, "      %9.4f  %-6.*s", (double)share[j].part, (int)len, id);
        id = title(lists, item, &len);
        if (id)
            rec_buf_addf(&lists->buf, "  %.*s", (int)len, id);
        while (lists->buf.len > 0 && lists->buf.data[lists->buf.len - 1] == ' ')
            lists->buf.data[--lists->buf.len] = 0;
        rec_buf_addc(&lists->buf, '\n');
    }
    rec_buf_addf(&lists->buf, "      %9.4f  the rest\n", rest);
    lists->buf.failed |= !share;
    free(share);
}
