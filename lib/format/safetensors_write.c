/* SPDX-License-Identifier: MIT
 *
 * Writing safetensors files in the profile of rec-format(5): compact header, data on a 64-byte boundary, tensors by size of
 * element and name, checksums of data and header.
 *
 * The header carries the checksum of the data and comes first, and the output may be a pipe: so the data is read twice, once for
 * its checksum and once to be written.
 */
#include "safetensors_priv.h"

#define ALIGNMENT 64

/* Room for one more; NULL when that fails. */
static void *room(void *array, size_t n, size_t *cap, size_t size)
{
    void **at = array;
    if (n == *cap) {
        size_t more = *cap ? *cap * 2 : 16;
        if (rec_realloc(at, more, size, "header", NULL) < 0)
            return NULL;
        *cap = more;
    }
    return (char *)*at + n * size;
}

void rec_safetensors_put(struct rec_safetensors_out *file, const char *name, enum rec_dtype dtype, unsigned rank,
                         const uint64_t *shape, const void *data)
{
    struct rec_tensor t = {.dtype = dtype, .rank = rank, .data = data};
    size_t bytes = 0, size;
    t.dtype_name = rec_safetensors_header_type(dtype, &bytes);
    struct rec_tensor *place = room(&file->tensor, file->n_tensors, &file->cap_tensors, sizeof *place);
    if (place == NULL || t.dtype_name == NULL || rank > REC_RANK_MAX) {
        file->failed = true;
        return;
    }
    for (unsigned i = 0; i < rank; i++) {
        t.shape[i] = shape[i];
        if (rec_size_mul(&size, bytes, shape[i]) < 0)
            file->failed = true;
        else
            bytes = size;
    }
    t.bytes = bytes;
    t.name = strdup(name);
    if (t.name == NULL) {
        file->failed = true;
        return;
    }
    *place = t;
    file->n_tensors++;
}

void rec_safetensors_put_meta(struct rec_safetensors_out *file, const char *key, const char *value)
{
    struct rec_meta *place = NULL;
    char *copy = strdup(value);
    for (size_t i = 0; i < file->n_meta; i++)
        if (strcmp(file->meta[i].key, key) == 0) {
            free((char *)file->meta[i].value);
            file->meta[i].value = copy;
            file->failed |= copy == NULL;
            return;
        }
    place = room(&file->meta, file->n_meta, &file->cap_meta, sizeof *place);
    if (place != NULL)
        *place = (struct rec_meta){strdup(key), copy};
    if (place == NULL || copy == NULL || place->key == NULL) {
        file->failed = true;
        if (place != NULL)
            free((char *)place->key);
        free(copy);
        return;
    }
    file->n_meta++;
}

void rec_safetensors_out_clear(struct rec_safetensors_out *file)
{
    for (size_t i = 0; i < file->n_tensors; i++)
        free((char *)file->tensor[i].name);
    for (size_t i = 0; i < file->n_meta; i++) {
        free((char *)file->meta[i].key);
        free((char *)file->meta[i].value);
    }
    free(file->tensor);
    free(file->meta);
    *file = (struct rec_safetensors_out){0};
}

static int compare_tensors(const void *a, const void *b)
{
    const struct rec_tensor *s = a, *t = b;
    size_t from = 0, other = 0;
    rec_safetensors_header_type(s->dtype, &from);
    rec_safetensors_header_type(t->dtype, &other);
    if (from != other)
        return from > other ? -1 : 1;
    return strcmp(s->name, t->name);
}

static int compare_meta(const void *a, const void *b)
{
    return strcmp(((const struct rec_meta *)a)->key, ((const struct rec_meta *)b)->key);
}

