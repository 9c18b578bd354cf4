/* SPDX-License-Identifier: MIT
 *
 * The rec.features/1 file (rec-format(5)), and features as CSV.
 */
#include <rec/data.h>

static int load_table(const float **out, const struct rec_safetensors *file, const char *name, size_t rows,
                      size_t columns, struct rec_err *err)
{
    uint64_t shape[2];

    if (!(*out = rec_safetensors_get(file, name, REC_F32, 2, shape, err)))
        return -1;
    if (shape[0] != rows || shape[1] != columns)
        return rec_err_set(err, "%s: tensor %s has %llu x %llu elements, not %zu x %zu", file->name, name,
                           (unsigned long long)shape[0], (unsigned long long)shape[1], rows, columns);
    return rec_safetensors_finite(file, name, *out, rows * columns, err);
}

static int load_vector(const float **out, const struct rec_safetensors *file, const char *name, size_t want,
                       struct rec_err *err)
{
    uint64_t n;

    if (!(*out = rec_safetensors_get(file, name, REC_F32, 1, &n, err)))
        return -1;
    if (n != want)
        return rec_err_set(err, "%s: tensor %s has %llu elements, not %zu", file->name, name, (unsigned long long)n,
                           want);
    return rec_safetensors_finite(file, name, *out, want, err);
}

static int load_titles(struct rec_features *f, struct rec_err *err)
{
    const struct rec_safetensors *file = &f->file;
    size_t nnz;

    if (!rec_safetensors_find(file, "title_ptr"))
        return 0;
    if (rec_ids_load(&f->terms, file, "terms", err) < 0 ||
        rec_csr_load(file, "title_ptr", "title_term", f->items.n, f->terms.n, &f->title_ptr, &f->title_term, &nnz,
                     err) < 0)
        return -1;
    if (load_vector(&f->term_idf, file, "term_idf", f->terms.n, err) < 0)
        return -1;
    return load_vector(&f->title_weight, file, "title_weight", nnz, err);
}

static int load_all(struct rec_features *f, struct rec_err *err)
{
    const struct rec_safetensors *file = &f->file;
    const char *history;

    if (rec_safetensors_expect(file, "rec.features", 1, err) < 0 || rec_ids_load(&f->items, file, "items", err) < 0 ||
        rec_ids_load(&f->users, file, "users", err) < 0 ||
        rec_ids_load(&f->item_columns, file, "item_columns", err) < 0 ||
        rec_ids_load(&f->user_columns, file, "user_columns", err) < 0)
        return -1;
    if (load_table(&f->item_dense, file, "item_dense", f->items.n, f->item_columns.n, err) < 0 ||
        load_table(&f->user_dense, file, "user_dense", f->users.n, f->user_columns.n, err) < 0 ||
        load_titles(f, err) < 0)
        return -1;
    history = rec_safetensors_meta(file, "history");
    f->history = strdup(history ? history : "");
    f->digest = file->crc32c;
    return f->history ? 0 : rec_err_memory(err, file->name);
}

int rec_features_file_load(struct rec_features *f, struct rec_safetensors *file, struct rec_err *err)
{
    *f = (struct rec_features){.file = *file};
    *file = (struct rec_safetensors){0};
    if (load_all(f, err) < 0) {
        rec_features_clear(f);
        return -1;
    }
    return 0;
}

int rec_features_file_read(struct rec_features *f, const char *path, struct rec_err *err)
{
    struct rec_safetensors file;

    *f = (struct rec_features){.history = NULL};
    if (rec_safetensors_open(&file, path, err) < 0)
        return -1;
    return rec_features_file_load(f, &file, err);
}

int rec_features_file_write(const struct rec_features *f, const char *history, struct rec_out *out, struct rec_err *err)
{
    struct rec_safetensors_out file = {0};
    int rc;

    rec_safetensors_put_meta(&file, "format", "rec.features/1");
    if (history && history[0])
        rec_safetensors_put_meta(&file, "history", history);
    rec_ids_put(&file, "items", &f->items);
    rec_ids_put(&file, "users", &f->users);
    rec_ids_put(&file, "item_columns", &f->item_columns);
    rec_ids_put(&file, "user_columns", &f->user_columns);
    rec_safetensors_put(&file, "item_dense", REC_F32, 2, (uint64_t[]){f->items.n, f->item_columns.n}, f->item_dense);
    rec_safetensors_put(&file, "user_dense", REC_F32, 2, (uint64_t[]){f->users.n, f->user_columns.n}, f->user_dense);
    if (f->title_ptr) {
        uint64_t nnz = (uint64_t)f->title_ptr[f->items.n];

        rec_ids_put(&file, "terms", &f->terms);
        rec_safetensors_put(&file, "term_idf", REC_F32, 1, (uint64_t[]){f->terms.n}, f->term_idf);
        rec_safetensors_put(&file, "title_ptr", REC_I64, 1, (uint64_t[]){f->items.n + 1}, f->title_ptr);
        rec_safetensors_put(&file, "title_term", REC_I32, 1, &nnz, f->title_term);
        rec_safetensors_put(&file, "title_weight", REC_F32, 1, &nnz, f->title_weight);
    }
    rc = rec_safetensors_write(&file, out, err);
    rec_safetensors_out_clear(&file);
    return rc;
}

static int end_line(struct rec_buf *line, struct rec_out *out, struct rec_err *err)
{
    int rc;

    rec_buf_addc(line, '\n');
    rc = line->failed ? rec_err_memory(err, "features") : rec_out_write(out, line->data, line->len, err);
    rec_buf_reset(line);
    return rc;
}

int rec_features_file_csv(const struct rec_features *f, bool users, char delimiter, bool header, struct rec_out *out,
                          struct rec_err *err)
{
    const struct rec_ids *rows = users ? &f->users : &f->items, *columns = users ? &f->user_columns : &f->item_columns;
    const float *cell = users ? f->user_dense : f->item_dense;
    struct rec_buf line = {0};
    char number[REC_NUM_MAX];
    const char *text;
    size_t len;
    int rc = 0;

    if (header) {
        rec_csv_add(&line, delimiter, "id", 2);
        for (size_t k = 0; k < columns->n; k++) {
            text = rec_ids_get(columns, k, &len);
            rec_csv_add(&line, delimiter, text, len);
        }
        rc = end_line(&line, out, err);
    }
    for (size_t i = 0; rc == 0 && i < rows->n; i++) {
        text = rec_ids_get(rows, i, &len);
        rec_csv_add(&line, delimiter, text, len);
        for (size_t k = 0; k < columns->n; k++) {
            rec_buf_addc(&line, delimiter);
            rec_buf_add(&line, number, rec_num_print_float(number, *cell++));
        }
        rc = end_line(&line, out, err);
    }
    rec_buf_clear(&line);
    return rc;
}
