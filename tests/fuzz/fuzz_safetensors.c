/* SPDX-License-Identifier: MIT
 *
 * A container of any bytes is refused with one line, or every tensor of it can be read to its last byte; the same for the kinds of
 * file that stand on it. Checksums are left unchecked where they are there, or nothing would get past them.
 */
#include <rec/score.h>

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sum;

static int open_bytes(struct rec_safetensors *file, const uint8_t *data, size_t size, unsigned flags)
{
    struct rec_in in = {.name = "fuzz", .len = size};
    struct rec_err err = {0};
    unsigned char *copy = malloc(size ? size : 1);
    assert(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    in.data = copy;
    if (rec_safetensors_parse(file, &in, flags, &err) == 0)
        return 0;
    assert(err.text[0] != '\0' && strchr(err.text, '\n') == NULL);
    return -1;
}

static void read_tensors(const struct rec_safetensors *file)
{
    for (size_t i = 0; i < file->n_tensors; i++) {
        const struct rec_tensor *t = &file->tensor[i];
        for (uint64_t k = 0; t->data != NULL && k < t->bytes; k++)
            sum += ((const uint8_t *)t->data)[k];
    }
    for (size_t i = 0; i < file->n_meta; i++)
        assert(rec_safetensors_meta(file, file->meta[i].key) == file->meta[i].value);
}

static void read_ratings(const uint8_t *data, size_t size)
{
    struct rec_safetensors file;
    struct rec_ratings r;
    struct rec_csr t;
    struct rec_err err = {0};
    if (open_bytes(&file, data, size, REC_SAFETENSORS_NO_CRC) < 0)
        return;
    if (rec_ratings_load(&r, &file, &err) < 0) {
        assert(err.text[0] != '\0' && strchr(err.text, '\n') == NULL);
        return;
    }
    assert(rec_csr_transpose(&t, r.n_users, r.n_items, r.user_ptr, r.item, r.value, &err) == 0);
    for (size_t p = 0; p < t.nnz; p++)
        assert((size_t)t.index[p] < r.n_users && t.value[p] == t.value[p]);
    for (size_t u = 0; u < r.n_users; u++) {
        size_t len;
        const char *id = rec_ids_get(&r.users, u, &len);
        assert(rec_ids_find(&r.users, id, len) == (int32_t)u);
    }
    rec_csr_clear(&t);
    rec_ratings_clear(&r);
}

static void read_model(const uint8_t *data, size_t size)
{
    struct rec_safetensors file;
    struct rec_model m;
    struct rec_err err = {0};
    if (open_bytes(&file, data, size, REC_SAFETENSORS_NO_CRC) < 0)
        return;
    if (rec_model_load(&m, &file, &err) < 0) {
        assert(err.text[0] != '\0' && strchr(err.text, '\n') == NULL);
        return;
    }
    for (size_t k = 0; m.user_factors != NULL && k < m.n_users * m.factors; k++)
        assert(m.user_factors[k] - m.user_factors[k] == 0);
    for (int64_t p = 0; p < m.seen_ptr[m.n_users]; p++)
        assert((size_t)m.seen_item[p] < m.n_items);
    rec_model_clear(&m);
}

static void read_catalogue(const uint8_t *data, size_t size)
{
    struct rec_safetensors file;
    struct rec_catalogue c;
    struct rec_err err = {0};
    if (open_bytes(&file, data, size, REC_SAFETENSORS_NO_CRC) < 0)
        return;
    if (rec_catalogue_load(&c, &file, &err) < 0) {
        assert(err.text[0] != '\0' && strchr(err.text, '\n') == NULL);
        return;
    }
    for (size_t i = 0; i < c.n; i++) {
        size_t len;
        const char *title = rec_catalogue_title(&c, i, &len);
        assert(rec_json_utf8(title, len));
        for (int64_t p = c.genre_ptr[i]; p < c.genre_ptr[i + 1]; p++)
            assert((size_t)c.genre[p] < c.genres.n);
        sum += (uint64_t)c.year[i];
    }
    rec_catalogue_clear(&c);
}

static void read_features(const uint8_t *data, size_t size)
{
    struct rec_safetensors file;
    struct rec_features f;
    struct rec_err err = {0};
    if (open_bytes(&file, data, size, REC_SAFETENSORS_NO_CRC) < 0)
        return;
    if (rec_features_file_load(&f, &file, &err) < 0) {
        assert(err.text[0] != '\0' && strchr(err.text, '\n') == NULL);
        return;
    }
    for (size_t k = 0; k < f.items.n * f.item_columns.n; k++)
        assert(f.item_dense[k] - f.item_dense[k] == 0);
    for (size_t k = 0; k < f.users.n * f.user_columns.n; k++)
        assert(f.user_dense[k] - f.user_dense[k] == 0);
    for (int64_t p = 0; p < f.title_ptr[f.items.n]; p++)
        assert((size_t)f.title_term[p] < f.terms.n && f.title_weight[p] - f.title_weight[p] == 0);
    rec_features_clear(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rec_safetensors file;
    if (open_bytes(&file, data, size, 0) == 0) {
        read_tensors(&file);
        rec_safetensors_close(&file);
    }
    read_ratings(data, size);
    read_catalogue(data, size);
    read_features(data, size);
    read_model(data, size);
    return 0;
}
