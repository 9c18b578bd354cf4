/* SPDX-License-Identifier: MIT
 *
 * The rec.model file (rec-format(5)): the tensors that score, the id tables, what each user has seen. Version 2 is written only for a model
 * that has links, neighbours or factors of histories: a reader of version 1 would leave them out of the score.
 */
#include <rec/score.h>

#include <inttypes.h>

/* ---- reading ------------------------------------------------------------------------------------- */

/* An optional tensor of n finite numbers. */
static int load_vector(const struct rec_model *m, const char *name, size_t n, const float **out, struct rec_err *err)
{
    uint64_t shape;
    *out = NULL;
    if (rec_safetensors_find(&m->file, name) == NULL)
        return 0;
    *out = rec_safetensors_get(&m->file, name, REC_F32, 1, &shape, err);
    if (*out == NULL)
        return -1;
    if (shape != n)
        return rec_err_set(err, "%s: tensor %s has %" PRIu64 " elements for %zu ids", m->file.name, name, shape, n);
    return rec_safetensors_finite(&m->file, name, *out, n, err);
}

static int load_matrix(const struct rec_model *m, const char *name, size_t n, const float **out, size_t *factors,
                       struct rec_err *err)
{
    uint64_t shape[2];
    *out = rec_safetensors_get(&m->file, name, REC_F32, 2, shape, err);
    if (*out == NULL)
        return -1;
    if (shape[0] != n)
        return rec_err_set(err, "%s: tensor %s has %" PRIu64 " rows for %zu ids", m->file.name, name, shape[0], n);
    if (shape[1] < 1 || shape[1] > INT32_MAX)
        return rec_err_set(err, "%s: tensor %s has %" PRIu64 " factors", m->file.name, name, shape[1]);
    *factors = (size_t)shape[1];
    /* The file holds n * factors floats: their product fits. */
    return rec_safetensors_finite(&m->file, name, *out, n * *factors, err);
}

static int load_factors(struct rec_model *m, struct rec_err *err)
{
    size_t of_items;
    bool users = rec_safetensors_find(&m->file, "user_factors") != NULL;
    bool items = rec_safetensors_find(&m->file, "item_factors") != NULL;
    if (!users && !items)
        return 0;
    if (load_matrix(m, "user_factors", m->n_users, &m->user_factors, &m->factors, err) < 0 ||
        load_matrix(m, "item_factors", m->n_items, &m->item_factors, &of_items, err) < 0)
        return -1;
    if (m->factors != of_items)
        return rec_err_set(err, "%s: users have %zu factors, items %zu", m->file.name, m->factors, of_items);
    return 0;
}

/* Sparse rows with a weight for each entry; or none at all. */
static int load_weighted(const struct rec_model *m, const char *prefix, const char *index_name, size_t rows, size_t cols, const int64_t **ptr,
                         const int32_t **index, const float **weight, struct rec_err *err)
{
    char ptr_name[32], weight_name[32];
    size_t n;

    snprintf(ptr_name, sizeof ptr_name, "%s_ptr", prefix);
    snprintf(weight_name, sizeof weight_name, "%s_weight", prefix);
    if (rec_safetensors_find(&m->file, ptr_name) == NULL)
        return 0;
    if (rec_csr_load(&m->file, ptr_name, index_name, rows, cols, ptr, index, &n, err) < 0 || load_vector(m, weight_name, n, weight, err) < 0)
        return -1;
    return *weight ? 0 : rec_err_set(err, "%s: no tensor %s", m->file.name, weight_name);
}

