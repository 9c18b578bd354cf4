/* SPDX-License-Identifier: MIT
 *
 * Reading safetensors files: https://github.com/huggingface/safetensors in the profile of rec-format(5).
 *
 * The header is from a stranger (safetensors_header.c reads it); every length, offset and shape is checked before it is used.
 */
#include "safetensors_priv.h"

#include <inttypes.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian and mapped as they are");

/* What tensors of no bytes point to. */
static const uint64_t nothing[8];

/* ---- header -------------------------------------------------------------------------------------- */

static int read_length(struct rec_safetensors *file, struct rec_err *err)
{
    const struct rec_in *in = &file->in;
    uint64_t n;
    if (in->len == 0)
        return rec_err_set(err, "%s: empty, not a safetensors file", file->name);
    if (in->len < 10)
        return rec_err_set(err, "%s: truncated at byte %zu, within the header's length", file->name, in->len);
    memcpy(&n, in->data, sizeof n);
    if (in->data[8] != '{')
        return rec_err_set(err, "%s: not a safetensors file: no '{' at byte 8", file->name);
    if (n > REC_SAFETENSORS_HEADER_MAX)
        return rec_err_set(err, "%s: not a safetensors file of ours: a header of %" PRIu64 " bytes, the most is %d", file->name, n,
                           REC_SAFETENSORS_HEADER_MAX);
    if (n < 2 || n > in->len - 8)
        return rec_err_set(err, "%s: truncated at byte %zu: the header ends at byte %" PRIu64, file->name, in->len, n + 8);
    file->header_bytes = (size_t)n;
    return 0;
}

/* ---- metadata ------------------------------------------------------------------------------------ */

static int compare_meta(const void *a, const void *b)
{
    return strcmp(((const struct rec_meta *)a)->key, ((const struct rec_meta *)b)->key);
}

const char *rec_safetensors_meta(const struct rec_safetensors *file, const char *key)
{
    struct rec_meta wanted = {.key = key}, *found = NULL;
    if (file->n_meta > 0)
        found = bsearch(&wanted, file->meta, file->n_meta, sizeof *file->meta, compare_meta);
    return found ? found->value : NULL;
}

/* ---- tensors ------------------------------------------------------------------------------------- */

static int bad_tensor(const struct rec_safetensors *file, const char *name, const char *what, struct rec_err *err)
{
    return rec_err_set(err, "%s: header: tensor %.64s: %s", file->name, name, what);
}

static int compare_extents(const void *a, const void *b)
{
    const struct rec_tensor *s = a, *t = b;
    uintptr_t from = (uintptr_t)s->data, other = (uintptr_t)t->data;
    if (from != other)
        return from < other ? -1 : 1;
    if (s->bytes != t->bytes)
        return s->bytes < t->bytes ? -1 : 1;
    return strcmp(s->name, t->name);
}

/* The tensors, in order, must tile the data: no holes, no overlaps, nothing left. Then offsets become addresses. */
static int place_tensors(struct rec_safetensors *file, struct rec_err *err)
{
    const unsigned char *data = file->in.data + 8 + file->header_bytes;
    uint64_t there = file->in.len - 8 - file->header_bytes, end = 0;
    for (size_t i = 0; i < file->n_tensors; i++) {
        struct rec_tensor *t = &file->tensor[i];
        uint64_t begin = (uintptr_t)t->data;
        size_t size = 1;
        if (begin != end)
            return bad_tensor(file, t->name, begin > end ? "a hole before its data" : "overlaps the tensor before it", err);
        if (t->bytes > there - begin)
            return rec_err_set(err, "%s: truncated at byte %zu, within tensor %.64s", file->name, file->in.len, t->name);
        rec_safetensors_header_type(t->dtype, &size);
        t->data = t->bytes == 0 ? (const void *)nothing : data + begin;
        if ((uintptr_t)t->data % size != 0)
            t->data = NULL;
        end = begin + t->bytes;
    }
    if (end != there)
        return rec_err_set(err, "%s: %" PRIu64 " bytes after the last tensor, from byte %" PRIu64, file->name, there - end,
                           file->in.len - (there - end));
    return 0;
}