static void add_meta(struct rec_json *json, const struct rec_safetensors_out *file, struct rec_meta *meta, uint32_t crc)
{
    char digits[9];
    size_t n = 0;
    snprintf(digits, sizeof digits, "%08x", crc);
    for (size_t i = 0; i < file->n_meta; i++)
        if (strcmp(file->meta[i].key, "crc32c") != 0 && strcmp(file->meta[i].key, "header_crc32c") != 0)
            meta[n++] = file->meta[i];
    meta[n++] = (struct rec_meta){"crc32c", digits};
    meta[n++] = (struct rec_meta){"header_crc32c", "00000000"};
    qsort(meta, n, sizeof *meta, compare_meta);
    rec_json_object(json, "__metadata__");
    for (size_t i = 0; i < n; i++)
        rec_json_text(json, meta[i].key, meta[i].value, strlen(meta[i].value));
    rec_json_end(json);
}

static void add_tensors(struct rec_json *json, const struct rec_tensor *tensor, size_t n)
{
    uint64_t offset = 0;
    for (size_t i = 0; i < n; i++) {
        rec_json_object(json, tensor[i].name);
        rec_json_text(json, "dtype", tensor[i].dtype_name, strlen(tensor[i].dtype_name));
        rec_json_array(json, "shape");
        for (unsigned k = 0; k < tensor[i].rank; k++)
            rec_json_int(json, NULL, (int64_t)tensor[i].shape[k]);
        rec_json_end(json);
        rec_json_array(json, "data_offsets");
        rec_json_int(json, NULL, (int64_t)offset);
        offset += tensor[i].bytes;
        rec_json_int(json, NULL, (int64_t)offset);
        rec_json_end(json);
        rec_json_end(json);
    }
}

/* Pads the header, fills in its length, and last its own checksum. */
static int seal(struct rec_buf *head, const char *name, struct rec_err *err)
{
    char digits[9];
    while (head->len % ALIGNMENT != 0 && !head->failed)
        rec_buf_addc(head, ' ');
    if (head->failed)
        return rec_err_memory(err, name);
    uint64_t n = head->len - 8;
    size_t place = rec_safetensors_priv_digits(head->data + 8, (size_t)n);
    if (n > REC_SAFETENSORS_HEADER_MAX)
        return rec_err_set(err, "%s: the header, with its history, would be longer than 16 MiB", name);
    memcpy(head->data, &n, sizeof n);
    snprintf(digits, sizeof digits, "%08x", rec_crc32c(0, head->data, head->len));
    memcpy(head->data + 8 + place, digits, 8);
    return 0;
}

int rec_safetensors_write(const struct rec_safetensors_out *file, struct rec_out *out, struct rec_err *err)
{
    struct rec_buf head = {0};
    struct rec_json json = {.out = &head, .flat = true};
    struct rec_tensor *tensor = rec_calloc(file->n_tensors, sizeof *tensor, out->name, err);
    struct rec_meta *meta = rec_calloc(file->n_meta + 2, sizeof *meta, out->name, err);
    uint32_t crc = 0;
    int result = -1;
    if (tensor == NULL || meta == NULL)
        goto out;
    if (file->failed) {
        rec_err_memory(err, out->name);
        goto out;
    }

    memcpy(tensor, file->tensor, file->n_tensors * sizeof *tensor);
    qsort(tensor, file->n_tensors, sizeof *tensor, compare_tensors);
    for (size_t i = 0; i < file->n_tensors; i++)
        crc = rec_crc32c(crc, tensor[i].data, tensor[i].bytes);

    rec_buf_add(&head, "\0\0\0\0\0\0\0", 8);
    rec_json_object(&json, NULL);
    add_meta(&json, file, meta, crc);
    add_tensors(&json, tensor, file->n_tensors);
    rec_json_end(&json);
    if (seal(&head, out->name, err) < 0 || rec_out_write(out, head.data, head.len, err) < 0)
        goto out;
    for (size_t i = 0; i < file->n_tensors; i++)
        if (rec_out_write(out, tensor[i].data, tensor[i].bytes, err) < 0)
            goto out;
    result = 0;
out:
    rec_buf_clear(&head);
    free(tensor);
    free(meta);
    return result;
}
