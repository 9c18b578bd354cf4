/* SPDX-License-Identifier: MIT
 *
 * The rec.ratings/1 file (rec-format(5)): ratings as compressed sparse rows by user, with their id tables.
 *
 * Arrays are used where the file is mapped; reading costs one pass over them, for the checks.
 */
#include <rec/data.h>

static int load_values(struct rec_ratings *r, struct rec_err *err)
{
    const struct rec_safetensors *file = &r->file;
    uint64_t n;
    r->value = rec_safetensors_get(file, "value", REC_F32, 1, &n, err);
    if (r->value == NULL)
        return -1;
    if (n != r->nnz)
        return rec_err_set(err, "%s: tensor value has %llu elements, item %zu", file->name, (unsigned long long)n, r->nnz);
    if (rec_safetensors_finite(file, "value", r->value, r->nnz, err) < 0)
        return -1;
    if (rec_safetensors_find(file, "time") == NULL)
        return 0;
    r->time = rec_safetensors_get(file, "time", REC_I64, 1, &n, err);
    if (r->time == NULL)
        return -1;
    if (n != r->nnz)
        return rec_err_set(err, "%s: tensor time has %llu elements, item %zu", file->name, (unsigned long long)n, r->nnz);
    return 0;
}

static int load_all(struct rec_ratings *r, struct rec_err *err)
{
    const char *history;
    if (rec_safetensors_expect(&r->file, "rec.ratings", 1, err) < 0 || rec_ids_load(&r->users, &r->file, "users", err) < 0 ||
        rec_ids_load(&r->items, &r->file, "items", err) < 0)
        return -1;
    r->n_users = r->users.n;
    r->n_items = r->items.n;
    if (rec_csr_load(&r->file, "user_ptr", "item", r->n_users, r->n_items, &r->user_ptr, &r->item, &r->nnz, err) < 0 ||
        load_values(r, err) < 0)
        return -1;
    history = rec_safetensors_meta(&r->file, "history");
    r->history = strdup(history ? history : "");
    r->digest = r->file.crc32c;
    return r->history ? 0 : rec_err_memory(err, r->file.name);
}

int rec_ratings_load(struct rec_ratings *r, struct rec_safetensors *file, struct rec_err *err)
{
    *r = (struct rec_ratings){.file = *file};
    *file = (struct rec_safetensors){0};
    if (load_all(r, err) < 0) {
        rec_ratings_clear(r);
        return -1;
    }
    return 0;
}

int rec_ratings_read(struct rec_ratings *r, const char *path, struct rec_err *err)
{
    struct rec_safetensors file;
    *r = (struct rec_ratings){0};
    if (rec_safetensors_open(&file, path, err) < 0)
        return -1;
    return rec_ratings_load(r, &file, err);
}

int rec_ratings_write(const struct rec_ratings *r, const char *history, struct rec_out *out, struct rec_err *err)
{
    struct rec_safetensors_out file = {0};
    int result;
    rec_safetensors_put_meta(&file, "format", "rec.ratings/1");
    if (history != NULL && history[0] != '\0')
        rec_safetensors_put_meta(&file, "history", history);
    rec_safetensors_put(&file, "user_ptr", REC_I64, 1, (uint64_t[]){r->n_users + 1}, r->user_ptr);
    rec_safetensors_put(&file, "item", REC_I32, 1, (uint64_t[]){r->nnz}, r->item);
    rec_safetensors_put(&file, "value", REC_F32, 1, (uint64_t[]){r->nnz}, r->value);
    if (r->time != NULL)
        rec_safetensors_put(&file, "time", REC_I64, 1, (uint64_t[]){r->nnz}, r->time);
    rec_ids_put(&file, "users", &r->users);
    rec_ids_put(&file, "items", &r->items);
    result = rec_safetensors_write(&file, out, err);
    rec_safetensors_out_clear(&file);
    return result;
}

void rec_ratings_clear(struct rec_ratings *r)
{
    for (size_t i = 0; i < REC_LENGTH(r->owned); i++)
        free(r->owned[i]);
    rec_ids_clear(&r->users);
    rec_ids_clear(&r->items);
    free(r->history);
    rec_safetensors_close(&r->file);
    *r = (struct rec_ratings){0};
}