static int read_tensors(struct rec_safetensors *file, struct rec_err *err)
{
    if (file->n_tensors > 1)
        qsort(file->tensor, file->n_tensors, sizeof *file->tensor, compare_extents);
    return place_tensors(file, err);
}

/* ---- checksums ----------------------------------------------------------------------------------- */

/* Valid JSON has `"header_crc32c"` outside of longer strings only as a key; before a blank, colon, blank and quote it is the one
 * in __metadata__, since the members of tensors are known and nothing else is a string. */
size_t rec_safetensors_priv_digits(const char *text, size_t len)
{
    static const char key[] = "\"header_crc32c\"";
    const char *end = text + len, *at = text;
    while ((at = memmem(at, (size_t)(end - at), key, sizeof key - 1)) != NULL) {
        const char *p = at + sizeof key - 1;
        at = p;
        while (p < end && strchr(" \t\r\n", *p) != NULL && *p != '\0')
            p++;
        if (p == end || *p++ != ':')
            continue;
        while (p < end && strchr(" \t\r\n", *p) != NULL && *p != '\0')
            p++;
        if (end - p > 9 && *p == '"' && p[9] == '"')
            return (size_t)(p + 1 - text);
    }
    return 0;
}

static int read_hex(uint32_t *out, const char *text)
{
    *out = 0;
    if (strlen(text) != 8)
        return -1;
    for (; *text != '\0'; text++) {
        if (!(*text >= '0' && *text <= '9') && !(*text >= 'a' && *text <= 'f'))
            return -1;
        *out = *out << 4 | (uint32_t)(*text <= '9' ? *text - '0' : *text - 'a' + 10);
    }
    return 0;
}

static int check_header(const struct rec_safetensors *file, uint32_t carried, struct rec_err *err)
{
    const char *head = (const char *)file->in.data;
    size_t len = 8 + file->header_bytes, digits = rec_safetensors_priv_digits(head + 8, file->header_bytes);
    uint32_t crc;
    if (digits == 0)
        return rec_err_set(err, "%s: header: header_crc32c is spelt with escapes", file->name);
    digits += 8;
    crc = rec_crc32c(0, head, digits);
    crc = rec_crc32c(crc, "00000000", 8);
    crc = rec_crc32c(crc, head + digits + 8, len - digits - 8);
    if (crc != carried)
        return rec_err_set(err, "%s: damaged: the header's checksum is %08x, not %08x as it says", file->name, crc, carried);
    return 0;
}

static int check_sums(struct rec_safetensors *file, unsigned flags, struct rec_err *err)
{
    const char *own = rec_safetensors_meta(file, "header_crc32c"), *data = rec_safetensors_meta(file, "crc32c");
    const unsigned char *start = file->in.data + 8 + file->header_bytes;
    uint32_t header = 0, carried = 0;
    if ((own == NULL) != (data == NULL))
        return rec_err_set(err, "%s: header: one checksum without the other: %s is missing", file->name,
                           own ? "crc32c" : "header_crc32c");
    if (own != NULL && (read_hex(&header, own) < 0 || read_hex(&carried, data) < 0))
        return rec_err_set(err, "%s: header: a checksum that is not 8 lower-case hexadecimal digits", file->name);
    if (own != NULL && check_header(file, header, err) < 0)
        return -1;
    file->crc32c = carried;
    file->verified = flags & REC_SAFETENSORS_VERIFIED;
    if (flags & (REC_SAFETENSORS_NO_CRC | REC_SAFETENSORS_VERIFIED))
        return 0;
    file->crc32c = rec_crc32c(0, start, file->in.len - 8 - file->header_bytes);
    file->checksummed = own != NULL;
    if (own != NULL && file->crc32c != carried)
        return rec_err_set(err, "%s: damaged: the checksum of its data is %08x, not %08x as the header says", file->name,
                           file->crc32c, carried);
    return 0;
}

