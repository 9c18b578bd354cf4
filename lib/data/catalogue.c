/* SPDX-License-Identifier: MIT
 *
 * The rec.catalogue/1 file (rec-format(5)): titles, years and genres of items.
 */
#include <rec/data.h>

const char *rec_catalogue_title(const struct rec_catalogue *c, size_t i, size_t *len)
{
    *len = (size_t)(c->title_offset[i + 1] - c->title_offset[i]);
    return c->title + c->title_offset[i];
}

static int check_title(const struct rec_catalogue *c, size_t i, struct rec_err *err)
{
    size_t len;
    const char *title = rec_catalogue_title(c, i, &len);

    for (size_t j = 0; j < len; j++)
        if ((unsigned char)title[j] < 0x20 || title[j] == 0x7f)
            return rec_err_set(err, "%s: tensor title.bytes: title %zu holds a control character", c->file.name, i);
    if (!rec_json_utf8(title, len))
        return rec_err_set(err, "%s: tensor title.bytes: title %zu is not UTF-8", c->file.name, i);
    return 0;
}

static int load_titles(struct rec_catalogue *c, struct rec_err *err)
{
    uint64_t bytes, n;

    c->title = rec_safetensors_get(&c->file, "title.bytes", REC_U8, 1, &bytes, err);
    c->title_offset = c->title ? rec_safetensors_get(&c->file, "title.offsets", REC_I64, 1, &n, err) : NULL;
    if (!c->title_offset)
        return -1;
    if (n != c->n + 1)
        return rec_err_set(err, "%s: tensor title.offsets has %llu elements, not one more than there are items", c->file.name,
                           (unsigned long long)n);
    if (c->file.verified)
        return 0;
    if (c->title_offset[0] != 0 || c->title_offset[c->n] != (int64_t)bytes)
        return rec_err_set(err, "%s: tensor title.offsets does not go from 0 to the end of title.bytes", c->file.name);
    /* All offsets are looked at before the first byte is. */
    for (size_t i = 0; i < c->n; i++)
        if (c->title_offset[i] > c->title_offset[i + 1])
            return rec_err_set(err, "%s: tensor title.offsets: title %zu ends before it begins", c->file.name, i);
    for (size_t i = 0; i < c->n; i++)
        if (check_title(c, i, err) < 0)
            return -1;
    return 0;
}

static int load_years(struct rec_catalogue *c, struct rec_err *err)
{
    uint64_t n;

    c->year = rec_safetensors_get(&c->file, "year", REC_I32, 1, &n, err);
    if (!c->year)
        return -1;
    if (n != c->n)
        return rec_err_set(err, "%s: tensor year has %llu elements for %zu items", c->file.name, (unsigned long long)n, c->n);
    for (size_t i = 0; i < c->n && !c->file.verified; i++)
        if (c->year[i] < 0 || c->year[i] > 9999)
            return rec_err_set(err, "%s: tensor year: element %zu is no year", c->file.name, i);
    return 0;
}

static int load_all(struct rec_catalogue *c, struct rec_err *err)
{
    const char *history;
    size_t nnz;

    if (rec_safetensors_expect(&c->file, "rec.catalogue", 1, err) < 0 || rec_ids_load(&c->items, &c->file, "items", err) < 0 ||
        rec_ids_load(&c->genres, &c->file, "genres", err) < 0)
        return -1;
    c->n = c->items.n;
    if (load_titles(c, err) < 0 || load_years(c, err) < 0 ||
        rec_csr_load(&c->file, "genre_ptr", "genre", c->n, c->genres.n, &c->genre_ptr, &c->genre, &nnz, err) < 0)
        return -1;
    history = rec_safetensors_meta(&c->file, "history");
    c->history = strdup(history ? history : "");
    c->digest = c->file.crc32c;
    return c->history ? 0 : rec_err_memory(err, c->file.name);
}

int rec_catalogue_load(struct rec_catalogue *c, struct rec_safetensors *file, struct rec_err *err)
{
    *c = (struct rec_catalogue){.file = *file};
    *file = (struct rec_safetensors){0};
    if (load_all(c, err) < 0) {
        rec_catalogue_clear(c);
        return -1;
    }
    return 0;
}

int rec_catalogue_read(struct rec_catalogue *c, const char *path, struct rec_err *err)
{
    struct rec_safetensors file;

    *c = (struct rec_catalogue){0};
    if (rec_safetensors_open(&file, path, err) < 0)
        return -1;
    return rec_catalogue_load(c, &file, err);
}

int rec_catalogue_write(const struct rec_catalogue *c, const char *history, struct rec_out *out, struct rec_err *err)
{
    struct rec_safetensors_out file = {0};
    int status;

    rec_safetensors_put_meta(&file, "format", "rec.catalogue/1");
    if (history && *history)
        rec_safetensors_put_meta(&file, "history", history);
    rec_ids_put(&file, "items", &c->items);
    rec_ids_put(&file, "genres", &c->genres);
    rec_safetensors_put(&file, "title.bytes", REC_U8, 1, (uint64_t[]){(uint64_t)c->title_offset[c->n]}, c->title);
    rec_safetensors_put(&file, "title.offsets", REC_I64, 1, (uint64_t[]){c->n + 1}, c->title_offset);
    rec_safetensors_put(&file, "year", REC_I32, 1, (uint64_t[]){c->n}, c->year);
    rec_safetensors_put(&file, "genre_ptr", REC_I64, 1, (uint64_t[]){c->n + 1}, c->genre_ptr);
    rec_safetensors_put(&file, "genre", REC_I32, 1, (uint64_t[]){(uint64_t)c->genre_ptr[c->n]}, c->genre);
    status = rec_safetensors_write(&file, out, err);
    rec_safetensors_out_clear(&file);
    return status;
}

void rec_catalogue_clear(struct rec_catalogue *c)
{
    for (size_t i = 0; i < REC_LENGTH(c->owned); i++)
        free(c->owned[i]);
    rec_ids_clear(&c->items);
    rec_ids_clear(&c->genres);
    free(c->history);
    rec_safetensors_close(&c->file);
    *c = (struct rec_catalogue){0};
}