/* What makes it a model of version 2. */
static int load_history_terms(struct rec_model *m, struct rec_err *err)
{
    size_t width;

    if (rec_safetensors_find(&m->file, "implicit_factors") != NULL) {
        if (load_matrix(m, "implicit_factors", m->n_items, &m->implicit_factors, &width, err) < 0)
            return -1;
        if (width != m->factors)
            return rec_err_set(err, "%s: items have %zu factors, implicit ones %zu", m->file.name, m->factors, width);
    }

    if (rec_safetensors_find(&m->file, "history_factors") != NULL) {
        if (load_matrix(m, "history_factors", m->n_items, &m->history_factors, &width, err) < 0)
            return -1;
        if (width != m->factors)
            return rec_err_set(err, "%s: items have %zu factors, histories %zu", m->file.name, m->factors, width);
    }
    if (rec_safetensors_find(&m->file, "links") != NULL) {
        if (load_matrix(m, "links", m->n_items, &m->links, &width, err) < 0)
            return -1;
        if (width != m->n_items)
            return rec_err_set(err, "%s: tensor links has %zu columns for %zu items", m->file.name, width, m->n_items);
    }
    if (load_weighted(m, "link", "link_item", m->n_items, m->n_items, &m->link_ptr, &m->link_item, &m->link_weight, err) < 0)
        return -1;
    if (rec_safetensors_find(&m->file, "liked_ptr") != NULL &&
        rec_csr_load(&m->file, "liked_ptr", "liked_item", m->n_users, m->n_items, &m->liked_ptr, &m->liked_item, &width, err) < 0)
        return -1;
    return load_weighted(m, "near", "near_user", m->n_users, m->n_users, &m->near_ptr, &m->near_user, &m->near_weight, err);
}

/* What a weighted sum of models tells of its parts. */
static int load_parts(struct rec_model *m, struct rec_err *err)
{
    const char *text = rec_safetensors_meta(&m->file, "parts");
    struct rec_json_value *parts;
    uint64_t shape[2];
    size_t n;

    if (text == NULL)
        return 0;
    parts = rec_json_read(m->file.name, text, strlen(text), err);
    if (parts == NULL)
        return -1;
    n = rec_json_length(parts);
    rec_json_free(parts);
    if (n == 0)
        return rec_err_set(err, "%s: header: metadata parts is not an array, or empty", m->file.name);
    rec_buf_adds(&m->parts, text);
    if (m->parts.failed)
        return rec_err_memory(err, m->file.name);
    if (rec_safetensors_find(&m->file, "part_bias") == NULL)
        return 0;
    m->part_bias = rec_safetensors_get(&m->file, "part_bias", REC_F32, 2, shape, err);
    if (m->part_bias == NULL)
        return -1;
    if (shape[0] != n || shape[1] != m->n_items)
        return rec_err_set(err, "%s: tensor part_bias is not %zu parts by %zu items", m->file.name, n, m->n_items);
    return rec_safetensors_finite(&m->file, "part_bias", m->part_bias, n * m->n_items, err);
}

static int load_number(const struct rec_model *m, const char *key, double *out, struct rec_err *err)
{
    const char *text = rec_safetensors_meta(&m->file, key);
    *out = 0;
    if (text != NULL && rec_num_double(out, text, strlen(text)) < 0)
        return rec_err_set(err, "%s: header: metadata %s: %.32s is not a number", m->file.name, key, text);
    return 0;
}

static int load_meta(struct rec_model *m, struct rec_err *err)
{
    const char *type = rec_safetensors_meta(&m->file, "type"), *scale = rec_safetensors_meta(&m->file, "scale"),
               *params = rec_safetensors_meta(&m->file, "params"), *history = rec_safetensors_meta(&m->file, "history");
    if (type == NULL || strlen(type) >= sizeof m->type)
        return rec_err_set(err, "%s: header: metadata type is missing, or too long", m->file.name);
    memcpy(m->type, type, strlen(type) + 1);
    if (scale != NULL && strcmp(scale, "ratings") != 0 && strcmp(scale, "ranks") != 0)
        return rec_err_set(err, "%s: header: metadata scale: %.32s is neither ratings nor ranks", m->file.name, scale);
    m->ratings_scale = scale != NULL && strcmp(scale, "ratings") == 0;
    if (load_number(m, "mean", &m->mean, err) < 0 || load_number(m, "low", &m->low, err) < 0 ||
        load_number(m, "high", &m->high, err) < 0 || load_number(m, "spread", &m->spread, err) < 0 ||
        load_number(m, "history_exponent", &m->history_exponent, err) < 0)
        return -1;
    if (!(m->history_exponent >= 0 && m->history_exponent <= 2))
        return rec_err_set(err, "%s: header: metadata history_exponent: %g is not within 0 and 2", m->file.name, m->history_exponent);
    if (m->low > m->high)
        return rec_err_set(err, "%s: header: metadata low is greater than high", m->file.name);
    rec_buf_adds(&m->params, params ? params : "{}");
    m->history = strdup(history ? history : "");
    return m->params.failed || m->history == NULL ? rec_err_memory(err, m->file.name) : 0;
}