/* ---- the whole ----------------------------------------------------------------------------------- */

int rec_safetensors_parse(struct rec_safetensors *file, struct rec_in *in, unsigned flags, struct rec_err *err)
{
    *file = (struct rec_safetensors){.name = in->name, .in = *in};
    *in = (struct rec_in){0};
    if (read_length(file, err) < 0 || rec_safetensors_header_read(file, err) < 0 || read_tensors(file, err) < 0 || check_sums(file, flags, err) < 0) {
        rec_safetensors_close(file);
        return -1;
    }
    return 0;
}

int rec_safetensors_open(struct rec_safetensors *file, const char *path, struct rec_err *err)
{
    struct rec_in in = {0};
    *file = (struct rec_safetensors){0};
    if (rec_in_open(&in, path, err) < 0)
        return -1;
    return rec_safetensors_parse(file, &in, 0, err);
}

void rec_safetensors_close(struct rec_safetensors *file)
{
    free(file->tensor);
    free(file->meta);
    free(file->texts);
    rec_in_close(&file->in);
    *file = (struct rec_safetensors){0};
}

int rec_safetensors_expect(const struct rec_safetensors *file, const char *kind, int version, struct rec_err *err)
{
    const char *format = rec_safetensors_meta(file, "format");
    size_t len = strlen(kind);
    int64_t v;
    if (format == NULL)
        return rec_err_set(err, "%s: a safetensors file that does not say it is %s: no `format` in its metadata", file->name, kind);
    if (strncmp(format, kind, len) != 0 || format[len] != '/')
        return rec_err_set(err, "%s: is %.64s, not %s", file->name, format, kind);
    if (rec_num_int64(&v, format + len + 1, strlen(format + len + 1)) < 0 || v < 1)
        return rec_err_set(err, "%s: format %.64s has no version", file->name, format);
    if (v > version)
        return rec_err_set(err, "%s: is %.64s, and this tool reads up to %s/%d", file->name, format, kind, version);
    return 0;
}

const struct rec_tensor *rec_safetensors_find(const struct rec_safetensors *file, const char *name)
{
    for (size_t i = 0; i < file->n_tensors; i++)
        if (strcmp(file->tensor[i].name, name) == 0)
            return &file->tensor[i];
    return NULL;
}

const void *rec_safetensors_get(const struct rec_safetensors *file, const char *name, enum rec_dtype dtype, unsigned rank,
                                uint64_t *shape, struct rec_err *err)
{
    const struct rec_tensor *t = rec_safetensors_find(file, name);
    size_t size = 0;
    if (t == NULL)
        rec_err_set(err, "%s: no tensor %s", file->name, name);
    else if (t->dtype != dtype || t->rank != rank)
        rec_err_set(err, "%s: tensor %s is %s of %u dimensions, not %s of %u", file->name, name, t->dtype_name, t->rank,
                    rec_safetensors_header_type(dtype, &size), rank);
    else if (t->data == NULL)
        rec_err_set(err, "%s: tensor %s is not aligned for its type", file->name, name);
    else {
        memcpy(shape, t->shape, rank * sizeof *shape);
        return t->data;
    }
    return NULL;
}

/* Blocks of a fixed length, without an early exit, so that the compiler makes vectors of it. */
int rec_safetensors_finite(const struct rec_safetensors *file, const char *name, const float *value, size_t n, struct rec_err *err)
{
    enum { BLOCK = 256 };
    for (size_t i = 0; i < n && !file->verified; i += BLOCK) {
        const float *v = value + i;
        int bad = 0;
        if (n - i >= BLOCK) {
            for (size_t j = 0; j < BLOCK; j++)
                bad |= !(__builtin_fabsf(v[j]) <= 3.402823466e38f);
            if (!bad)
                continue;
        }
        for (size_t j = 0; j < BLOCK && i + j < n; j++)
            if (!__builtin_isfinite(v[j]))
                return rec_err_set(err, "%s: tensor %s: element %zu is not a finite number", file->name, name, i + j);
    }
    return 0;
}
