/* SPDX-License-Identifier: MIT
 *
 * What a catalogue says of a model's items: the two are joined by id once, and then titles are at hand by item number, and items
 * can be allowed by genre and year. */
#include <rec/score.h>

#include <strings.h>

int rec_labels_open(struct rec_labels *labels, const char *path, const struct rec_ids *items, struct rec_err *err)
{
    struct rec_safetensors file;

    *labels = (struct rec_labels){.n_items = 0};
    if (rec_safetensors_open(&file, path, err) < 0 || rec_labels_load(labels, &file, items, err) < 0)
        return -1;
    if (rec_labels_join(labels, items, err) < 0) {
        rec_labels_clear(labels);
        return -1;
    }
    return 0;
}

int rec_labels_load(struct rec_labels *labels, struct rec_safetensors *file, const struct rec_ids *items, struct rec_err *err)
{
    *labels = (struct rec_labels){.n_items = items->n};
    return rec_catalogue_load(&labels->catalogue, file, err);
}

int rec_labels_join(struct rec_labels *labels, const struct rec_ids *items, struct rec_err *err)
{
    labels->entry = rec_malloc(items->n, sizeof *labels->entry, "catalogue", err);
    if (!labels->entry)
        return -1;
    labels->n_known = rec_ids_join(labels->entry, items, &labels->catalogue.items);
    return 0;
}

int32_t rec_labels_entry(const struct rec_labels *labels, const struct rec_ids *items, size_t item)
{
    size_t len;
    const char *id = rec_ids_get(items, item, &len);

    return rec_ids_find(&labels->catalogue.items, id, len);
}

void rec_labels_clear(struct rec_labels *labels)
{
    rec_catalogue_clear(&labels->catalogue);
    free(labels->entry);
    free(labels->allowed);
    *labels = (struct rec_labels){0};
}

static int read_year(int32_t *year, const char *text, size_t len)
{
    int64_t value;

    if (rec_num_int64(&value, text, len) < 0 || value < 1 || value > 9999)
        return -1;
    *year = (int32_t)value;
    return 0;
}

int rec_labels_years(int32_t *from, int32_t *to, const char *text, struct rec_err *err)
{
    const char *dots = strstr(text, "..");
    size_t len = dots ? (size_t)(dots - text) : strlen(text);
    const char *end = dots ? dots + 2 : text;
    bool open_from = dots && len == 0, open_to = dots && !*end;

    *from = 1;
    *to = 9999;
    if ((open_from && open_to) || (!open_from && read_year(from, text, len) < 0) ||
        (!open_to && read_year(to, end, strlen(end)) < 0) || *from > *to)
        return rec_err_set(err, "'%s': not a year such as 1994 or 1990..1999", text);
    return 0;
}

/* "there is no genre X; did you mean Y?" */
static int no_genre(const struct rec_ids *genres, const char *name, struct rec_err *err)
{
    const char *names[256];
    char *copy = NULL;
    const char *near = NULL;
    size_t n = genres->n < REC_LENGTH(names) ? genres->n : 0, at = 0;

    // The catalogue's names are not NUL-terminated; the search for a near one wants them so.
    copy = n > 0 ? malloc((size_t)genres->offset[n] + n) : NULL;
    for (size_t g = 0; copy && g < n; g++) {
        size_t len;
        const char *text = rec_ids_get(genres, g, &len);
        names[g] = memcpy(copy + at, text, len);
        copy[at + len] = 0;
        at += len + 1;
    }
    if (copy)
        near = rec_opt_nearest(name, names, n);
    if (near)
        rec_err_set(err, "genre '%s': the catalogue has none of that name; did you mean '%s'?", name, near);
    else
        rec_err_set(err, "genre '%s': the catalogue has none of that name", name);
    free(copy);
    return -1;
}

static int32_t find_genre(const struct rec_ids *genres, const char *name)
{
    for (size_t g = 0; g < genres->n; g++) {
        size_t len;
        const char *text = rec_ids_get(genres, g, &len);
        if (strlen(name) == len && strncasecmp(name, text, len) == 0)
            return (int32_t)g;
    }
    return -1;
}

/* Marks the entries of the catalogue that are of one of these genres. */
static int mark_genres(uint8_t *wanted, const struct rec_catalogue *c, const char *const *genre, size_t n, struct rec_err *err)
{
    memset(wanted, n == 0, c->n);
    for (size_t i = 0; i < n; i++) {
        int32_t number = find_genre(&c->genres, genre[i]);
        if (number < 0)
            return no_genre(&c->genres, genre[i], err);
        for (size_t e = 0; e < c->n; e++)
            for (int64_t p = c->genre_ptr[e]; p < c->genre_ptr[e + 1]; p++)
                wanted[e] |= c->genre[p] == number;
    }
    return 0;
}

int rec_labels_entries(uint8_t *wanted, const struct rec_catalogue *c, const char *const *genre, size_t n_genres, int32_t from, int32_t to,
                       struct rec_err *err)
{
    if (mark_genres(wanted, c, genre, n_genres, err) < 0)
        return -1;
    for (size_t e = 0; from > 0 && e < c->n; e++)
        wanted[e] &= c->year[e] >= from && c->year[e] <= to;
    return 0;
}

int rec_labels_mark(uint8_t *allowed, const struct rec_labels *labels, const char *const *genre, size_t n_genres, int32_t from, int32_t to,
                    struct rec_err *err)
{
    const struct rec_catalogue *c = &labels->catalogue;
    uint8_t *wanted = rec_malloc(c->n, 1, "catalogue", err);

    if (!wanted || rec_labels_entries(wanted, c, genre, n_genres, from, to, err) < 0) {
        free(wanted);
        return -1;
    }
    for (size_t i = 0; i < labels->n_items; i++)
        allowed[i] = labels->entry[i] >= 0 && wanted[labels->entry[i]];
    free(wanted);
    return 0;
}

int rec_labels_allow(struct rec_labels *labels, const char *const *genre, size_t n_genres, int32_t from, int32_t to,
                     struct rec_err *err)
{
    if (!labels->allowed)
        labels->allowed = rec_malloc(labels->n_items, 1, "catalogue", err);
    return labels->allowed ? rec_labels_mark(labels->allowed, labels, genre, n_genres, from, to, err) : -1;
}

int rec_labels_choose(struct rec_labels *labels, const char *const *genre, size_t n_genres, const char *years, struct rec_err *err)
{
    int32_t from = 0, to = 0;

    if (!years && n_genres == 0)
        return 0;
    if (years && rec_labels_years(&from, &to, years, err) < 0)
        return -1;
    return rec_labels_allow(labels, genre, n_genres, from, to, err);
}

bool rec_labels_titled(const struct rec_labels *labels, size_t item, const char *words)
{
    size_t len, n = strlen(words);

    if (labels->entry[item] < 0)
        return false;
    const char *title = rec_catalogue_title(&labels->catalogue, (size_t)labels->entry[item], &len);
    for (size_t at = 0; at + n <= len; at++)
        if (strncasecmp(title + at, words, n) == 0)
            return true;
    return false;
}