static int load_all(struct rec_model *m, struct rec_err *err)
{
    const struct rec_safetensors *file = &m->file;
    size_t seen;
    if (rec_safetensors_expect(file, "rec.model", 2, err) < 0 || load_meta(m, err) < 0 ||
        rec_ids_load(&m->users, file, "users", err) < 0 || rec_ids_load(&m->items, file, "items", err) < 0)
        return -1;
    m->digest = file->crc32c;
    m->n_users = m->users.n;
    m->n_items = m->items.n;
    if (load_factors(m, err) < 0 || load_vector(m, "user_bias", m->n_users, &m->user_bias, err) < 0 ||
        load_vector(m, "item_bias", m->n_items, &m->item_bias, err) < 0 ||
        load_vector(m, "popularity", m->n_items, &m->popularity, err) < 0 || load_history_terms(m, err) < 0 ||
        load_parts(m, err) < 0)
        return -1;
    if (m->popularity == NULL)
        return rec_err_set(err, "%s: no tensor popularity", file->name);
    if (rec_csr_load(file, "seen_ptr", "seen_item", m->n_users, m->n_items, &m->seen_ptr, &m->seen_item, &seen, err) < 0)
        return -1;
    return rec_context_load(m, err);
}

int rec_model_load(struct rec_model *model, struct rec_safetensors *file, struct rec_err *err)
{
    *model = (struct rec_model){.file = *file};
    *file = (struct rec_safetensors){0};
    if (load_all(model, err) < 0) {
        rec_model_clear(model);
        return -1;
    }
    return 0;
}

int rec_model_read(struct rec_model *model, const char *path, struct rec_err *err)
{
    struct rec_safetensors file;
    *model = (struct rec_model){0};
    if (rec_safetensors_open(&file, path, err) < 0)
        return -1;
    return rec_model_load(model, &file, err);
}

/* ---- writing ------------------------------------------------------------------------------------- */

static void put_number(struct rec_safetensors_out *file, const char *key, double value)
{
    char text[REC_NUM_MAX + 1];
    text[rec_num_print_double(text, value)] = '\0';
    rec_safetensors_put_meta(file, key, text);
}

static bool version_2(const struct rec_model *m)
{
    return m->history_factors || m->links || m->link_ptr || m->near_ptr;
}

static void put_meta(struct rec_safetensors_out *file, const struct rec_model *m, const char *history)
{
    rec_safetensors_put_meta(file, "format", version_2(m) ? "rec.model/2" : "rec.model/1");
    if (history != NULL && history[0] != '\0')
        rec_safetensors_put_meta(file, "history", history);
    rec_safetensors_put_meta(file, "type", m->type);
    rec_safetensors_put_meta(file, "params", m->params.len > 0 ? m->params.data : "{}");
    rec_safetensors_put_meta(file, "scale", m->ratings_scale ? "ratings" : "ranks");
    put_number(file, "mean", m->mean);
    put_number(file, "low", m->low);
    put_number(file, "high", m->high);
    if (m->spread > 0)
        put_number(file, "spread", m->spread);
    if (version_2(m))
        put_number(file, "history_exponent", m->history_exponent);
    if (m->parts.len > 0)
        rec_safetensors_put_meta(file, "parts", m->parts.data);
}

static size_t count_parts(const struct rec_model *m, struct rec_err *err)
{
    struct rec_json_value *parts = rec_json_read("parts", m->parts.data, m->parts.len, err);
    size_t n = rec_json_length(parts);

    rec_json_free(parts);
    return n;
}

static void put_vector(struct rec_safetensors_out *file, const char *name, size_t n, const float *data)
{
    if (data != NULL)
        rec_safetensors_put(file, name, REC_F32, 1, (uint64_t[]){n}, data);
}

static void put_matrix(struct rec_safetensors_out *file, const char *name, size_t n, size_t factors, const float *data)
{
    if (data != NULL)
        rec_safetensors_put(file, name, REC_F32, 2, (uint64_t[]){n, factors}, data);
}

static void put_weighted(struct rec_safetensors_out *file, const char *const name[3], size_t rows, const int64_t *ptr, const int32_t *index,
                         const float *weight)
{
    if (ptr == NULL)
        return;
    rec_safetensors_put(file, name[0], REC_I64, 1, (uint64_t[]){rows + 1}, ptr);
    rec_safetensors_put(file, name[1], REC_I32, 1, (uint64_t[]){(uint64_t)ptr[rows]}, index);
    rec_safetensors_put(file, name[2], REC_F32, 1, (uint64_t[]){(uint64_t)ptr[rows]}, weight);
}

int rec_model_write(const struct rec_model *model, const char *history, struct rec_out *out, struct rec_err *err)
{
    const struct rec_model *m = model;
    struct rec_safetensors_out file = {0};
    size_t parts = m->part_bias != NULL ? count_parts(m, err) : 0;
    int result;
    if (m->part_bias != NULL && parts == 0)
        return -1;
    put_meta(&file, m, history);
    put_matrix(&file, "user_factors", m->n_users, m->factors, m->user_factors);
    put_matrix(&file, "item_factors", m->n_items, m->factors, m->item_factors);
    put_vector(&file, "user_bias", m->n_users, m->user_bias);
    put_vector(&file, "item_bias", m->n_items, m->item_bias);
    put_vector(&file, "popularity", m->n_items, m->popularity);
    put_matrix(&file, "history_factors", m->n_items, m->factors, m->history_factors);
    put_matrix(&file, "implicit_factors", m->n_items, m->factors, m->implicit_factors);
    put_matrix(&file, "links", m->n_items, m->n_items, m->links);
    put_weighted(&file, (const char *const[]){"link_ptr", "link_item", "link_weight"}, m->n_items, m->link_ptr, m->link_item, m->link_weight);
    put_weighted(&file, (const char *const[]){"near_ptr", "near_user", "near_weight"}, m->n_users, m->near_ptr, m->near_user, m->near_weight);
    put_matrix(&file, "part_bias", parts, m->n_items, m->part_bias);
    if (version_2(m) && m->liked_ptr) {
        rec_safetensors_put(&file, "liked_ptr", REC_I64, 1, (uint64_t[]){m->n_users + 1}, m->liked_ptr);
        rec_safetensors_put(&file, "liked_item", REC_I32, 1, (uint64_t[]){(uint64_t)m->liked_ptr[m->n_users]}, m->liked_item);
    }
    rec_context_put(&file, m);
    rec_safetensors_put(&file, "seen_ptr", REC_I64, 1, (uint64_t[]){m->n_users + 1}, m->seen_ptr);
    rec_safetensors_put(&file, "seen_item", REC_I32, 1, (uint64_t[]){(uint64_t)m->seen_ptr[m->n_users]}, m->seen_item);
    rec_ids_put(&file, "users", &m->users);
    rec_ids_put(&file, "items", &m->items);
    result = rec_safetensors_write(&file, out, err);
    rec_safetensors_out_clear(&file);
    return result;
}

void rec_model_clear(struct rec_model *model)
{
    for (size_t i = 0; i < REC_LENGTH(model->owned); i++)
        free(model->owned[i]);
    rec_ids_clear(&model->users);
    rec_ids_clear(&model->items);
    rec_buf_clear(&model->params);
    rec_buf_clear(&model->parts);
    free(model->history);
    rec_safetensors_close(&model->file);
    *model = (struct rec_model){0};
}
